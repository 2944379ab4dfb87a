"""Reads the stored logs of attempts, also while they grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import NamedTuple

from astrum.errors import DecodeError, TaskNotFoundError
from astrum.machine.error_summary import ATTEMPT_STATUS
from astrum.machine.events import Outcome
from astrum.machine.task_log import TaskLog
from astrum.machine.task_state import ENDED, OUTSTANDING
from astrum.protocol.task_logs import decode_log, fingerprint_of_log, log_name
from astrum.view.task_log import RUNNING, AttemptLog, left_out_logs_text
from astrum_coordinator.asking.connected import Connected
from astrum_coordinator.asking.run_follower import RunFollower, read_run
from astrum_coordinator.asking.task_numbers import number_of
from astrum_coordinator.asking.waiting import found_run
from astrum_coordinator.context import CoordinatorContext
from astrum_coordinator.stored_runs import StoredRuns

LOOK_EVERY_S = 1.0
QUIET_LOOKS = 3
"""So many looks at a log that does not grow, then one at the run: that costs more."""
_STORED_IF = "workers store it with --task-logs all"


class KnownAttempt(NamedTuple):
    """An attempt of a task. ``fence`` is its number in the store; ``log`` as in `Record`."""

    fence: int
    status: str
    worker_id: str = ""
    log: bytes = b""


class TaskLogReading(Connected):
    """What a coordinator tells about the logs of attempts."""

    async def log(self, run_id: str, task: str, attempt: int | None = None) -> AttemptLog:
        """Return what an attempt of a task logged; by default the latest, also while it runs.

        A child is named as in reports: ``parse[3]``. Raises `RunNotFoundError`, and
        `TaskNotFoundError` for a task or an attempt that there is not.
        """
        reader = await TaskLogReader.open(self._context, self._stored, run_id, task)
        return await reader.read(attempt)

    async def follow_log(
        self, run_id: str, task: str, attempt: int | None = None
    ) -> AsyncIterator[AttemptLog]:
        """Yield the log of an attempt each time that it has grown, until the attempt has ended.

        Without ``attempt`` the later attempts follow, until the task has ended. Waits for a first
        attempt. Raises as `log`.
        """
        reader = await TaskLogReader.open(self._context, self._stored, run_id, task)
        async for log in reader.follow(attempt):
            yield log


class TaskLogReader:
    """Reads the logs of one task of a run, known by its number there."""

    def __init__(self, context: CoordinatorContext, run: RunFollower, task: int) -> None:
        self._store = context.store
        self._seal = context.seal
        self._run = run
        self._task = task

    @classmethod
    async def open(
        cls, context: CoordinatorContext, stored: StoredRuns, run_id: str, task: str
    ) -> TaskLogReader:
        """Find the task; raises as `TaskLogReading.log`."""
        store, seal = context.store, context.seal
        found = await stored.load(await found_run(store, run_id))
        run = await read_run(store, seal, run_id, found)
        number = number_of(run.state, task, run_id)
        if number in run.state.tasks.roots:
            first = next(run.state.tasks.children(number), None)
            such_as = "" if first is None else f", such as {run.state.tasks.name(first)!r}"
            raise TaskNotFoundError(
                f"task {task!r} of run {run_id} has no log, its children have one each: name one"
                f"{such_as}"
            )
        return cls(context, run, number)

    async def read(self, attempt: int | None = None) -> AttemptLog:
        """Return the log of an attempt, by default of the latest."""
        known = self._attempts()
        if not known:
            raise TaskNotFoundError(f"{self._what} has had no attempt yet")
        number = len(known) if attempt is None else attempt
        if not 1 <= number <= len(known):
            had = "1 attempt" if len(known) == 1 else f"{len(known)} attempts"
            raise TaskNotFoundError(f"{self._what} has had {had}, there is not one {number}")
        return await self._read(number, known)

    async def follow(self, attempt: int | None) -> AsyncIterator[AttemptLog]:
        """Yield logs as `TaskLogReading.follow_log` does."""
        number, seen, quiet = attempt or 1, -1, 0
        if attempt is None:
            number = max(len(self._attempts()), 1)
        while True:
            known = self._attempts()
            if number <= len(known):
                log = await self._read(number, known)
                if log.count != seen or not log.is_running:
                    seen, quiet = log.count, 0
                    yield log
                if not log.is_running:
                    if attempt is not None or (self._is_over and number == len(known)):
                        return
                    if number < len(known):
                        number, seen = number + 1, -1
                        continue
            elif self._is_over:
                return
            quiet += 1
            await asyncio.sleep(LOOK_EVERY_S)
            if quiet >= QUIET_LOOKS or number > len(known) or not log.is_running:
                quiet = 0
                await self._run.catch_up(self._store)

    @property
    def _is_over(self) -> bool:
        state = self._run.state
        return state.states[self._task] in ENDED or state.finished is not None

    @property
    def _what(self) -> str:
        return f"task {self._run.state.tasks.name(self._task)!r} of run {self._run.run_id}"

    def _attempts(self) -> list[KnownAttempt]:
        state, task = self._run.state, self._task
        known = [
            KnownAttempt(end.attempt, ATTEMPT_STATUS[end.outcome], end.worker_id, end.log)
            for end in state.attempt_log.settled
            if end.task == task and end.outcome is not Outcome.NEVER_BEGAN
        ]
        if state.states[task] == OUTSTANDING:
            known.append(KnownAttempt(state.attempts[task], RUNNING))
        return known

    async def _left_out(self) -> str:
        """Return how many logs of the run are left out, as the end of a note; "" if none is."""
        left_out = await self._store.logs_left_out(self._run.run_id)
        text = left_out_logs_text(left_out, with_parts=True)
        return f"; {text}" if text else ""

    async def _read(self, number: int, known: list[KnownAttempt]) -> AttemptLog:
        one = known[number - 1]
        name = log_name(self._task, one.fence)
        data = await self._store.get_log(self._run.run_id, name)
        stored, note = None, ""
        if data is None:
            note = _why_none(one, await self._left_out())
        else:
            try:
                stored = decode_log(self._seal.open_log(self._run.run_id, name, data))
                note = _why_not_whole(one, stored, data)
                if not stored.is_whole and note:
                    note += await self._left_out()
            except DecodeError as error:
                note = f"the log cannot be read: {error}"
        told = stored or TaskLog(one.worker_id)
        return AttemptLog(
            run_id=self._run.run_id,
            task_id=self._run.state.tasks.name(self._task),
            attempt=number,
            attempts=len(known),
            status=one.status,
            worker_id=told.worker_id,
            lines=told.lines,
            left_out=told.left_out,
            left_out_after=told.left_out_after,
            note=note,
        )


def _why_none(attempt: KnownAttempt, left_out: str) -> str:
    if attempt.log and left_out:
        return f"nothing is stored{left_out}"
    if attempt.log:
        return "the server did not take the log, or has lost it: is its memory full?"
    if attempt.status == RUNNING:
        return f"nothing is stored yet; while an attempt runs, {_STORED_IF}{left_out}"
    if attempt.status == "lost":
        kept = f"what it had logged is kept if {_STORED_IF}"
        return f"nothing is stored: its worker died; {kept}{left_out}"
    if attempt.status in ("completed", "skipped"):
        return f"nothing is stored: it logged nothing, or only failures are kept; {_STORED_IF}"
    return "nothing is stored: it logged nothing, or its worker runs with --task-logs off"


def _why_not_whole(attempt: KnownAttempt, stored: TaskLog, data: bytes) -> str:
    if attempt.status == RUNNING:
        return ""
    if not stored.is_whole:
        return "its worker could not store the end of the log"
    if attempt.log and attempt.log != fingerprint_of_log(data):
        return "this is not the log that its worker recorded: it was changed in the store"
    return ""
