"""What is to be seen of each task's result, collected from the tasks that depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from astrum.data_transport.bindings import Path
from astrum.planning.axes import Axis, Choice, Condition, Watch


class Wanted(NamedTuple):
    """A condition of ``task_id``: the bool at a path is true, or the value there is ``choice``."""

    task_id: str
    source: str
    path: Path
    choice: Choice = None
    is_truth: bool = False


class Watches:
    """The watches of each task: lengths, then bools, then choices."""

    def __init__(self, axes: Iterable[Axis], conditions: Iterable[Wanted]) -> None:
        self._lengths: dict[str, dict[Watch, None]] = {}
        self._truths: dict[str, dict[Path, None]] = {}
        self._choices: dict[str, dict[Path, list[Choice]]] = {}
        for axis in axes:
            self._add_lengths(axis)
        for wanted in conditions:
            self._add_condition(wanted)
        names = dict.fromkeys((*self._lengths, *self._truths, *self._choices))
        self.of_task: Mapping[str, tuple[Watch, ...]] = {name: self._of(name) for name in names}

    def condition(self, wanted: Wanted) -> Condition:
        """Return a condition by the place of its watch."""
        kind = "truth" if wanted.is_truth else "choice"
        watches = self.of_task[wanted.source]
        place, watch = next(
            (place, watch)
            for place, watch in enumerate(watches)
            if watch.kind == kind and watch.path == wanted.path
        )
        value = 1 if wanted.is_truth else _place_of(wanted.choice, watch.choices)
        return Condition(wanted.source, place, value)

    def _add_lengths(self, axis: Axis) -> None:
        for place, one in enumerate(axis.lists):
            if one.origin == "task":
                watch = Watch("length", one.path, key=None if place else axis.key)
                self._lengths.setdefault(one.source, {})[watch] = None

    def _add_condition(self, wanted: Wanted) -> None:
        if wanted.is_truth:
            self._truths.setdefault(wanted.source, {})[wanted.path] = None
            return
        known = self._choices.setdefault(wanted.source, {}).setdefault(wanted.path, [])
        if _place_of(wanted.choice, known) < 0:
            known.append(wanted.choice)

    def _of(self, name: str) -> tuple[Watch, ...]:
        choices = self._choices.get(name, {})
        return (
            *self._lengths.get(name, ()),
            *(Watch("truth", path) for path in self._truths.get(name, ())),
            *(Watch("choice", path, tuple(found)) for path, found in choices.items()),
        )


def _place_of(choice: Choice, known: Sequence[Choice]) -> int:
    for place, other in enumerate(known):
        if type(other) is type(choice) and other == choice:  # 1 is not True
            return place
    return -1
