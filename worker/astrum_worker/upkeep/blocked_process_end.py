"""Ends a process whose event loop is blocked for too long, so that others run its attempts.

The event loop can do nothing any more, so the heartbeat thread does all of it, with an event loop
and connections of its own. If the blocked loop continues meanwhile, it settles at most the same
attempts: the first end that is recorded counts, and the process ends in any case.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Iterable
from contextlib import suppress

from astrum.errors import AstrumError, RunNotFoundError, StoreError
from astrum.machine.events import Outcome
from astrum.protocol.messages import Record
from astrum.protocol.task_message import attribute
from astrum.redis import Claim, EntryKey, Settlement, StoredLog, WorkerStore
from astrum.runtime.exit_codes import ExitCode
from astrum_worker.context import WorkerContext
from astrum_worker.running.attempts import Attempts
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.running.endings import lost, never_began, stopped
from astrum_worker.running.task_logs import TaskLogs
from astrum_worker.settling.ending import Ending, on_server_clock, settlement_of
from astrum_worker.settling.settler import RunStream, Settler
from astrum_worker.settling.storing import Outgoing
from astrum_worker.supervisor_link import say_ended_by, say_left
from astrum_worker.upkeep.loop_block_detector import Blockage

logger = logging.getLogger("astrum.worker")

_DELIVER_S = 10.0
_LAST_S = 2.0
_NEIGHBOUR = "ended because another task blocked its event loop"


class BlockedProcessEnd:
    """Settles everything that a worker holds from the heartbeat thread, and ends the process.

    The attempt that blocks is settled as lost, and is the only suspect: after `LOSS_BUDGET` such
    losses its task is quarantined. All others are handed back. If it is not known which attempt
    blocks, all running ones are settled as lost together. They then run one at a time, which
    shows which one it was.
    """

    def __init__(
        self, context: WorkerContext, attempts: Attempts, settler: Settler, logs: TaskLogs
    ) -> None:
        self._context = context
        self._attempts = attempts
        self._settler = settler
        self._logs = logs

    def end(self, blockage: Blockage) -> None:
        """Settle everything and end the process; does not return."""
        self._end_anyway_soon()
        running = self._attempts.running()
        _tell(blockage, len(running), self._context.config.blocked_limit_s)
        if blockage.held is not None:
            say_ended_by(blockage.held.task_id)
        suspects = running if blockage.held is None else [blockage.held]
        os._exit(self._deliver(blockage, suspects))

    def _end_anyway_soon(self) -> None:
        """End the process even if settling does not return: a name server or a log may hang too."""
        timer = threading.Timer(_DELIVER_S + _LAST_S, os._exit, [int(ExitCode.NOT_HANDED_OVER)])
        timer.daemon = True
        timer.start()

    def _deliver(self, blockage: Blockage, suspects: list[ClaimedAttempt]) -> int:
        try:
            asyncio.run(asyncio.wait_for(self._settle_all(blockage, suspects), _DELIVER_S))
        except (AstrumError, TimeoutError, OSError) as error:
            logger.error(
                "not everything could be settled before the end, the server did not take it: %s; "
                "what is left counts as lost with this worker, and runs again",
                str(error) or type(error).__name__,
            )
            return ExitCode.NOT_HANDED_OVER
        except Exception:
            logger.exception("not everything could be settled before the end")
        return ExitCode.FAILED

    # --- from here on in the event loop of this thread ------------------------------------

    async def _settle_all(self, blockage: Blockage, suspects: list[ClaimedAttempt]) -> None:
        config = self._context.config
        store = WorkerStore(config.redis, self._context.worker_id)
        try:
            reports = self._settler.undelivered()
            await _store_logs(store, [report.log for report in reports])
            await self._report(store, (one for one in reports if one.blob is None))
            told = {report.key for report in reports}
            await self._settle_held(store, blockage, suspects, told)
            await self._report_big(store, [one for one in reports if one.blob is not None])
            await self._return_unknown(store, told)
            await store.leave()
            say_left()
        finally:
            await store.close()

    async def _settle_held(
        self,
        store: WorkerStore,
        blockage: Blockage,
        suspects: list[ClaimedAttempt],
        told: set[EntryKey],
    ) -> None:
        ends = [
            (held, self._logs.with_log(held, _end_of(held, blockage, suspects)))
            for held in self._attempts.held()
            if not held.has_ended and held.claim.key not in told
        ]
        await _store_logs(store, [ending.log for _, ending in ends])
        await self._settle(store, [(held.run_id, held.claim, end.record) for held, end in ends])

    async def _report(self, store: WorkerStore, reports: Iterable[Outgoing]) -> None:
        by_place: dict[RunStream, list[Settlement]] = {}
        for report in reports:
            by_place.setdefault((report.run_id, report.key[0]), []).append(report.settlement)
        for place, settlements in by_place.items():
            await store.settle(*place, settlements)

    async def _report_big(self, store: WorkerStore, reports: Iterable[Outgoing]) -> None:
        for report in reports:
            assert report.blob is not None
            try:
                await store.put_blob(report.run_id, report.blob)
            except RunNotFoundError:
                continue
            await self._report(store, [report])

    async def _return_unknown(self, store: WorkerStore, told: set[EntryKey]) -> None:
        """Hand back what the server delivered and the event loop could not receive any more."""
        streams = [store.keys.queue(one) for one in self._context.all_streams()]
        known = told | {held.claim.key for held in self._attempts.held()}
        ends = []
        for claim in await store.own_claims(streams):
            read = attribute(claim.data)
            if claim.key not in known and read is not None:
                _, run_id, task, attempt = read
                ends.append((run_id, claim, Record(task, attempt, Outcome.NEVER_BEGAN)))
        await self._settle(store, ends)

    async def _settle(self, store: WorkerStore, ends: Iterable[tuple[str, Claim, Record]]) -> None:
        by_place: dict[RunStream, list[Settlement]] = {}
        clock = self._context.store.clock
        for run_id, claim, record in ends:
            record = on_server_clock(record, claim, clock)
            settlement = settlement_of(self._context.seal, run_id, claim, record)
            by_place.setdefault((run_id, claim.stream), []).append(settlement)
        for place, settlements in by_place.items():
            await store.settle(*place, settlements)


async def _store_logs(store: WorkerStore, logs: Iterable[StoredLog | None]) -> None:
    """Store logs if the server takes them: the ends, which come next, are worth more."""
    with suppress(StoreError):
        await store.put_logs([log for log in logs if log is not None])


def _end_of(held: ClaimedAttempt, blockage: Blockage, suspects: list[ClaimedAttempt]) -> Ending:
    if held in suspects:
        by = "the task" if blockage.held is held else "something"
        why = f"ended because {by} blocked its event loop at {blockage.where}"
        return lost(held, why, len(suspects))
    return stopped(held, _NEIGHBOUR) if held.is_running else never_began(held)


def _tell(blockage: Blockage, running: int, limit_s: float) -> None:
    who, held = "something", blockage.held
    if held is not None:
        who = f"run {held.run_id}: task {held.name!r}, attempt {held.attempt}"
    logger.error(
        "%s blocks the event loop for more than the limit of %g s at %s: %s -- this worker process "
        "ends because of it; the other attempts that it runs (%d) go on elsewhere",
        *(who, limit_s, blockage.where, blockage.source),
        running - (held is not None),
    )
