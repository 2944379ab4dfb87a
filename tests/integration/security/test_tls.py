"""TLS with an authority of one's own and client certificates, on a server that speaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from astrum.errors import StoreConfigurationError, StoreError, StoreUnavailableError
from astrum.redis import LeaseClient, RedisSettings, RunStore
from tests.certificates import OPENSSL, Authority, Certificate
from tests.clusters import MASTER, Sentinel
from tests.integration.cli.conftest import Cli, Write, cli, write
from tests.processes import AstrumProcess, serving, worker
from tests.servers import RedisServer, find_binaries, free_port, speaks_tls

__all__ = ["cli", "write"]

FLOW = """
    from astrum import task

    @task("seven")
    async def seven() -> int:
        return 7
"""


class TlsServer(NamedTuple):
    """A server that wants a client certificate, and what is needed to reach it."""

    url: str
    ca: str
    client: Certificate
    other_ca: str
    other_client: Certificate
    sentinel_url: str

    def settings(self, **changes: str | None) -> RedisSettings:
        files = {"tls_ca_file": self.ca, "tls_cert_file": self.client.cert}
        fields = {"url": self.url, **files, "tls_key_file": self.client.key} | changes
        return RedisSettings(**fields)  # type: ignore[arg-type]

    def options(self) -> list[str]:
        """The command line's options."""
        files = ["--redis-cert", self.client.cert, "--redis-key", self.client.key]
        return ["--redis", self.url, "--redis-ca", self.ca, *files]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    binary = next(filter(speaks_tls, find_binaries().values()), None)
    if binary is None or OPENSSL is None:
        pytest.skip("no server here speaks TLS, or there is no openssl to make certificates")
    folder = tmp_path_factory.mktemp("tls")
    ours, others = Authority(folder / "ours"), Authority(folder / "others")
    own, port = ours.issue("server"), free_port()
    options = {
        "tls-port": str(port),
        "tls-cert-file": own.cert,
        "tls-key-file": own.key,
        "tls-ca-cert-file": ours.ca,
        "tls-auth-clients": "yes",
    }
    with ExitStack() as stack:
        stack.enter_context(RedisServer(binary, options=options))
        sentinel_port = free_port()
        theirs = options | {"tls-port": str(sentinel_port), "tls-replication": "yes"}
        lines = [f"{name} {value}" for name, value in theirs.items()]
        stack.enter_context(Sentinel(port, lines, binary))
        yield TlsServer(
            f"rediss://127.0.0.1:{port}/0",
            ours.ca,
            ours.issue("client"),
            others.ca,
            others.issue("stranger"),
            f"rediss+sentinel://127.0.0.1:{sentinel_port}/{MASTER}/0",
        )


async def refusal(settings: RedisSettings) -> str:
    """Return why the store cannot be opened, and the same of the heartbeat's client."""
    lease = LeaseClient(settings)
    with pytest.raises(StoreError) as of_lease:
        lease.beat("w", 1.0)
    lease.close()
    with pytest.raises(StoreError) as of_store:
        await RunStore.open(settings).__aenter__()
    return f"{of_lease.value}\n{of_store.value}"


async def test_a_master_is_found_by_tls_with_its_sentinel(tls: TlsServer) -> None:
    settings = tls.settings(url=tls.sentinel_url)
    with closing(LeaseClient(settings)) as lease:
        lease.beat("w", 5.0)
    async with RunStore.open(settings) as runs:
        assert await runs.server_time() > 0
    with pytest.raises(StoreConfigurationError, match="is not trusted"):
        async with RunStore.open(tls.settings(url=tls.sentinel_url, tls_ca_file=tls.other_ca)):
            pass


async def test_both_clients_work_with_a_certificate(tls: TlsServer) -> None:
    async with RunStore.open(tls.settings()) as store:
        assert await store.server_time() > 0
    lease = LeaseClient(tls.settings())
    assert not lease.beat("unknown", 1.0)
    lease.close()


async def test_a_wrong_certificate_authority_is_named_as_the_reason(
    tls: TlsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What the system trusts counts for nothing once an authority is given.
    monkeypatch.setenv("SSL_CERT_FILE", tls.ca)
    why = await refusal(tls.settings(tls_ca_file=tls.other_ca))
    assert why.count("certificate is not trusted") == 2
    assert why.count("--redis-ca") == 2


async def test_a_host_that_the_certificate_does_not_name_is_refused(tls: TlsServer) -> None:
    why = await refusal(tls.settings(url=tls.url.replace("127.0.0.1", "localhost")))
    assert why.count("certificate is not trusted") == 2


@pytest.mark.parametrize("which", ["none", "a stranger's"])
async def test_a_client_without_the_right_certificate_learns_which_one_the_server_wants(
    tls: TlsServer, which: str
) -> None:
    files = (None, None) if which == "none" else tls.other_client
    why = await refusal(tls.settings(tls_cert_file=files[0], tls_key_file=files[1]))
    assert why.count("--redis-cert") == 2


@pytest.mark.parametrize("field", ["tls_ca_file", "tls_cert_file", "tls_key_file"])
async def test_a_file_that_is_missing_is_named(tls: TlsServer, field: str, tmp_path: Path) -> None:
    missing = str(tmp_path / "nothing.pem")
    with pytest.raises(StoreConfigurationError, match=r"nothing\.pem.* cannot be used"):
        await RunStore.open(tls.settings(**{field: missing})).__aenter__()
    with pytest.raises(StoreConfigurationError, match=r"nothing\.pem.* cannot be used"):
        LeaseClient(tls.settings(**{field: missing}))


def test_tls_to_a_plain_port_says_that_the_port_may_not_use_tls() -> None:
    with RedisServer(tcp=True) as server:
        settings = RedisSettings(url=server.tcp_url.replace("redis:", "rediss:"))
        lease = LeaseClient(settings, timeout_s=0.2)
        with pytest.raises(StoreUnavailableError, match="is TLS spoken at that port"):
            lease.beat("w", 1.0)
        lease.close()


def test_an_authority_with_an_unencrypted_url_is_refused() -> None:
    with pytest.raises(StoreConfigurationError, match="write rediss://"):
        RedisSettings(url="redis://host", tls_ca_file="/ca.pem")


def test_a_run_with_local_workers_gets_all_files_from_the_command_line(
    tls: TlsServer, write: Write, cli: Cli
) -> None:
    write("flow.py", FLOW)
    done = cli("run", "flow.py", "--workers", "1", "--json", *tls.options())
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["task_return_set"] == {"seven": 7}
    refused = cli("runs", "--redis", tls.url, "--redis-ca", tls.other_ca)
    assert (refused.returncode, "certificate is not trusted" in refused.stderr) == (2, True)


async def test_a_worker_gets_all_files_from_options_or_the_environment(
    tls: TlsServer, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(write("flow.py", FLOW))
    with AstrumProcess("astrum_worker", path, *tls.options()):
        await serving(tls.settings(), 1)
    with worker(tls.url, path, options=["--redis-ca", tls.other_ca]) as process:
        assert process.wait() == 2
        assert "certificate is not trusted" in process.output
    for name, value in {"CA": tls.ca, "CERT": tls.client.cert, "KEY": tls.client.key}.items():
        monkeypatch.setenv(f"ASTRUM_REDIS_{name}", value)
    with worker(tls.url, path) as process:
        await serving(tls.settings(), 1)
