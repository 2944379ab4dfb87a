"""All attempts that this worker has claimed. Each ends exactly once.

A claim comes in by `Attempts.accept` and goes out by `Attempts._settle`. In between::

    claim ── readable, served here ──▶ running ── returned, raised, timed out ──▶ settled
      │                                   ├────── revoked (settled by others) ──▶ dropped
      │                                   └────── drain, out of time ───────────▶ handed back
      ├── unknown task, other version ──────────────────────────────────────────▶ handed back
      ├── damaged, of a known attempt ──────────────────────────────────────────▶ settled, failed
      └── damaged altogether ───────────────────────────────────────────────────▶ set aside

`claimed` draws the phases of one claim, `executor` runs its code.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import time
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

from astrum.execution.attempt import AttemptContext
from astrum.execution.endings import swallowed
from astrum.machine.events import Outcome
from astrum.redis import Claim, EntryKey
from astrum.runtime.loops import hide, runs_in, task_maker
from astrum_worker.context import WorkerContext
from astrum_worker.running.claim_reader import (
    ClaimReader,
    Refused,
    Runnable,
    Unreadable,
    claimed_attempt,
)
from astrum_worker.running.claimed import ClaimedAttempt, Phase
from astrum_worker.running.endings import ended, never_began, raised, stopped, undescribed, unrun
from astrum_worker.running.executor import AttemptExecutor
from astrum_worker.running.ready_queue import ReadyQueue
from astrum_worker.running.slots import Slots
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.ending import Ending
from astrum_worker.settling.settler import Settler

logger = logging.getLogger("astrum.worker")

_REASONS_LOGGED = 100
_ADOPTED_KNOWN = 10_000


class Attempts:
    """All claimed attempts of this worker. ``slots`` by lane; the exclusive lane has none."""

    def __init__(
        self,
        context: WorkerContext,
        reader: ClaimReader,
        executor: AttemptExecutor,
        settler: Settler,
        slots: Mapping[str, Slots],
        logs: TaskLogs,
    ) -> None:
        self._worker_id = context.worker_id
        self._counters = context.counters
        self._metrics = context.metrics
        self._reader = reader
        self._executor = executor
        self._settler = settler
        self._slots = slots
        self._logs = logs
        gate = context.gate
        self._ready = ReadyQueue(
            slots,
            may_wait=lambda: gate.is_open,
            start=self._start,
            hand_back=self._hand_back,
            take_back=self._take_back,
        )
        self._held: dict[EntryKey, ClaimedAttempt] = {}
        self._loop = asyncio.get_running_loop()
        self._new_task = task_maker()
        self._context = contextvars.copy_context()
        self._may_be_eager = self._loop.get_task_factory() is not None
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._settled_while_audited: set[EntryKey] | None = None
        self._adopted: dict[EntryKey, None] = {}
        self._complained: set[str] = set()
        self._suspects: list[ClaimedAttempt] = []
        self.version = 0

    # --- what others may ask ------------------------------------------------------------

    def held(self) -> list[ClaimedAttempt]:
        """Return all claimed attempts; safe to call from another thread."""
        return list(self._held.values())

    def running(self) -> list[ClaimedAttempt]:
        """Return the running attempts; safe to call from another thread."""
        return [held for held in self.held() if held.is_running]

    def waiting(self) -> list[ClaimedAttempt]:
        """Return the attempts that wait for a slot; safe as `running`."""
        return [held for held in self.held() if held.phase is Phase.QUEUED]

    def running_in(self, job: asyncio.Task[Any] | None) -> ClaimedAttempt | None:
        """Return the attempt whose code runs in an asyncio task; safe as `running`."""
        if job is None:
            return None
        return next((held for held in self.running() if held.job is job), None)

    def running_as(self, context: AttemptContext) -> ClaimedAttempt | None:
        """Return the attempt whose code sees this context; safe as `running`."""
        return next((held for held in self.running() if held.context is context), None)

    @property
    def running_count(self) -> int:
        """The number of attempts that run."""
        return self._running

    @property
    def unsettled(self) -> int:
        """The number of ended attempts whose ends wait for the server; safe as `running`."""
        return self._settler.unsettled

    async def wait_idle(self) -> None:
        """Wait until nothing runs."""
        await self._idle.wait()

    # --- in -----------------------------------------------------------------------------

    def accept(self, lane: str, claim: Claim) -> bool:
        """Run or settle a claim; ignore one that this worker had already.

        Such a claim comes when its reply was late, or when the server lost its settlement; then it
        is settled again. Returns false if this worker cannot run it.
        """
        key = claim.key
        if key in self._held or key in self._adopted or self._settler.knows(key):
            return True
        return self._take(lane, claim)

    def _take(self, lane: str, claim: Claim) -> bool:
        reading = self._reader.read(claim)
        held = claimed_attempt(claim, lane, reading, self._worker_id)
        self._held[claim.key] = held
        self._counters.claimed += 1
        if self._metrics is not None:
            self._metrics.note_claim(claim)
        if type(reading) is Runnable:
            held.wait_for_slot()
            self._ready.put(held, reading)
            return True
        if type(reading) is Refused:
            self._refuse(held, reading)
        elif type(reading) is Unreadable:
            self._set_aside(held, reading)
        return False

    def begin_audit(self) -> None:
        """Remember which attempts are settled from now on, for `adopt`."""
        self._settled_while_audited = set()

    def adopt(self, lanes: Mapping[str, str], claims: Iterable[Claim]) -> int:
        """Accept the claims of this worker that it never received; return how many there were.

        ``claims`` were read after `begin_audit`; attempts settled since then are not run again.
        ``lanes`` are the lanes by stream.
        """
        settled, self._settled_while_audited = self._settled_while_audited or set(), None
        lost = [claim for claim in claims if claim.key not in self._held]
        lost = [claim for claim in lost if claim.key not in settled]
        for claim in lost:
            # The reply with this claim may only be late and arrive after the attempt has ended.
            # It is remembered, so that `accept` does not run it a second time then.
            self._adopted[claim.key] = None
            self._take(lanes[claim.stream], claim)
        while len(self._adopted) > _ADOPTED_KNOWN:
            del self._adopted[next(iter(self._adopted))]
        return len(lost)

    # --- while it runs ------------------------------------------------------------------

    def _start(self, held: ClaimedAttempt, runnable: Runnable) -> None:
        held.start()
        if not self._running:
            self._idle.clear()
        self._running += 1
        self.version += 1
        if self._may_be_eager:
            # An eager task would run inside the code that starts it: the end of another attempt,
            # which may again start one, and so on.
            self._loop.call_soon(self._begin, held, runnable, context=self._context)
        else:
            self._begin(held, runnable)

    def _begin(self, held: ClaimedAttempt, runnable: Runnable) -> None:
        # Not in the current context: it may be that of the attempt whose slot this one gets.
        hide(self._new_task(self._run(held, runnable), context=self._context.copy()))

    async def _run(self, held: ClaimedAttempt, runnable: Runnable) -> None:
        """Execute an attempt and settle it, unless it has ended already."""
        job = asyncio.current_task(self._loop)  # without the loop it costs twice as much
        assert job is not None
        if held.phase is not Phase.RUNNING:  # cancelled before its turn came
            self._close(held, self._cancelled(held))
            return
        held.begin(job)
        try:
            ending = await self._executor.execute(held, runnable)
        except asyncio.CancelledError:
            ending = self._cancelled(held)
        except BaseException:
            if not runs_in(job):  # this coroutine itself is being closed
                raise
            logger.exception("task %r ended in an unexpected way", held.name)
            ending = undescribed(held)
        held.leave_job()
        self._close(held, ending)

    def revoke(self, run_id: str, pairs: Iterable[tuple[int, int]]) -> None:
        """Cancel these attempts, which others have settled."""
        wanted = set(pairs)
        for held in self.running():
            if held.run_id == run_id and (held.task, held.attempt) in wanted:
                self.cancel(held)
        for held in list(self._ready):
            if held.run_id == run_id and (held.task, held.attempt) in wanted:
                self._counters.revoked += 1
                self._ready.remove(held)
                self._drop(held)

    def cancel(self, held: ClaimedAttempt) -> None:
        """Stop an attempt that others have settled."""
        if held.cancel(Phase.REVOKED):
            self._counters.revoked += 1

    def fail(self, held: ClaimedAttempt, error: BaseException) -> None:
        """Fail an attempt with an error that it caused elsewhere, and cancel its code."""
        job = held.job
        self._close(held, ended(held, raised(error, held.started_at)))
        if job is not None:
            job.cancel()

    def hand_back_waiting(self) -> None:
        """Hand back the attempts that wait for a slot, so that none of them begins."""
        self._ready.close()

    def stop_all(self) -> None:
        """Cancel all running attempts; they are handed back when they end."""
        for held in self.running():
            held.cancel(Phase.STOPPED)

    def hand_back_all(self) -> None:
        """Hand back the attempts that still run, without waiting for their code."""
        for held in self.running():
            self._close(held, self._cancelled(held))

    def _take_back(self, held: ClaimedAttempt) -> None:
        """Hand back an attempt that no thread has begun, so that other workers run it."""
        if held.job is None or held.context.withdraw():
            self._slots[held.lane].stalled(time.monotonic() - held.since)
            held.cancel(Phase.RECALLED)

    def give_up(self, held: ClaimedAttempt) -> None:
        """End an attempt that continues after its cancellation; its result is dropped."""
        self._counters.hung += 1
        logger.warning(
            "run %s: task %r goes on though it was cancelled; its slot is given to others: do not "
            "catch CancelledError in the task, or raise it again",
            *(held.run_id, held.context.name),
        )
        is_ours = held.context.is_revoked
        self._close(
            held, self._cancelled(held) if is_ours else ended(held, swallowed(held.context))
        )

    # --- out ----------------------------------------------------------------------------

    def _cancelled(self, held: ClaimedAttempt) -> Ending:
        return never_began(held) if held.phase is Phase.RECALLED else stopped(held)

    def _close(self, held: ClaimedAttempt, ending: Ending) -> None:
        """Free the slot of an attempt and settle it, unless it has ended already."""
        if held.has_ended:
            return
        was_revoked = held.phase is Phase.REVOKED
        held.end()
        self._running -= 1
        self._ready.on_end(held, time.monotonic() - held.since)
        if not self._running:
            self._idle.set()
        if was_revoked:
            self._drop(held)
        else:
            self._settle(held, ending)

    def _hand_back(self, held: ClaimedAttempt) -> None:
        self._settle(held, never_began(held))

    def _refuse(self, held: ClaimedAttempt, refused: Refused) -> None:
        why = refused.failure.message
        is_new = why not in self._complained and len(self._complained) < _REASONS_LOGGED
        level = logging.WARNING if is_new else logging.DEBUG
        if is_new:
            self._complained.add(why)
        logger.log(
            level,
            "run %s: an attempt is settled as %s: %s",
            *(refused.run_id, refused.outcome.name.lower().replace("_", " "), why),
        )
        self._settle(held, unrun(held, refused.outcome, refused.failure))

    def _settle(self, held: ClaimedAttempt, ending: Ending) -> None:
        """Record the one end of an attempt."""
        self._end(held)
        record = ending.record
        self._counters.count(record.outcome)
        if record.outcome in (Outcome.FAILED, Outcome.TIMED_OUT) and record.failure:
            what = (held.run_id, held.context.name, held.context.attempt, record.failure.summary)
            logger.info("run %s: task %r attempt %d failed: %s", *what)
        self._report(held, ending)

    def _report(self, held: ClaimedAttempt, ending: Ending) -> None:
        done = partial(self._forget, held)
        try:
            if held.context.log is not None:
                ending = self._logs.with_log(held, ending)
            end = self._settler.settle(held.run_id, held.claim, ending, done, held.name)
        except Exception:
            logger.exception(
                "run %s: how task %r ended could not be recorded; it is recorded as a "
                "failure without a description",
                *(held.run_id, held.name),
            )
            ending = undescribed(held)
            end = self._settler.settle(held.run_id, held.claim, ending, done, held.name)
        if self._metrics is not None:
            stream, size = held.claim.stream, ending.size
            self._metrics.note_end(held.context.namespace, held.task_id, stream, end, size)

    def end_forgotten(self) -> None:
        """End attempts that are held here but neither run nor are on their way to the server.

        Only a bug of Astrum can leave such an attempt. Its run would otherwise wait for it until
        this worker ends.
        """
        forgotten = [held for held in self.held() if self._is_forgotten(held)]
        for held in forgotten:
            if held not in self._suspects:
                continue  # seen once, it may be in the middle of a normal step
            logger.error(
                "run %s: task %r, attempt %d is held here without being run; it is ended as "
                "failed: please report this as a bug of Astrum",
                *(held.run_id, held.name, held.attempt),
            )
            if held.is_running:
                self._close(held, undescribed(held))
            else:
                self._report(held, undescribed(held))
        self._suspects = forgotten

    def _is_forgotten(self, held: ClaimedAttempt) -> bool:
        if held.is_running:
            return held.job is not None and held.job.done()
        return held.has_ended and not self._settler.holds(held.claim.key)

    def _set_aside(self, held: ClaimedAttempt, unreadable: Unreadable) -> None:
        """Move a claim that names no attempt to the dead letters."""
        self._end(held)
        logger.error(
            "entry %s of %s is not a task message and is set aside: %s",
            *(held.claim.entry_id, held.claim.stream, unreadable.reason),
        )
        self._settler.set_aside(held.claim, unreadable.reason, partial(self._forget, held))

    def _drop(self, held: ClaimedAttempt) -> None:
        """End an attempt that others have settled."""
        self._end(held)
        if held.context.log is not None:
            self._settler.store_log(self._logs.stored(held, held.context.log, is_whole=True))
        if self._metrics is not None:
            self._metrics.note_dropped(held.context.namespace, held.task_id)
        self._forget(held)

    def _end(self, held: ClaimedAttempt) -> None:
        held.end()
        self.version += 1

    def _forget(self, held: ClaimedAttempt) -> None:
        key = held.claim.key
        self._held.pop(key, None)
        if self._settled_while_audited is not None:
            self._settled_while_audited.add(key)
