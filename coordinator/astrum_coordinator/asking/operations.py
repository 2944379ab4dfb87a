"""The requests of operators: pauses, for whole pools and without any code of the flows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

from astrum.errors import NotInPoolError, RunError
from astrum.protocol.pauses import PauseKind, Pauses, PauseTarget
from astrum_coordinator.asking.pool_names import check_known
from astrum_coordinator.asking.submitter import submitter
from astrum_coordinator.context import CoordinatorContext


class Operations(ABC):
    """What a coordinator does for an operator."""

    @property
    @abstractmethod
    def _context(self) -> CoordinatorContext:
        """The store and what belongs to it."""

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
        if not anyway:
            await check_known(self._context, targets)
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


def pause_targets(
    queues: Iterable[str], namespaces: Iterable[str], tasks: Iterable[str]
) -> list[PauseTarget]:
    """Return the targets with these names; raises `RunError` without any, or for a wrong name."""
    named = (
        (PauseKind.QUEUE, queues),
        (PauseKind.NAMESPACE, namespaces),
        (PauseKind.TASK, tasks),
    )
    targets = [PauseTarget(kind, name) for kind, names in named for name in names]
    if not targets:
        raise RunError("name at least one queue, namespace or task")
    for target in targets:
        namespace, slash, task_id = target.name.partition("/")
        if target.kind is PauseKind.TASK and not (namespace and slash and task_id):
            raise NotInPoolError(f"{target.name!r} does not name a task: write NAMESPACE/TASK")
        if not target.name:
            raise NotInPoolError(f"a {target.kind} has no empty name")
    return list(dict.fromkeys(targets))
