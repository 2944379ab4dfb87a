"""What operators have paused: queues, namespaces and tasks, with who, when and why."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple


class PauseKind(StrEnum):
    """What a pause holds back."""

    QUEUE = "queue"
    NAMESPACE = "namespace"
    TASK = "task"


class PauseTarget(NamedTuple):
    """What is paused. The name of a task is ``NAMESPACE/TASK``."""

    kind: PauseKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name!r}"

    @property
    def field(self) -> str:
        """The field of the stored hash.

        >>> PauseTarget(PauseKind.QUEUE, "cpu").field
        'queue:cpu'
        """
        return f"{self.kind}:{self.name}"

    @classmethod
    def of_task(cls, namespace: str, task_id: str) -> PauseTarget:
        """Return the target for one task."""
        return cls(PauseKind.TASK, f"{namespace}/{task_id}")


class Pause(NamedTuple):
    """One pause: ``at`` is in seconds since the epoch on the server's clock (0: not known)."""

    target: PauseTarget
    by: str = ""
    at: float = 0.0
    reason: str = ""

    def __str__(self) -> str:
        by = f" by {self.by}" if self.by else ""
        reason = f": {self.reason}" if self.reason else ""
        return f"{self.target} is paused{by}{reason}"


class Pauses:
    """All pauses at one moment."""

    def __init__(self, pauses: Iterable[Pause] = ()) -> None:
        self._by_target = {pause.target: pause for pause in pauses}

    def __iter__(self) -> Iterator[Pause]:
        """Iterate over the pauses by kind and name."""
        return iter(sorted(self._by_target.values()))

    def __len__(self) -> int:
        return len(self._by_target)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pauses) and self._by_target == other._by_target

    def __hash__(self) -> int:
        return hash(frozenset(self._by_target))

    def get(self, target: PauseTarget) -> Pause | None:
        """Return the pause of exactly this target, `None` if it has none."""
        return self._by_target.get(target)

    def holding(self, namespace: str, task_id: str, queue: str) -> Pause | None:
        """Return a pause that holds back the attempts of a task, `None` if there is none."""
        if not self._by_target:
            return None
        targets = (
            PauseTarget(PauseKind.QUEUE, queue),
            PauseTarget(PauseKind.NAMESPACE, namespace),
            PauseTarget.of_task(namespace, task_id),
        )
        return next(filter(None, map(self._by_target.get, targets)), None)

    def holds(self, namespace: str, task_id: str, queue: str) -> str:
        """Return why no attempt of a task is dispatched now, "" if nothing holds it back."""
        pause = self.holding(namespace, task_id, queue)
        return "" if pause is None else str(pause)


NO_PAUSES = Pauses()


def encode_pause(pause: Pause) -> bytes:
    """Return what is stored under the field of a pause's target."""
    return json.dumps({"by": pause.by, "at": pause.at, "reason": pause.reason}).encode()


def decode_pauses(fields: Mapping[bytes, bytes]) -> Pauses:
    """Return the stored pauses; a wrong detail counts as missing, an unknown kind is ignored."""
    targets = {field: _target(field.decode("utf-8", "replace")) for field in fields}
    return Pauses(_pause(target, fields[field]) for field, target in targets.items() if target)


def _target(field: str) -> PauseTarget | None:
    kind, _, name = field.partition(":")
    return PauseTarget(PauseKind(kind), name) if kind in tuple(PauseKind) and name else None


def _pause(target: PauseTarget, data: bytes) -> Pause:
    try:
        said = json.loads(data)
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return Pause(target)
    by, reason = said.get("by"), said.get("reason")
    return Pause(
        target,
        by if isinstance(by, str) else "",
        _seconds(said.get("at")),
        reason if isinstance(reason, str) else "",
    )


def _seconds(value: object) -> float:
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0.0
    return max(float(value), 0.0)
