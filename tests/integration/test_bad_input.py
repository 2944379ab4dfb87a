"""Mistakes about inputs and runs: one sentence, an exit code, and nothing new on the server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis

from astrum import Client, Coordinator
from astrum.errors import AstrumError
from tests import warm_start
from tests.keyspace import unowned_keys
from tests.servers import RedisServer

FLOW = """
from astrum import Input, Ref, task, use_namespace

with use_namespace("bills"):
    @task("bill")
    def bill(order: Ref[str, Input()], count: Ref[int, Input()] = 1) -> str:
        return order * count
"""
TWO_TYPES = """
from astrum import Input, Ref, task

@task("one")
def one(count: Ref[int, Input()]) -> None: ...

@task("two")
def two(count: Ref[str, Input()]) -> None: ...
"""
NO_RESOURCE = """
from astrum import Ref, Resource, task

@task("ask")
def ask(db: Ref[object, Resource("db")]) -> None: ...
"""
FILES = {"flow.py": FLOW, "two_types.py": TWO_TYPES, "no_resource.py": NO_RESOURCE}
LARGE = 80_000_000


class Place(NamedTuple):
    server: RedisServer
    folder: Path

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return warm_start.run(
            [sys.executable, "-m", "astrum_coordinator", *words, "--redis", self.server.url],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
        )

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """See that the keys and what they hold are as before."""
        before = self._content()
        yield
        assert self._content() == before
        with self.server.client() as plain:
            assert unowned_keys(plain) == []

    def _content(self) -> dict[bytes, Any]:
        with self.server.client() as plain:
            return {key: _read(plain, key) for key in plain.scan_iter()}


def _read(plain: redis.Redis, key: bytes) -> Any:
    """Return what a key holds, however the server orders it."""
    kind: Any = plain.type(key)
    readers: dict[bytes, Callable[[], Any]] = {
        b"string": lambda: plain.get(key),
        b"hash": lambda: plain.hgetall(key),
        b"set": lambda: plain.smembers(key),
        b"zset": lambda: plain.zrange(key, 0, -1, withscores=True),
        b"stream": lambda: plain.xrange(key),
    }
    return readers[kind]()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A server with a published flow, a run that completed and one that waits for workers."""
    folder = tmp_path_factory.mktemp("bad")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "large.txt").write_text("x" * LARGE)
    with RedisServer() as server:
        place = Place(server, folder)
        for words in (
            ("publish", "flow.py", "-n", "bills"),
            ("run", "flow.py", "-n", "bills", "--workers", "1", "--run-id", "done"),
            ("submit", "flow.py", "-n", "bills", "--run-id", "waits"),
        ):
            given = () if words[0] == "publish" else ("--input", "order=A-1")
            done = place.command(*words, *given)
            assert done.returncode == 0, done.stderr
        yield place


SUBMIT = ("submit", "flow.py", "-n", "bills")
COMMANDS = {
    "missing": ((*SUBMIT,), 2, "the input 'order' is missing"),
    "unknown": ((*SUBMIT, "--input", "ordr=x"), 2, "no input 'ordr'; did you mean 'order'"),
    "wrong type": (
        (*SUBMIT, "--input", "order=x", "--input", "count=many"),
        2,
        "the input 'count': expected int",
    ),
    "two types": (("submit", "two_types.py", "--input", "count=1"), 2, "'count'"),
    "too large": ((*SUBMIT, "--input", "order=@large.txt"), 2, "the limit is"),
    "no file": ((*SUBMIT, "--input", "order=@no.txt"), 2, "'no.txt' cannot be read"),
    "other inputs": (
        (*SUBMIT, "--run-id", "waits", "--input", "order=B"),
        1,
        "with another 'order'",
    ),
    "other inputs, attached": (
        (*SUBMIT, "--run-id", "done", "--attach", "--input", "order=B"),
        1,
        "with another 'order'",
    ),
    "no resource": (("submit", "no_resource.py"), 2, "'db'"),
    "not published": (("unpublish", "bils"), 1, "did you mean 'bills'"),
    "retry of an open run": (("retry", "waits"), 2, "run waits is under way"),
    "hurry where nothing waits": (("retry", "waits", "--now"), 2, "no task waits"),
    "retry of a completed run": (("retry", "done"), 2, "run done completed"),
    "retry of an unknown run": (("retry", "dne"), 2, "no run has the id 'dne'"),
    "retry of an unknown task": (("retry", "done", "bil"), 2, "has no task 'bil'"),
}


@pytest.mark.parametrize("mistake", COMMANDS)
def test_a_mistake_on_the_command_line_is_one_sentence_and_changes_nothing(
    place: Place, mistake: str
) -> None:
    words, code, sentence = COMMANDS[mistake]
    with place.unchanged():
        done = place.command(*words)
    assert sentence in done.stderr
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


STARTS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "missing": ("bills", {}, "new", "the input 'order' is missing"),
    "unknown": ("bills", {"order": "x", "cont": 1}, "new", "no input 'cont'; did you mean 'count'"),
    "wrong type": ("bills", {"order": 7}, "new", "the input 'order': expected str"),
    "too large": ("bills", {"order": "x" * LARGE}, "new", "the limit is"),
    "not published": ("bils", {"order": "x"}, "new", "did you mean 'bills'"),
    "other inputs": ("bills", {"order": "B"}, "done", "with another 'order'"),
}


@pytest.mark.parametrize("mistake", STARTS)
async def test_a_mistake_of_a_service_is_one_sentence_and_changes_nothing(
    place: Place, mistake: str
) -> None:
    name, inputs, run_id, sentence = STARTS[mistake]
    async with Client(place.server.url) as client:
        with place.unchanged(), pytest.raises(AstrumError) as refused:
            await client.start(name, inputs=inputs, run_id=run_id)
        assert sentence in str(refused.value)


RETRIES = {
    "open": ("waits", [], "run waits is under way"),
    "completed": ("done", [], "run done completed"),
    "unknown": ("dne", [], "no run has the id 'dne'"),
    "unknown task": ("done", ["bil"], "has no task 'bil'"),
}


@pytest.mark.parametrize("mistake", RETRIES)
async def test_a_wrong_retry_is_one_sentence_and_changes_nothing(
    place: Place, mistake: str
) -> None:
    run_id, tasks, sentence = RETRIES[mistake]
    async with Client(place.server.url) as client, Coordinator(place.server.url) as coordinator:
        for retry in (client.handle(run_id).retry, lambda t: coordinator.retry(run_id, t)):
            with place.unchanged(), pytest.raises(AstrumError) as refused:
                await retry(tasks)
            assert sentence in str(refused.value)
            assert "\n" not in str(refused.value)
