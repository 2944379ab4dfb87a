"""Real worker processes, and a leader that only calls the store."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

from astrum.protocol.messages import Record
from astrum.protocol.sealing import Seal
from astrum.protocol.status import WorkerStatus, decode_served
from astrum.protocol.streams import Stream
from astrum.protocol.task_message import TaskMessage, encode_message
from astrum.redis import RedisSettings, RunStore
from astrum.values.arguments import pack_arguments
from astrum.values.codec import Codec
from tests import warm_start
from tests.contract.steps import create_run
from tests.eventually import eventually

CODEC = Codec()

FLOW = """
import asyncio, os, sys, threading, time
from pathlib import Path
from astrum import F, Ref, SchedulerRegistry, task
from astrum.execution.attempt import current_attempt

NAMES = Path(__file__).parent

@task("add", namespace="pool")
async def add(a: int = 0, b: int = 0) -> int:
    return a + b

@task("shout", namespace="pool")
def shout(text: str = "") -> str:
    return text.upper()

@task("fail", namespace="pool")
async def fail() -> None:
    raise ValueError("no such row")

@task("unencodable", namespace="pool")
async def unencodable() -> object:
    return threading.Lock()

@task("big", namespace="pool")
async def big(size: int = 0) -> bytes:
    return os.urandom(size)

@task("measure", namespace="pool")
async def measure(data: bytes = b"") -> int:
    return len(data)

@task("wait_for", namespace="pool")
async def wait_for(name: str = "") -> str:
    (NAMES / f"{name}.started").touch()
    while not (NAMES / name).exists():
        await asyncio.sleep(0.01)
    return name

@task("wait_in_thread", namespace="pool")
def wait_in_thread(name: str = "") -> str:
    (NAMES / f"{name}.started").touch()
    while not (NAMES / name).exists():
        time.sleep(0.01)
    return name

@task("block_the_loop", namespace="pool")
async def block_the_loop(name: str = "") -> str:
    (NAMES / f"{name}.started").touch()
    while not (NAMES / name).exists():
        time.sleep(0.01)
    return name

@task("block_and_fail", namespace="pool")
async def block_and_fail(name: str = "") -> None:
    await block_the_loop(name)
    raise ValueError("no row")

@task("clean_up", namespace="pool")
async def clean_up(name: str = "") -> None:
    (NAMES / f"{name}.started").touch()
    try:
        await asyncio.Event().wait()
    finally:
        (NAMES / f"{name}.cleaned").touch()

@task("interrupt", namespace="pool")
async def interrupt() -> None:
    raise KeyboardInterrupt("mine")

@task("who", namespace="pool")
async def who() -> str:
    return current_attempt().worker_id

@task("die", namespace="pool")
async def die() -> None:
    os._exit(9)
"""


@cache
def offer() -> str:
    """Return what workers of the flow offer, as they compute it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pool_flow.py").write_text(textwrap.dedent(FLOW))
        code = (
            "from astrum_worker.running.catalog import Catalog\n"
            "print(Catalog.load(['pool_flow.py']).offers()['pool'])"
        )
        told = subprocess.run([sys.executable, "-c", code], cwd=folder, stdout=-1, check=True)
    return told.stdout.decode().strip()


def stream(lane: str = "async") -> Stream:
    """Return the stream of a lane that the workers of the flow read."""
    return Stream("default", lane, offer())


