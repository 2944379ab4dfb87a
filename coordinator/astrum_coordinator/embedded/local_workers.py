"""The workers of the default mode: child processes that live as long as their run.

If a worker ends by itself before it has registered with the server, another start would not help
(for example, a module cannot be imported): the run is stopped with `WorkerStartError`. A worker
that dies later, or is killed, is replaced; its attempts are lost and retried as on any host.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, NoReturn, Protocol, TypeVar

from astrum.errors import StoreError, WorkerStartError
from astrum.protocol.records import pid_of
from astrum.runtime.exit_codes import describe_ending
from astrum.runtime.standard_streams import say_line
from astrum_coordinator.embedded.process_guard import ProcessGuard

logger = logging.getLogger("astrum.coordinator.local_workers")

Result = TypeVar("Result")
Pause = Callable[[], Awaitable[None]]

LOG_LINES_KEPT = 200
READ_BYTES = 65536
FIRST_RESTART_DELAY_S = 0.1
LONGEST_RESTART_DELAY_S = 5.0
CHECK_EVERY_S = 0.2
DRAIN_TIMEOUT_S = 1.0
STOP_MARGIN_S = 5.0  # after the grace: for handing back and leaving


def print_line(line: str) -> None:
    """Write a worker's line to standard output at once, if that can be written to."""
    say_line(line, sys.stdout)


async def _room_at_once() -> None:
    """Wait for nothing: the display takes all lines at once."""


def keep_line(line: str) -> None:
    """Do nothing; the last lines of a worker's log are kept in any case."""


class KnownWorkers(Protocol):
    """The server's knowledge of the worker processes on this host; a `Coordinator` has it."""

    async def worker_pids(self) -> Collection[int]:
        """Return the process ids of the workers that are registered."""

    async def worker_ended(self, pid: int, code: int) -> None:
        """Note that a worker's process has ended by itself, negative for a signal."""


@dataclass(frozen=True, kw_only=True)
class LocalWorkerSettings:
    """The settings by which local workers are started.

    ``options`` are further arguments of ``astrum-worker``. ``log_level`` is the level of Astrum's
    own log on their standard error. They start in ``folder``, by default in this process's
    current directory.
    """

    redis_url: str
    count: int = 1
    options: Sequence[str] = ()
    grace_s: float = 30.0
    log_level: str = "warning"
    folder: Path | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise ValueError(f"count must be at least 1, got {self.count}")

    def command(self, modules: Sequence[str]) -> list[str]:
        """Return the command line of one worker; the URL is not part of it.

        Every user on this host could read the password in it.
        """
        level = ("--log-level", self.log_level)
        return [
            *(sys.executable, "-P", "-m", "astrum_worker", *modules),
            *("--no-supervisor", "--processes", "1"),  # `LocalWorkers` is its supervisor
            *("--grace", f"{self.grace_s:g}", *level, *self.options),
        ]


@dataclass(frozen=True, kw_only=True)
class WorkerOutput:
    """The receivers of each line of the workers' standard output and standard error.

    ``until_there_is_room`` is awaited after each line.
    """

    show_output: Callable[[str], None] = print_line
    show_log: Callable[[str], None] = keep_line
    until_there_is_room: Pause = _room_at_once


