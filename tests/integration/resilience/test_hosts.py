"""Several hosts on one machine: network namespaces, whose cables are pulled and put back."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from astrum.protocol.keys import Keys
from tests.integration.resilience.pool import QUICK, Pool, attempts, statuses
from tests.processes import AstrumProcess, wait_until
from tests.servers import RedisServer, find_binaries

PORT = 6379
SERVER, WORKERS, COORDINATORS = "server", ("worker-1", "worker-2"), ("leader-1", "leader-2")
HOSTS = (SERVER, *WORKERS, *COORDINATORS)


def ip(*arguments: str) -> None:
    """Run ``ip``; its message is in the error."""
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


class Network:
    """A switch and hosts on it; each host is a network namespace with one cable to the switch."""

    def __init__(self, hosts: Sequence[str]) -> None:
        self._mark = f"astrum{os.getpid()}"
        self._hosts = list(hosts)

    @property
    def _switch(self) -> str:
        return f"{self._mark}-switch"

    def __enter__(self) -> Network:
        try:
            self._lay()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove all namespaces, and with them the cables."""
        for name in (self._switch, *map(self._space, self._hosts)):
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)

    def launcher(self, host: str) -> list[str]:
        """Return the command that runs another on a host."""
        return ["ip", "netns", "exec", self._space(host)]

    def address(self, host: str) -> str:
        """Return the address of a host."""
        return f"10.99.0.{self._hosts.index(host) + 1}"

    def pull(self, host: str) -> None:
        """Pull a host's cable: its packets vanish, without a notice."""
        ip("-n", self._switch, "link", "set", self._port(host), "down")

    def plug(self, host: str) -> None:
        """Put the cable back."""
        ip("-n", self._switch, "link", "set", self._port(host), "up")

    def _lay(self) -> None:
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        ip("-n", self._switch, "link", "set", "switch", "up")
        for host in self._hosts:
            space, port = self._space(host), self._port(host)
            ip("netns", "add", space)
            peer = ("peer", "name", "eth0", "netns", space)
            ip("-n", self._switch, "link", "add", port, "type", "veth", *peer)
            ip("-n", self._switch, "link", "set", port, "master", "switch", "up")
            ip("-n", space, "addr", "add", f"{self.address(host)}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "link", "set", "lo", "up")

    def _space(self, host: str) -> str:
        return f"{self._mark}-{host}"

    def _port(self, host: str) -> str:
        return f"port{self._hosts.index(host)}"


class ServerOnHost(RedisServer):
    """A server on one host; tests reach it by its Unix socket, which knows no network."""

    def __init__(self, network: Network) -> None:
        super().__init__(tcp=False)
        self._network = network

    def _command(self) -> Sequence[str]:
        given = dict(zip(super()._command()[1::2], super()._command()[2::2], strict=True))
        given |= {"--port": str(PORT), "--bind": "0.0.0.0", "--protected-mode": "no"}
        words = [word for pair in given.items() for word in pair]
        return [*self._network.launcher(SERVER), self.binary, *words]


def why_not() -> str:
    """Say why there can be no namespaces here; empty if there can."""
    if shutil.which("ip") is None:
        return "there is no ip command"
    if not find_binaries():
        return "no server binary"
    try:
        with Network(["probe"]):
            return ""
    except OSError as error:
        return f"network namespaces are not permitted: {error}"


@pytest.fixture(scope="module")
def network() -> Iterator[Network]:
    reason = why_not()
    if reason:
        pytest.skip(reason)
    with Network(HOSTS) as network:
        yield network


@pytest.fixture
def hosts(network: Network, tmp_path: Path) -> Iterator[Hosts]:
    with ExitStack() as stack:
        server = stack.enter_context(ServerOnHost(network))
        pool = stack.enter_context(Pool(tmp_path, server))
        yield Hosts(network, pool)
        for host in HOSTS:
            network.plug(host)


class Hosts:
    """A worker on each of two hosts, a serving coordinator on each of two others."""

    def __init__(self, network: Network, pool: Pool) -> None:
        self.network = network
        self.pool = pool
        self._url = f"redis://{network.address(SERVER)}:{PORT}/0"
        with ThreadPoolExecutor() as starting:
            workers = [starting.submit(self._worker, host) for host in WORKERS]
            coordinators = [starting.submit(self._coordinator, host) for host in COORDINATORS]
        self.workers = {h: f.result() for h, f in zip(WORKERS, workers, strict=True)}
        self.coordinators = {h: f.result() for h, f in zip(COORDINATORS, coordinators, strict=True)}

    def _worker(self, host: str) -> AstrumProcess:
        return self.pool.worker(*QUICK, url=self._url, launcher=self.network.launcher(host))

    def _coordinator(self, host: str) -> AstrumProcess:
        return self.pool.serve(self._url, launcher=self.network.launcher(host))

    def leader(self) -> str:
        """Return the host whose coordinator leads the run."""
        pid = self.pool.leader_pid()
        [host] = [host for host, process in self.coordinators.items() if process.pid == pid]
        return host

    def ran(self, attempt: dict[str, str]) -> str:
        """Return the host whose worker ran an attempt."""
        pids = {str(process.pid): host for host, process in self.workers.items()}
        return pids[attempt["worker_id"].split(".")[-2]]

    def holder(self) -> str:
        """Return the host whose worker holds something, by what the server knows."""
        with self.pool.server.client() as client:
            streams = client.smembers(Keys().queues)
            groups = [one for stream in streams for one in client.xinfo_consumers(stream, "w")]
        pids = {str(process.pid): host for host, process in self.workers.items()}
        [pid] = [str(g["name"]).split(".")[-2] for g in groups if g["pending"]]
        return pids[pid]


def test_a_disconnected_worker_loses_its_attempts_to_another_host(hosts: Hosts) -> None:
    pool = hosts.pool
    pool.submit("chain")
    pool.started("middle")
    cut_off = hosts.holder()
    hosts.network.pull(cut_off)
    pool.release("middle")
    report = pool.ended()
    assert statuses(report, "middle") == ["lost", "completed"]
    first, second = (hosts.ran(attempt) for attempt in attempts(report, "middle"))
    assert (first, second) == (cut_off, next(host for host in WORKERS if host != cut_off))
    hosts.network.plug(cut_off)
    output = hosts.workers[cut_off]
    wait_until(lambda: "its lease holds again; it claims" in output.output, "its return")
    again = pool.report()
    assert again["task_return_set"] == report["task_return_set"]
    assert statuses(again, "middle") == ["lost", "completed"]


def test_a_disconnected_leader_is_replaced_and_learns_it_when_it_is_back(
    hosts: Hosts,
) -> None:
    pool = hosts.pool
    pool.submit("chain")
    pool.started("middle")
    cut_off = hosts.leader()
    hosts.network.pull(cut_off)
    wait_until(lambda: hosts.leader() != cut_off, "another leader")  # at the default lease
    hosts.network.plug(cut_off)
    old = hosts.coordinators[cut_off]
    wait_until(lambda: "is led by" in old.output or "stepping down" in old.output, "its notice")
    pool.release("middle")
    assert pool.ended()["execution_state"] == "completed"
    assert pool.executions() == {"first": 1, "middle": 1, "last": 1}


def test_a_run_outlives_a_worker_and_its_leader_being_cut_off_together(hosts: Hosts) -> None:
    pool = hosts.pool
    pool.submit("steps")
    pool.started("s20")
    leader, worker = hosts.leader(), hosts.holder()
    hosts.network.pull(leader)
    hosts.network.pull(worker)
    pool.end_leadership()
    wait_until(lambda: hosts.leader() != leader, "another leader")
    hosts.network.plug(leader)
    hosts.network.plug(worker)
    report = pool.ended()
    assert report["execution_state"] == "completed"
    assert report["task_return_set"]["s99"] == 99


def _said(process: AstrumProcess, text: str) -> None:
    wait_until(lambda: text in process.output, f"{text!r} in\n{process.output}")


def test_a_disconnected_server_costs_only_the_time_of_its_absence(hosts: Hosts) -> None:
    pool = hosts.pool
    pool.submit("steps")
    pool.started("s20")
    hosts.network.pull(SERVER)
    for worker in hosts.workers.values():
        _said(worker, "claims nothing until one does")
    hosts.network.plug(SERVER)
    report = pool.ended()
    assert report["execution_state"] == "completed"
    assert report["task_return_set"]["s99"] == 99