class WorkerProcess:
    """One started command and what it wrote to standard error."""

    def __init__(self, command: list[str], folder: Path, log: Path) -> None:
        self.log = log
        with log.open("wb") as output:
            self.process = warm_start.start(
                command, cwd=folder, stdout=output, stderr=output, start_new_session=True
            )

    @property
    def said(self) -> str:
        """All that it wrote so far."""
        return self.log.read_text(errors="replace")

    async def serving(self) -> WorkerProcess:
        """Wait until it says that it serves."""
        await eventually(lambda: " serves " in self.said or self.process.poll() is not None)
        assert " serves " in self.said, self.said
        return self

    @property
    def worker_id(self) -> str:
        """The id that it gave itself."""
        line = next(line for line in self.said.splitlines() if " serves " in line)
        return line.split()[1]

    def signal(self, number: int) -> None:
        """Send a signal to it."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end and return the exit code."""
        await eventually(self.is_over, "the end of the worker")
        return int(self.process.returncode)

    def is_over(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def kill(self) -> None:
        """End it and all that it started."""
        if not self.is_over():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Pool:
    """Starts workers for one flow file and one server."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url
        self._started: list[WorkerProcess] = []
        (folder / "pool_flow.py").write_text(textwrap.dedent(FLOW))

    def start(
        self,
        *options: str,
        modules: Iterable[str] = ("pool_flow.py",),
        supervised: bool = False,
    ) -> WorkerProcess:
        """Start ``astrum-worker`` and return at once, without its supervisor unless asked."""
        if not supervised and "--processes" not in options:
            options = (*options, "--no-supervisor")
        log = self.folder / f"worker-{len(self._started)}.log"
        command = [sys.executable, "-m", "astrum_worker", *modules, "--redis", self.url, *options]
        worker = WorkerProcess(command, self.folder, log)
        self._started.append(worker)
        return worker

    def release(self, name: str) -> None:
        """Let the tasks that wait for this name continue."""
        (self.folder / name).touch()

    async def reached(self, name: str) -> None:
        """Wait until a task has touched ``<name>.started`` or another file."""
        await eventually((self.folder / name).exists, name)

    def close(self) -> None:
        """Kill everything."""
        for worker in self._started:
            worker.kill()


class Lead:
    """An open run: dispatches by hand, reads the journal."""

    def __init__(self, store: RunStore, run_id: str, epoch: int) -> None:
        self.store = store
        self.run_id = run_id
        self.epoch = epoch
        self.seal = Seal()
        self._cursor = "0-0"
        self.records: list[Record] = []

    def message(self, task: int, task_id: str, values: dict[str, Any], **changes: Any) -> bytes:
        """Return an encoded task message; ``changes`` are fields of `TaskMessage`."""
        packed = pack_arguments((name, CODEC.encode(value)) for name, value in values.items())
        fields: dict[str, Any] = {
            "run_id": self.run_id,
            "task": task,
            "attempt": 1,
            "try_number": 1,
            "namespace": "pool",
            "task_id": task_id,
            "fingerprint": "",
            "max_retries": 0,
            "timeout_s": None,
            "check_types": False,
            "exclusive": False,
            "arguments": packed,
        }
        return encode_message(TaskMessage(**(fields | changes)))

    async def dispatch(
        self,
        task: int,
        task_id: str,
        values: dict[str, Any] | None = None,
        *,
        lane: str = "async",
        **changes: Any,
    ) -> str:
        """Dispatch one attempt and return its entry id."""
        data = self.message(task, task_id, values or {}, **changes)
        return await self.dispatch_raw(task, data, lane=lane, attempt=changes.get("attempt", 1))

    async def dispatch_raw(
        self, task: int, data: bytes, *, lane: str = "async", attempt: int = 1
    ) -> str:
        """Dispatch any bytes as an attempt."""
        items = [(task, attempt, data)]
        stream = Stream("default", lane, await self.offer())
        sent = await self.store.dispatch(self.run_id, self.epoch, stream, items)
        return sent.states[0]

    async def offer(self) -> str:
        """Return what a live worker offers, or what one would if there was any."""
        live = [worker.worker_id for worker in await self.store.workers()]
        offers = {
            namespace: task.offer
            for data in (await self.store.served_by(live)).values()
            for (namespace, _), task in decode_served(data).items()
        }
        return offers.get("pool") or next(iter(offers.values()), offer())

    async def read(self) -> list[Record]:
        """Return all records up to now."""
        entries = await self.store.read_journal(
            {self.run_id: self._cursor}, block_s=None, count=1000
        )
        for entry in entries:
            self._cursor = entry.entry_id
            self.records += [
                r for r in self.seal.open_entry(self.run_id, entry.data) if isinstance(r, Record)
            ]
        return self.records

    async def record(self, task: int, attempt: int = 1) -> Record:
        """Wait for the one record of an attempt."""

        async def find() -> list[Record]:
            records = await self.read()
            return [r for r in records if (r.task, r.attempt) == (task, attempt)]

        found: list[Record] = await eventually(find, f"the record of {task}, {attempt}")
        assert len(found) == 1
        return found[0]

    async def value(self, task: int) -> Any:
        """Wait for a task's success and return its decoded result."""
        record = await self.record(task)
        assert record.value is not None, record
        return CODEC.decode(record.value)

    async def status(self, worker_id: str) -> WorkerStatus:
        """Return what a worker says of itself; that of an idle one if it is not there."""
        found = {worker.worker_id: worker.status for worker in await self.store.workers()}
        return found.get(worker_id, WorkerStatus())


@asynccontextmanager
async def open_run(settings: RedisSettings, run_id: str = "r1") -> AsyncIterator[Lead]:
    """Create a run and lead it."""
    async with RunStore.open(settings) as store:
        await create_run(store, run_id)
        epoch = await store.lead(run_id, "tester", 60.0)
        assert epoch is not None
        yield Lead(store, run_id, epoch)


@asynccontextmanager
async def lead_again(settings: RedisSettings, before: Lead) -> AsyncIterator[Lead]:
    """Go on with a run after its server was away, reading its journal from the beginning."""
    async with RunStore.open(settings) as store:
        yield Lead(store, before.run_id, before.epoch)