class LocalWorkers:
    """An async context manager that runs worker processes for ``modules``.

    On exit the workers get SIGTERM and, after the grace and a margin, SIGKILL.
    """

    def __init__(
        self,
        modules: Sequence[str],
        known: KnownWorkers,
        settings: LocalWorkerSettings,
        output: WorkerOutput | None = None,
    ) -> None:
        self._known = known
        self._settings = settings
        self._output = output or WorkerOutput()
        self._command = settings.command(modules)
        self._environment = {
            "ASTRUM_REDIS_URL": settings.redis_url,
            "ASTRUM_HEALTH": "",  # an address is for one worker, and here may be several
        }
        self._guard = ProcessGuard()
        self._workers: list[_Worker] = []
        self._slots: list[asyncio.Task[NoReturn]] = []

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers that run now."""
        return [worker.pid for worker in self._workers if worker.running]

    def has(self, worker_id: str) -> bool:
        """Return whether a worker with this id is, or was, one of these."""
        return pid_of(worker_id) in [worker.pid for worker in self._workers]

    async def __aenter__(self) -> LocalWorkers:
        try:
            await self._guard.open()
            first = [await self._start() for _ in range(self._settings.count)]
        except BaseException:
            await self._guard.close()
            raise
        self._slots = [asyncio.create_task(self._keep(worker)) for worker in first]
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            await _cancel(self._slots)
            await self._stop()
        finally:
            await self._guard.close()
            for worker in self._workers:
                await worker.drained()
            self._workers.clear()

    async def supervise(self, work: Awaitable[Result]) -> Result:
        """Await ``work`` and return its result; stop it if a worker cannot start.

        Raises `WorkerStartError` in that case. Cancelling this cancels ``work``.
        """
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task, *self._slots], return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return await task
            failed = next(slot for slot in self._slots if slot.done())
            return await failed
        finally:
            await _cancel([task])

    async def _keep(self, worker: _Worker) -> NoReturn:
        """Replace the worker of one slot each time it ends; raise if another start cannot help."""
        delay_s = FIRST_RESTART_DELAY_S
        while True:
            serving = asyncio.create_task(self._until_serving(worker.pid))
            try:
                code = await worker.wait()
                # A worker that was ended by a task may have left the server already.
                has_served = (
                    code <= 0 or serving.done() or worker.pid in await self._known.worker_pids()
                )
            finally:
                await _cancel([serving])
            await self._report_end(worker.pid, code)
            await worker.drained(DRAIN_TIMEOUT_S)
            if not has_served:
                log = (
                    worker.log if self._output.show_log is keep_line else "(what it said is above)"
                )
                raise WorkerStartError(_start_failure(code, log))
            logger.warning(
                "the local worker %d ended with %s; another one starts in %.1f s",
                *(worker.pid, describe_ending(code), delay_s),
            )
            await asyncio.sleep(delay_s)
            delay_s = min(delay_s * 2, LONGEST_RESTART_DELAY_S)
            worker = await self._start()

    async def _until_serving(self, pid: int) -> None:
        while True:
            with contextlib.suppress(StoreError):
                if pid in await self._known.worker_pids():
                    return
            await asyncio.sleep(CHECK_EVERY_S)

    async def _report_end(self, pid: int, code: int) -> None:
        """Report the end now; otherwise it is noticed only when the lease ends."""
        with contextlib.suppress(StoreError):
            await self._known.worker_ended(pid, code)

    async def _start(self) -> _Worker:
        output, output_end = await _open_pipe()
        log, log_end = await _open_pipe()
        try:
            process = await self._guard.start(
                *self._command,
                stdout=output_end,
                stderr=log_end,
                environment={**os.environ, **self._environment},
                folder=self._settings.folder,
            )
        except BaseException:
            output.transport.close()
            log.transport.close()
            raise
        finally:
            os.close(output_end)
            os.close(log_end)
        worker = _Worker(process, self._output.until_there_is_room)
        worker.relay(output, self._output.show_output)
        worker.relay(log, worker.log_lines.append, self._output.show_log)
        self._workers.append(worker)
        return worker

    async def _stop(self) -> None:
        for worker in self._workers:
            worker.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace_s + STOP_MARGIN_S):
                for worker in self._workers:
                    await worker.wait()


class _Worker:
    """One process, with the last lines of its log."""

    def __init__(self, process: Process, until_there_is_room: Pause) -> None:
        self.pid = process.pid
        self.log_lines: deque[str] = deque(maxlen=LOG_LINES_KEPT)
        self._process = process
        self._until_there_is_room = until_there_is_room
        self._relays: list[asyncio.Task[None]] = []

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._process.returncode is None

    @property
    def log(self) -> str:
        """The last lines of its standard error."""
        return "\n".join(self.log_lines)

    def relay(self, output: _Output, *receivers: Callable[[str], None]) -> None:
        """Pass each line of an output to each receiver, from now on."""
        self._relays.append(asyncio.create_task(self._relay(output, receivers)))

    async def _relay(self, output: _Output, receivers: Sequence[Callable[[str], None]]) -> None:
        with contextlib.closing(output.transport):
            async for line in _lines(output.stream):
                for receive in receivers:
                    receive(line)
                await self._until_there_is_room()

    def terminate(self) -> None:
        """Ask it to finish its attempts and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()

    async def wait(self) -> int:
        """Return its exit code, negative for a signal, once it has ended."""
        return await self._process.wait()

    async def drained(self, timeout_s: float | None = None) -> None:
        """Wait until all its output is relayed, at most ``timeout_s``.

        Its child processes may keep its output open after it has ended.
        """
        await self._process.wait()
        await asyncio.wait(self._relays, timeout=timeout_s)


class _Output(NamedTuple):
    """The output of a pipe; close the transport: not all loops do it at the end."""

    stream: asyncio.StreamReader
    transport: asyncio.ReadTransport


async def _open_pipe() -> tuple[_Output, int]:
    """Return a pipe's output and the descriptor of its writing end, for the caller to close.

    With asyncio's own pipes a process would count as running for as long as one of its children
    keeps its output open.
    """
    reading_end, writing_end = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(reading_end, "rb")
    )
    return _Output(stream, transport), writing_end


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    # Not `readline`: it fails on a line longer than its buffer, and a task may print anything.
    pending = b""
    while chunk := await stream.read(READ_BYTES):
        *complete, pending = (pending + chunk).split(b"\n")
        for line in complete:
            yield line.decode(errors="replace")
    if pending:
        yield pending.decode(errors="replace")


async def _cancel(tasks: Sequence[asyncio.Future[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _start_failure(code: int, log: str) -> str:
    how = describe_ending(code)
    return f"a local worker ended with {how} before it served:\n{log or '(no output)'}"
