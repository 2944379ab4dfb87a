"""Runs go on through failovers: of a master that a Sentinel watches, and of a cluster's node."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from astrum.errors import StoreConfigurationError, StoreUnavailableError
from astrum.protocol.keys import Keys
from astrum.protocol.run_header import plan_digest
from astrum.redis import LeaseClient, RedisSettings, RunStore, WorkerStore
from tests import warm_start
from tests.access import denied, make_user
from tests.clusters import MASTER, Cluster, Watched, send
from tests.contract.steps import create_run
from tests.contract.test_access import heard
from tests.eventually import eventually
from tests.flows.resilience import STEPS
from tests.integration.resilience.pool import MODULE, QUICK, Pool
from tests.integration.resilience.test_server import Steps
from tests.processes import ROOT
from tests.servers import RedisServer, find_binaries, free_port

pytestmark = pytest.mark.skipif(not find_binaries(), reason="no server binary")

REPLACED = "restarted or replaced"


@pytest.fixture(scope="module")
def _watched() -> Iterator[Watched]:
    with Watched() as watched:
        yield watched


@pytest.fixture
def watched(_watched: Watched) -> Watched:
    """An empty master with a replica and a Sentinel, whatever tests did to them before."""
    _watched.mend()
    send(_watched.master, "FLUSHALL")
    return _watched


@pytest.fixture(scope="module")
def _cluster() -> Iterator[Cluster]:
    with Cluster(Keys().leases) as cluster:
        yield cluster


@pytest.fixture
def cluster(_cluster: Cluster) -> Cluster:
    """An empty cluster that is whole, whatever tests did to it before."""
    _cluster.mend()
    send(_cluster.owner, "FLUSHALL")
    return _cluster


@pytest.fixture
def watched_pool(tmp_path: Path, watched: Watched) -> Iterator[Pool]:
    with Pool(tmp_path, watched.master) as pool:
        yield pool


@pytest.fixture
def cluster_pool(tmp_path: Path, cluster: Cluster) -> Iterator[Pool]:
    with Pool(tmp_path, cluster.owner) as pool:
        yield pool


def command(url: str, *words: str, module: str = "astrum_coordinator") -> tuple[int, str]:
    """Run a command to its end, and return its exit code and all that it said."""
    done = warm_start.run(
        [sys.executable, "-m", module, *words, "--redis", url],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=30.0,
        check=False,
    )
    return done.returncode, done.stdout


async def opened(url: str) -> None:
    """Connect a store as commands do at their start."""
    async with RunStore.open(RedisSettings(url=url)):
        pass


# --- Sentinel -------------------------------------------------------------------------------


async def test_a_run_goes_on_at_the_master_that_the_sentinel_promoted(
    watched_pool: Pool, watched: Watched
) -> None:
    first = watched.master.port
    worker = watched_pool.worker(*QUICK, url=watched.url)
    async with Steps(watched_pool, watched.url) as steps:
        await steps.reached(20)
        await asyncio.to_thread(watched.fail_over)
        await steps.completed()
    assert REPLACED in worker.output
    used = re.findall(r"the server is 127\.0\.0\.1:(\d+)", worker.output)
    assert used == [str(first), str(watched.master.port)]


async def test_a_heartbeat_follows_a_failover_by_itself(watched: Watched) -> None:
    settings = RedisSettings(url=watched.url)
    with closing(LeaseClient(settings)) as lease:
        lease.beat("w", 60.0)
        await asyncio.to_thread(watched.fail_over)
        lease.beat("w", 60.0)
    assert send(watched.master, "ZSCORE", settings.keys.leases, "w")


async def test_a_wrong_url_of_a_sentinel_is_refused_with_what_to_write(watched: Watched) -> None:
    sentinel, server = watched.sentinel.port, watched.master.port
    for url, advice in (
        (f"redis://127.0.0.1:{sentinel}", f"HOST:26379/{MASTER}/0"),
        (f"redis+sentinel://127.0.0.1:{server}/{MASTER}", "is a server and not a Sentinel"),
    ):
        with pytest.raises(StoreConfigurationError, match=advice):
            await opened(url)


def test_a_master_that_the_sentinel_does_not_know_ends_a_command(watched: Watched) -> None:
    code, said = command(f"redis+sentinel://127.0.0.1:{watched.sentinel.port}/mian", "runs")
    assert (code, said.count("\n")) == (2, 1), said
    assert f"do not know a master 'mian'; did you mean '{MASTER}'?" in said


async def test_sentinels_that_are_all_down_are_waited_for() -> None:
    down = f"redis+sentinel://127.0.0.1:{free_port()}/{MASTER}"
    with pytest.raises(StoreUnavailableError, match="no Sentinel answers"):
        await opened(down)


async def test_the_sentinels_and_the_server_have_logins_of_their_own(watched: Watched) -> None:
    for server in (*watched.servers, watched.sentinel):
        is_server = server is not watched.sentinel
        name, password = ("bob", "s3cret") if is_server else ("eve", "w4tch")
        send(server, "ACL", "SETUSER", name, "on", f">{password}", "~*", "&*", "+@all")
    url = watched.url.replace("://", "://bob:s3cret@") + "?sentinel_username=eve"
    async with RunStore.open(RedisSettings(url=f"{url}&sentinel_password=w4tch")) as runs:
        assert await runs.client.execute("ACL", "WHOAMI") == b"bob"
    with pytest.raises(StoreConfigurationError, match="refuses the login") as caught:
        await opened(f"{url}&sentinel_password=wr0ng")
    assert "wr0ng" not in str(caught.value)


# --- Cluster --------------------------------------------------------------------------------


async def test_a_run_goes_on_at_the_node_that_was_promoted(
    cluster_pool: Pool, cluster: Cluster
) -> None:
    worker = cluster_pool.worker(*QUICK, url=cluster.other.tcp_url)
    # This process starts at the owner, which is killed: the other nodes are known all the same.
    async with Steps(cluster_pool, cluster.owner.tcp_url) as steps:
        await steps.reached(20)
        await asyncio.to_thread(cluster.fail_over)
        await steps.completed()
    assert REPLACED in worker.output


async def test_a_run_goes_on_when_the_owner_becomes_a_replica(
    cluster_pool: Pool, cluster: Cluster
) -> None:
    cluster_pool.worker(*QUICK, url=cluster.other.tcp_url)
    async with Steps(cluster_pool, cluster.other.tcp_url) as steps:
        await steps.reached(20)
        await asyncio.to_thread(cluster.swap)
        await steps.completed()
    executions = cluster_pool.executions()
    assert len(executions) == STEPS


async def test_a_heartbeat_leaves_an_owner_that_became_a_replica(cluster: Cluster) -> None:
    settings = RedisSettings(url=cluster.other.tcp_url)
    with closing(LeaseClient(settings)) as lease:
        lease.beat("w", 60.0)
        await asyncio.to_thread(cluster.swap)
        with pytest.raises(StoreUnavailableError, match="on another node"):
            lease.beat("w", 60.0)
        lease.beat("w", 60.0)


def test_commands_work_through_any_node_of_a_cluster(cluster_pool: Pool, cluster: Cluster) -> None:
    url = cluster.other.tcp_url
    cluster_pool.serve(url)
    cluster_pool.worker(*QUICK, url=cluster.replica.url)
    for words in (
        ("submit", MODULE, "-n", "steps", "-t", "s3", "--run-id", "submitted"),
        ("wait", "submitted"),
        ("run", MODULE, "-n", "steps", "-t", "s3", "--run-id", "led"),
    ):
        code, said = command(url, *words)
        assert code == 0, said
    code, said = command(cluster.replica.url, "runs")
    assert (code, said.count("completed")) == (0, 2), said


async def test_a_database_of_a_cluster_is_refused(cluster: Cluster) -> None:
    url = cluster.other.tcp_url.removesuffix("/0") + "/1"
    with pytest.raises(StoreConfigurationError, match=r"or 0|no database but 0"):
        await opened(url)


async def test_a_hint_reaches_subscribers_at_every_node(cluster: Cluster) -> None:
    settings = RedisSettings(url=cluster.other.tcp_url)
    async with RunStore.open(settings) as runs, WorkerStore(settings, "w") as workers:
        await heard(workers, runs)
        with cluster.nodes[2].client() as client, client.pubsub() as elsewhere:
            elsewhere.subscribe(settings.keys.control)

            def is_heard() -> bool:
                return any(
                    (elsewhere.get_message(timeout=0.05) or {}).get("data") == b"hint"
                    for _ in range(5)
                )

            for _ in range(3):
                await runs.publish(b"hint")
            assert await asyncio.to_thread(is_heard)


async def test_the_printed_access_rules_suffice_at_a_cluster(cluster: Cluster) -> None:
    for node in cluster.nodes:
        with node.client() as client:
            make_user(client, "coordinator")
    login = "redis://astrum-coordinator:pw@"
    url = cluster.other.tcp_url.replace("redis://", login)
    async with RunStore.open(RedisSettings(url=url)) as runs:
        assert await runs.list_runs() == []
        cluster.fail_over()
        await eventually(lambda: _lists(runs), "the runs at the new owner")
    for node in cluster.nodes:
        if node.process is not None:
            with node.client() as client:
                assert denied(client) == []


async def _lists(runs: RunStore) -> bool:
    try:
        return await runs.list_runs() == []
    except StoreUnavailableError:
        return False


async def test_keys_that_move_to_another_node_are_waited_for(cluster: Cluster) -> None:
    source, target = cluster.owner, cluster.nodes[2]
    async with RunStore.open(RedisSettings(url=cluster.other.tcp_url)) as runs:
        await create_run(runs, "r")
        cluster.begin_move(target)
        with pytest.raises(StoreUnavailableError, match="moving the keys"):
            await create_run(runs, "s")
        cluster.move_keys(target)
        with pytest.raises(StoreUnavailableError, match="moving the keys"):
            await runs.load_plan(plan_digest(b"plan"))
        cluster.end_move(target)
        assert await eventually(lambda: _has_plan(runs), "the plan at its new node")
    cluster.begin_move(source)
    cluster.move_keys(source)
    cluster.end_move(source)


async def _has_plan(runs: RunStore) -> bool:
    try:
        return bool(await runs.load_plan(plan_digest(b"plan")))
    except StoreUnavailableError:
        return False


def test_a_cluster_without_an_owner_of_the_keys_is_refused() -> None:
    options = {"cluster-enabled": "yes", "cluster-port": str(free_port())}
    with RedisServer(tcp=True, options=options) as server:
        code, said = command(server.tcp_url, "runs")
        assert (code, said.count("\n")) == (2, 1), said
        assert "no node of the cluster owns the slot" in said
        code, said = command(server.tcp_url, MODULE, module="astrum_worker")
        assert code == 2
