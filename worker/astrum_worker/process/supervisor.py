"""Starts worker processes and replaces those that die.

Each child has a process group of its own. So a Ctrl-C reaches it once, through the supervisor, and
the processes that its tasks have started end with it. Both sides talk over `supervisor_link`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import NamedTuple

from astrum.protocol.process_end import ProcessEnd
from astrum.runtime.cli.signals import StopSignals, stop_signals
from astrum.runtime.exit_codes import ExitCode, after_signal, after_stop
from astrum.runtime.loops import end_task, in_process_group
from astrum.runtime.service_manager import ServiceManager
from astrum_worker.process.death_reports import DeathReports, ProcessDeath
from astrum_worker.process.memory_kills import MemoryKills
from astrum_worker.process.processes_health import ProcessesHealth
from astrum_worker.process.service_reports import ServiceReports
from astrum_worker.supervisor_link import FAILS, LEAVES, REPLACED, ChildLink

logger = logging.getLogger("astrum.worker")

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
HEALTHY_AFTER_S = 10.0
ENDS_BY_ONE_TASK = 3
ENDS_WITHIN_S = 60.0
STOP_MARGIN_S = 10.0
"""Seconds after the grace, for handing back and leaving; then the process is killed."""
LAST_PATIENCE_S = 1.0
"""Seconds for a process to end after the second signal; tasks may have replaced its handlers."""
REAP_EVERY_S = 1.0
LAST_REPORTS_S = 2.0
"""Seconds for the last reports of dead processes; their leases end by themselves later."""


class ChildEnd(NamedTuple):
    """The end of a worker process; ``ended_by`` is the task that it named, "" if it named none.

    ``parting`` is what the process said before it ended in order, "" if it said nothing. ``how``
    tells people its code.
    """

    code: int
    has_served: bool
    ended_by: str = ""
    parting: str = ""
    how: str = ""


class TaskEnds:
    """Counts the ends of processes by the task that ended them."""

    def __init__(self, most: int = ENDS_BY_ONE_TASK, within_s: float = ENDS_WITHIN_S) -> None:
        self._most = most
        self._within_s = within_s
        self._ends: dict[str, deque[float]] = {}

    def are_too_many(self, task: str, now: float) -> bool:
        """Note an end at a monotonic time; return whether the task has ended too many processes."""
        ends = self._ends.setdefault(task, deque(maxlen=self._most))
        ends.append(now)
        return len(ends) == self._most and now - ends[0] <= self._within_s


class Supervisor:
    """Runs the command ``astrum-worker`` with ``arguments`` in ``count`` processes.

    ``environment`` is added to this process's own for them. Processes that do not end within
    ``grace_s`` and a margin after a stop signal are killed. With ``health`` each process gets a
    link over which that asks it; a service ``manager`` that watches needs it. Processes that end
    without leaving the server go to ``reports``.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        count: int,
        grace_s: float = 30.0,
        *,
        health: ProcessesHealth | None = None,
        manager: ServiceManager | None = None,
        reports: DeathReports | None = None,
    ) -> None:
        self._arguments = list(arguments)
        self._environment = {**os.environ, **environment}
        self._count = count
        self._grace_s = grace_s
        self._children: dict[int, tuple[Process, ChildLink]] = {}
        self._stopping = asyncio.Event()
        self._signals = StopSignals(self._on_first_signal, self._on_second_signal)
        self._exit_code = 0
        self._any_served = False
        self._health = health
        self._reports = ServiceReports(manager or ServiceManager(), count)
        self._ends = TaskEnds()
        self._deaths = reports
        self._memory_kills = MemoryKills()

    async def run(self) -> int:
        """Keep the processes alive until a signal comes; return the exit code.

        A process that cannot start, before any did, ends all: another try would not help. So does
        one that cannot open a resource, and a task that has ended three processes within a minute.
        """
        loop = asyncio.get_running_loop()
        for number in stop_signals():
            loop.add_signal_handler(number, self._signals.take, number)
        beside = [asyncio.create_task(self._look_around())]
        if self._health is not None:
            beside.append(asyncio.create_task(self._reports.watch(self._health)))
        try:
            async with asyncio.TaskGroup() as places:
                for place in range(self._count):
                    places.create_task(self._keep_one(place))
        finally:
            for task in beside:
                task.cancel()
            if self._deaths is not None:
                await self._deaths.finish(LAST_REPORTS_S)
        return self._exit_code

    # --- one place ----------------------------------------------------------------------

    async def _keep_one(self, place: int) -> None:
        try:
            await self._keep(place)
        finally:
            if self._health is not None:
                self._health.retire(place)

    async def _keep(self, place: int) -> None:
        delay_s = FIRST_DELAY_S
        is_first = True
        while not self._stopping.is_set():
            started_at = time.monotonic()
            end = await self._run_child(place, may_wait=not is_first)
            self._reports.note_end(place)
            if self._stopping.is_set() or end.parting == LEAVES:
                self._note_last(end)
                return
            if self._is_last(end):
                return
            is_first = False
            if time.monotonic() - started_at >= HEALTHY_AFTER_S:
                delay_s = FIRST_DELAY_S
                if end.parting == REPLACED:
                    continue
            _tell_end(end, delay_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)

    def _is_last(self, end: ChildEnd) -> bool:
        """Stop all if another process would end in the same way; return whether that is so."""
        if end.parting == FAILS:
            self._stop(signal.SIGTERM, end.code or ExitCode.FAILED)
            return True
        if not end.has_served and end.code > 0 and not self._any_served:
            self._stop(signal.SIGTERM, end.code)
            return True
        if end.ended_by and self._ends.are_too_many(end.ended_by, time.monotonic()):
            logger.error(
                "task %r has ended %d worker processes within %.0f s; this worker ends with exit "
                "code 1. Mend the task, or serve its module elsewhere",
                *(end.ended_by, ENDS_BY_ONE_TASK, ENDS_WITHIN_S),
            )
            self._stop(signal.SIGTERM, ExitCode.FAILED)
            return True
        return False

    async def _run_child(self, place: int, *, may_wait: bool) -> ChildEnd:
        if self._health is None:
            return await self._run_linked(place, may_wait, None)
        async with self._health.linked(place) as asked:
            return await self._run_linked(place, may_wait, asked)

    async def _run_linked(
        self, place: int, may_wait: bool, asked: socket.socket | None
    ) -> ChildEnd:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs, asked or nullcontext():
                process = await self._start(theirs, asked, may_wait)
            link = ChildLink(ours, partial(self._note_served, place))
            following = asyncio.create_task(link.follow())
            self._children[process.pid] = process, link
            if self._stopping.is_set():  # it came while the process was being started
                process.terminate()
            try:
                code = await process.wait()
            finally:
                del self._children[process.pid]
                _end_group(process.pid)
                await end_task(following)
            link.read_rest()
            end = ProcessEnd(code, code == -signal.SIGKILL and self._memory_kills.is_recent)
            if self._deaths is not None and link.worker_id:
                self._deaths.report(ProcessDeath(process.pid, link.worker_id, end))
            return ChildEnd(code, link.has_served, link.ended_by, link.parting, str(end))

    async def _start(
        self, link: socket.socket, asked: socket.socket | None, may_wait: bool
    ) -> Process:
        kept = {"--supervisor-fd": link} | ({} if asked is None else {"--health-fd": asked})
        fds = {name: one.fileno() for name, one in kept.items()}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "astrum_worker", *self._arguments),
            *("--processes", "1"),
            *(part for name, fd in fds.items() for part in (name, str(fd))),
            *(["--wait"] if may_wait else []),
            env=self._environment,
            pass_fds=list(fds.values()),
            **in_process_group(0),
        )

    def _note_last(self, end: ChildEnd) -> None:
        """Keep the worst exit code: dropped results first, then the reason for stopping."""
        code = end.code
        if code < 0 and not self._stopping.is_set():
            logger.warning(
                "a worker process ended with %s while it drained; what it was running is lost and "
                "runs again",
                end.how,
            )
            code = ExitCode.FAILED
        if code == ExitCode.NOT_HANDED_OVER or not self._exit_code:
            self._exit_code = max(code, 0)

    def _note_served(self, place: int) -> None:
        self._any_served = True
        self._reports.note_served(place)

    # --- the end ------------------------------------------------------------------------

    def _on_first_signal(self, number: int) -> None:
        self._stop(number, after_stop(number))

    def _on_second_signal(self, number: int) -> None:
        self._exit_code = after_signal(number)
        self._send(number)
        asyncio.get_running_loop().call_later(LAST_PATIENCE_S, self._kill)

    def _stop(self, number: int, code: int) -> None:
        if not self._stopping.is_set():
            self._exit_code = self._exit_code or code  # of those that were drained before
            self._stopping.set()
            self._reports.note_stop()
            patience_s = self._grace_s + STOP_MARGIN_S
            asyncio.get_running_loop().call_later(patience_s, self._kill_the_late, patience_s)
        for _, link in self._children.values():
            link.stop(number)
        self._send(number)

    def _send(self, number: int) -> None:
        for process, _ in list(self._children.values()):
            with suppress(ProcessLookupError):
                process.send_signal(number)

    def _kill_the_late(self, patience_s: float) -> None:
        if self._children:
            logger.error(
                "%d worker processes did not end within %.0f s of the signal and are killed; "
                "what they were running is lost and runs again",
                *(len(self._children), patience_s),
            )
            self._exit_code = self._exit_code or ExitCode.FAILED
            self._kill()

    def _kill(self) -> None:
        self._send(signal.SIGKILL)

    # --- others' children -----------------------------------------------------------------

    async def _look_around(self) -> None:
        """Look every second for orphans, and for what the kernel has killed."""
        while True:
            await asyncio.sleep(REAP_EVERY_S)
            self._memory_kills.sample()
            if hasattr(os, "waitid"):
                with suppress(ChildProcessError):
                    self._reap()

    def _reap(self) -> None:
        """Collect processes that became this one's children, as all orphans do in a container."""
        options = os.WEXITED | os.WNOHANG
        while found := os.waitid(os.P_ALL, 0, options | os.WNOWAIT):
            if found.si_pid in self._children:
                return  # asyncio collects it in a moment
            os.waitid(os.P_PID, found.si_pid, options)


def _tell_end(end: ChildEnd, delay_s: float) -> None:
    if end.parting == REPLACED:
        logger.warning(
            "a worker process was replaced within %.0f s of its start; the next one starts in "
            "%.1f s, and later each time. A higher --max-rss or --max-attempts may help",
            *(HEALTHY_AFTER_S, delay_s),
        )
        return
    logger.warning(
        "a worker process ended with %s%s; another one starts in %.1f s",
        end.how,
        f" because of task {end.ended_by!r}" if end.ended_by else "",
        delay_s,
    )


def _end_group(leader: int) -> None:
    """Kill what a worker process left behind in its group."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)
