"""The probe: its answers, what it refuses, and how little it imports."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from http import HTTPStatus

import pytest

from astrum.runtime.http import Answer, HttpServer
from astrum_worker.probe import probe
from tests.servers import free_port


async def probed(answer: Answer, *path: str) -> int:
    """Return the answer of the probe to a server that answers so."""

    async def handler(asked: str) -> Answer:
        return answer if asked == "/ready" else Answer(b"", HTTPStatus.NOT_FOUND)

    server = HttpServer("127.0.0.1", 0, handler)
    await server.start()
    try:
        url = "/".join([f"http://127.0.0.1:{server.port}", *path])
        return await asyncio.to_thread(probe, [url], {})
    finally:
        await server.stop()


async def test_a_process_that_is_ready_gives_0(capfd: pytest.CaptureFixture[str]) -> None:
    assert await probed(Answer(b'{"ready": true}')) == 0
    assert await probed(Answer(b'{"ready": true}'), "ready") == 0
    assert capfd.readouterr().err == ""


async def test_one_that_is_not_ready_gives_1_and_the_reasons(
    capfd: pytest.CaptureFixture[str],
) -> None:
    refused = Answer(b'{"ready": false,\n "reasons": ["\x1b[2J"]}', HTTPStatus.SERVICE_UNAVAILABLE)
    assert await probed(refused) == 1
    said = capfd.readouterr().err
    assert said == 'not ready: 503 {"ready": false, "reasons": ["?[2J"]}\n'
    assert await probed(refused, "live") == 1


async def test_what_does_not_speak_http_gives_1(capfd: pytest.CaptureFixture[str]) -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"+PONG\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        code = await asyncio.to_thread(probe, [f"127.0.0.1:{port}"], {})
    finally:
        server.close()
    assert code == 1
    assert "does not answer: what listens there does not speak HTTP" in capfd.readouterr().err


def test_the_address_may_come_from_the_environment_and_all_interfaces_mean_this_host(
    capfd: pytest.CaptureFixture[str],
) -> None:
    port = free_port()
    assert probe([], {"ASTRUM_HEALTH": f"0.0.0.0:{port}"}) == 1
    assert f"127.0.0.1:{port} does not answer" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        *([], [""], ["8081"], ["https://host:1"], ["http://host"], ["host:0"], ["host:x"]),
        *(["::1:80"], ["host:99999"], ["http://a:1/\r\nX: y"], ["a:1", "b:2"]),
    ],
)
def test_a_wrong_address_gives_2_and_what_to_write(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert probe(arguments, {}) == 2
    said = capfd.readouterr().err
    assert "--probe" in said
    assert "127.0.0.1:8081" in said or "no other options" in said


# --- how little it costs --------------------------------------------------------------------------

PROBE = (sys.executable, "-m", "astrum_worker", "--probe", "127.0.0.1:1")
COMMAND = (
    *(sys.executable, "-c"),
    "import sys; sys.argv = ['astrum-worker', '--probe', '127.0.0.1:1']\n"
    "from astrum_worker.entry import main\n"
    "try: main()\n"
    "finally: print(*sorted({name.partition('.')[0] for name in sys.modules}))",
)


def test_the_probe_imports_nothing_that_takes_long() -> None:
    done = subprocess.run(COMMAND, capture_output=True, text=True)
    assert done.returncode == 1
    assert "does not answer" in done.stderr
    imported = set(done.stdout.split())
    assert "astrum_worker" in imported
    heavy = {"astrum", "asyncio", "click", "email", "http", "redis", "ssl", "urllib", "typing"}
    assert not imported & (heavy - bare())


def bare() -> set[str]:
    """What the interpreter imports here without any program."""
    code = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    return set(done.stdout.split())


def cpu_s(command: tuple[str, ...]) -> float:
    """Return the processor time of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_the_probe_adds_at_most_50_ms_to_a_bare_interpreter() -> None:
    probes = min(cpu_s(PROBE) for _ in range(4))
    bares = min(cpu_s((sys.executable, "-c", "pass")) for _ in range(4))
    assert probes - bares < 0.05
