"""The requests of operators, for whole pools and without any code of the flows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from astrum.errors import NotInPoolError, RunError, RunNotFoundError, listed, nearest
from astrum.planning.offer import NamespaceVersion
from astrum.planning.plan import is_queue_name
from astrum.protocol.drains import DrainRequest
from astrum.protocol.keys import is_run_id
from astrum.protocol.pauses import PauseKind, Pauses, PauseTarget
from astrum.protocol.records import CoordinatorInfo, RunInfo, WorkerInfo
from astrum.view import DeadLetterView, QueueState, view_of
from astrum.view.run_list import ALL_RUNS, ListedRun, RunFilter
from astrum_coordinator.asking.connected import Connected
from astrum_coordinator.asking.pool_names import check_known
from astrum_coordinator.asking.releasing import How, Release, release_task
from astrum_coordinator.asking.requests import cancel_run
from astrum_coordinator.asking.retrying import Retry, retry_run
from astrum_coordinator.asking.run_follower import read_run
from astrum_coordinator.asking.run_list import list_runs
from astrum_coordinator.asking.run_names import find_run
from astrum_coordinator.asking.snapshots import queue_states_of, served_versions
from astrum_coordinator.asking.submitter import submitter
from astrum_coordinator.asking.task_numbers import children_named
from astrum_coordinator.asking.waiting import found_run


class Operations(Connected):
    """What a coordinator does for an operator."""

    # --- questions -----------------------------------------------------------------------------

    async def run_info(self, run_id: str) -> RunInfo | None:
        """Return the information on a run, `None` if there is none."""
        return await self._context.store.run_info(run_id)

    async def server_time(self) -> float:
        """Return the time by the server's clock, in seconds since the epoch."""
        return await self._context.store.server_time()

    async def find_run(self, name: str) -> str:
        """Return the id of the run that has this id, or the only one that begins so.

        ``@last`` is the newest run, ``@failed`` the newest one that failed. Raises
        `RunNotFoundError` with the nearest id, or with those that begin so.
        """
        return await find_run(self._context.store, name)

    async def has_chronicle(self, run_id: str) -> bool:
        """Return whether a run has a chronicle; it may be all that is left of the run."""
        return is_run_id(run_id) and await self._context.store.has_chronicle(run_id)

    async def task_ids(self, run_id: str) -> list[str]:
        """Return the tasks of a run's plan; raises `RunNotFoundError`."""
        info = await found_run(self._context.store, run_id)
        return [spec.task_id for spec in (await self._stored.load(info)).plan.tasks]

    async def children_named(self, run_id: str, beginning: str, limit: int = 100) -> dict[str, str]:
        """Return the children of a run, with states, whose names begin so: ``parse[1``.

        At most ``limit`` of them, those first that are held, that failed, that run. Raises
        `RunNotFoundError`.
        """
        context = self._context
        stored = await self._stored.load(await found_run(context.store, run_id))
        run = await read_run(context.store, context.seal, run_id, stored)
        return children_named(run.state, beginning, limit)

    async def runs(self, limit: int = 50) -> list[RunInfo]:
        """Return what is known of the latest ``limit`` runs, newest first."""
        return await self._context.store.list_runs(limit)

    async def list_runs(
        self, chosen: RunFilter = ALL_RUNS, *, limit: int | None = 50
    ) -> list[ListedRun]:
        """Return the newest ``limit`` runs (`None`: all) that a filter fits, and what each does.

        No journal is read: all of it is in the records of runs, workers and coordinators.
        """
        return await list_runs(self._context.store, chosen, limit)

    async def queues(self) -> list[QueueState]:
        """Return for each queue what waits, what runs, and which live workers listen to it."""
        return await queue_states_of(self._context.store)

    async def coordinators(self) -> list[CoordinatorInfo]:
        """Return the coordinators that lead runs or serve: what each leads, and holds ready."""
        return await self._context.store.coordinators()

    async def workers(self) -> list[WorkerInfo]:
        """Return all live workers."""
        return await self._context.store.workers()

    # --- pauses --------------------------------------------------------------------------------

    async def pause(
        self,
        *,
        queues: Iterable[str] = (),
        namespaces: Iterable[str] = (),
        tasks: Iterable[str] = (),
        reason: str = "",
        by: str | None = None,
        anyway: bool = False,
    ) -> Pauses:
        """Let nothing new of these be dispatched until `unpause`; what runs goes on.

        A task is ``"NAMESPACE/TASK"``. Returns all pauses there are now, with ``by`` whom, by
        default the user, host and process. Raises `NotInPoolError` for what no live worker and no
        open run has, unless ``anyway``.
        """
        targets = pause_targets(queues, namespaces, tasks)
        check_queue_names(targets)
        if not anyway:
            await check_known(self._context, self._stored, targets)
        who = submitter() if by is None else by
        await self._context.store.pause(targets, by=who, reason=reason)
        return await self.paused()

    async def unpause(
        self,
        *,
        queues: Iterable[str] = (),
        namespaces: Iterable[str] = (),
        tasks: Iterable[str] = (),
    ) -> list[PauseTarget]:
        """End the pauses of these; return those of them that were paused."""
        targets = pause_targets(queues, namespaces, tasks)
        return await self._context.store.unpause(targets)

    async def paused(self) -> Pauses:
        """Return what is paused, by whom, since when and why."""
        return await self._context.store.paused()

    # --- workers -------------------------------------------------------------------------------

    async def served_versions(
        self, workers: Iterable[WorkerInfo]
    ) -> dict[str, dict[str, NamespaceVersion]]:
        """Return the offer and code of each namespace that these serve, by worker id."""
        return await served_versions(self._context.store, [one.worker_id for one in workers])

    async def drain(
        self, *workers: str, replace: bool = False, by: str | None = None
    ) -> list[WorkerInfo]:
        """Let workers finish what they run, hand back the rest and end; returns which.

        Each is an id, or the beginning of one that no other live worker has. They begin at their
        next heartbeat. With ``replace`` their supervisor starts a new process in their place.
        Raises `NotInPoolError` for an id that no live worker has; then none is drained.
        """
        store = self._context.store
        chosen = chosen_workers(workers, await store.workers())
        request = DrainRequest(submitter() if by is None else by, replace)
        return [one for one in chosen if await store.drain(one.worker_id, request)]

    # --- dead letters --------------------------------------------------------------------------

    async def dead_letters(self, *letter_ids: str) -> list[DeadLetterView]:
        """Return these dead letters, by default all: entries of queues that could not be read.

        Raises `NotInPoolError` for an id that none has.
        """
        letters = {one.letter_id: one for one in await self._context.store.dead_letters()}
        for letter_id in letter_ids:
            if letter_id not in letters:
                hint = nearest(letter_id, letters)
                raise NotInPoolError(
                    f"no dead letter has the id {letter_id!r}{hint}; `dead` lists all"
                )
        return [view_of(letters[letter_id]) for letter_id in dict.fromkeys(letter_ids or letters)]

    async def clear_dead_letters(self, *letter_ids: str) -> int:
        """Delete these dead letters, by default all there are now; return how many."""
        ids = [one.letter_id for one in await self.dead_letters(*letter_ids)]
        return await self._context.store.clear_dead_letters(ids)

    # --- runs ----------------------------------------------------------------------------------

    async def cancel(
        self, run_id: str, reason: str = "", *, now: bool = False, by: str | None = None
    ) -> bool:
        """Ask for a run's end, durably, with or without a leader. False if it was over already.

        Its tasks that clean up (``always=True``) run then; with ``now`` they do not, and those that
        run are ended, also in a run that is stopping already. The report says ``by`` whom, by
        default the user, host and process; "" leaves it out.
        """
        who = submitter() if by is None else by
        context = self._context
        return await cancel_run(context.store, context.seal, run_id, reason, who, now=now)

    async def retry(
        self, run_id: str, tasks: Sequence[str] = (), *, now: bool = False, by: str | None = None
    ) -> Retry:
        """Try a failed or cancelled run again: only what did not succeed runs, in the same run.

        With ``tasks`` only these, what they need, and what needs them; of a completed run they must
        be named. Any coordinator that serves leads the run. With ``now`` attempts of a run that is
        under way begin without the rest of their delay. Raises as `retry_run`.
        """
        who = submitter() if by is None else by
        context = self._context
        return await retry_run(context.store, context.seal, run_id, tasks, by=who, now=now)

    async def release(
        self, run_id: str, task: str, how: How, value: Any = None, *, by: str | None = None
    ) -> Release:
        """Say what becomes of a task that is held since its worker was lost (``on_lost="hold"``).

        With "retry" it runs again, with "fail" it has failed, and with "succeed" ``value`` is its
        result, made of what JSON has. A child is named as in reports: ``pay[3]``. Raises as
        `release_task`.
        """
        who = submitter() if by is None else by
        context = self._context
        return await release_task(context.store, context.seal, run_id, task, how, value, by=who)

    async def forget(self, *run_ids: str) -> list[RunInfo]:
        """Delete ended runs with their results and chronicles at once; returns what they were.

        The state of a run is "expired" if only its chronicle was left.

        Raises `RunNotFoundError`, and `RunError` for an open run, before anything is deleted.
        """
        store = self._context.store
        found = [await self._run_to_forget(run_id) for run_id in dict.fromkeys(run_ids)]
        for info in found:
            if info.is_open:
                raise RunError(_why_not_forgotten(info))
        for info in found:
            with suppress(RunNotFoundError):  # only its chronicle is left
                await store.forget(info.run_id)
            await store.drop_chronicle(info.run_id)
        return found

    async def _run_to_forget(self, run_id: str) -> RunInfo:
        store = self._context.store
        info = await store.run_info(run_id)
        if info is None and await store.has_chronicle(run_id):
            return _expired(run_id)
        return info or await found_run(store, run_id)


