"""What a run must come to, computed from its plan by plain nested Python, without events.

Where the order decides, it says so: "halted" is skipped or blocked, "torn" any end of a child whose
list fails, "?" any end of what needs such a child. Of a run that stops, it says how tasks end that
are not cancelled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import ListSource

Index = tuple[int, ...]


class End(NamedTuple):
    state: str
    seen: tuple[int, ...] = ()


Tree: TypeAlias = "End | list[Tree]"
"""The end of a plain task, or of the children of a mapped one: a list for each of its axes."""
Attempt = Callable[[str, Index], End]
WORST_FIRST = ("failed", "?", "blocked", "halted", "skipped")


class Reference:
    """Computes ``trees``, the ends by task id, and ``state``, that of the run."""

    def __init__(self, plan: Plan, attempt: Attempt, lengths: Mapping[ListSource, int]) -> None:
        self.tasks = {spec.task_id: spec for spec in plan.tasks}
        self.attempt, self.lengths = attempt, lengths
        self.trees: dict[str, Tree] = {}
        self.state = "completed"
        for spec in plan.tasks:
            self.trees[spec.task_id] = self.grow(spec, ())
            if self.fails_the_run(spec, self.trees[spec.task_id]):
                self.state = "failed"

    def grow(self, spec: TaskSpec, index: Index) -> Tree:
        if len(index) == len(spec.axes):
            return self.run(spec, index)
        lists = spec.axes[len(index)].lists
        ends = [self.read(spec, one.source, index) for one in lists if one.origin == "task"]
        if bad := {self.without(spec, end.state) for end in ends} - {"succeeded"}:
            return End(self.either(bad))
        if (count := self.lengths.get(lists[0])) is None:
            watches = self.tasks[lists[0].source].watches
            count = ends[0].seen[[w.kind for w in watches].index("length")]
        return self.torn(spec, [self.grow(spec, (*index, i)) for i in range(count)])

    def torn(self, spec: TaskSpec, children: list[Tree]) -> list[Tree]:
        """If some may be cancelled since too many have failed, the end of all is open."""
        state = self.whole(spec, children).state
        is_torn = spec.max_failed is not None and state in ("failed", "?") and is_last(children)
        return [End("torn" if state == "failed" else "?")] * len(children) if is_torn else children

    def run(self, spec: TaskSpec, index: Index) -> End:
        bad = set()
        for need in spec.needs:
            end = self.read(spec, need, index)
            if need in spec.tolerant:
                continue
            bad.add(self.without(spec, end.state))
            wanted = [(c.watch, c.value) for c in spec.conditions if c.source == need]
            if end.state == "succeeded" and any(end.seen[w] != value for w, value in wanted):
                bad.add("skipped")
        bad.discard("succeeded")
        return End(self.either(bad)) if bad else self.attempt(spec.task_id, index)

    def read(self, spec: TaskSpec, source: str, index: Index) -> End:
        """The end of all children of a source that the child reads: aligned on shared axes."""
        tree, need = self.trees[source], self.tasks[source]
        places = [axis.lists for axis in spec.axes]
        for axis in need.axes:
            if axis.lists not in places[: len(index)] or not isinstance(tree, list):
                break
            tree = tree[index[places.index(axis.lists)]]
        return self.whole(need, tree)

    def whole(self, spec: TaskSpec, tree: Tree) -> End:
        if isinstance(tree, End):
            return End("?") if tree.state == "torn" else tree
        if End("torn") in tree:
            return End("failed")
        states = [self.whole(spec, below).state for below in tree]
        if spec.max_failed is not None and is_last(tree):
            share = isinstance(spec.max_failed, float)
            limit = int(spec.max_failed * len(tree) + 1e-9) if share else spec.max_failed
            if states.count("failed") <= limit:
                states = [state for state in states if state != "failed"]
        return End(next((state for state in WORST_FIRST if state in states), "succeeded"))

    def without(self, spec: TaskSpec, state: str) -> str:
        if state == "succeeded" or state == "?":
            return state
        return "skipped" if spec.always else {"failed": "blocked"}.get(state, state)

    def either(self, bad: set[str]) -> str:
        return "?" if "?" in bad else bad.pop() if len(bad) == 1 else "halted"

    def fails_the_run(self, spec: TaskSpec, tree: Tree) -> bool:
        needed = any(spec.task_id in other.needs for other in self.tasks.values())
        if spec.on_failure == "ignore" or not (spec.awaited or needed):
            return False
        if isinstance(tree, list) and not is_last(tree):
            return any(self.fails_the_run(spec, below) for below in tree)
        return self.whole(spec, tree).state == "failed"


def is_last(tree: list[Tree]) -> bool:
    return all(isinstance(below, End) for below in tree)