def _expired(run_id: str) -> RunInfo:
    """Return what is known of a run without its record; its chronicle may be damaged."""
    return RunInfo(
        run_id=run_id,
        state="expired",
        epoch=0,
        owner="",
        lease_s=0.0,
        created_at=0.0,
        ended_at=None,
        outstanding=0,
        late_ends=0,
        details={},
    )


def _why_not_forgotten(info: RunInfo) -> str:
    if info.lease_s > 0:
        return f"run {info.run_id} is open: `cancel {info.run_id}` ends it, then forget it"
    return (
        f"run {info.run_id} is open and no coordinator leads it: `cancel {info.run_id}` ends it "
        "once `serve` or `resume` does, then forget it"
    )


def chosen_workers(names: Iterable[str], live: Sequence[WorkerInfo]) -> list[WorkerInfo]:
    """Return the workers with these ids, or with ids that begin like this.

    Raises `NotInPoolError` if there is none, or more than one.
    """
    chosen: dict[str, WorkerInfo] = {}
    for name in names:
        found = [one for one in live if one.worker_id == name]
        found = found or [one for one in live if name and one.worker_id.startswith(name)]
        if not found:
            hint = nearest(name, [one.worker_id for one in live])
            raise NotInPoolError(f"no live worker has the id {name!r}{hint}; `workers` lists all")
        if len(found) > 1:
            ids = listed([one.worker_id for one in found], 3)
            raise NotInPoolError(f"{name!r} begins the ids of several workers: {ids}")
        chosen[found[0].worker_id] = found[0]
    return list(chosen.values())


def pause_targets(
    queues: Iterable[str], namespaces: Iterable[str], tasks: Iterable[str]
) -> list[PauseTarget]:
    """Return the targets with these names; raises `RunError` without any, or for a wrong name."""
    named = (
        (PauseKind.QUEUE, queues),
        (PauseKind.NAMESPACE, namespaces),
        (PauseKind.TASK, tasks),
    )
    for kind, names in named:
        if isinstance(names, str):
            raise RunError(f"{kind}s takes a list of names, got {names!r}: write [{names!r}]")
    targets = [PauseTarget(kind, name) for kind, names in named for name in names]
    if not targets:
        raise RunError("name at least one queue, namespace or task")
    for target in targets:
        namespace, slash, task_id = target.name.partition("/")
        if target.kind is PauseKind.TASK and not (namespace and slash and task_id):
            raise NotInPoolError(f"{target.name!r} does not name a task: write NAMESPACE/TASK")
        if not target.name:
            raise NotInPoolError(f"the name of a {target.kind} is empty")
    return list(dict.fromkeys(targets))


def check_queue_names(targets: Iterable[PauseTarget]) -> None:
    """Raise `NotInPoolError` for what cannot be the name of a queue: its pause has no effect."""
    for kind, name in targets:
        if kind is PauseKind.QUEUE and not is_queue_name(name):
            raise NotInPoolError(
                f"no queue can have the name {name!r}: names are without ':' and ','"
            )
