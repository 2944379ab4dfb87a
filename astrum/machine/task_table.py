"""The tasks of one run by number: those of its plan, then children, which come in blocks.

A plan is fixed when a run begins; its table grows when the length of a list is known. A child
shares all data of the task that it is a child of (its template), so it costs a few references.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from operator import attrgetter

from astrum.machine.places import Index, Place, find_place, matching
from astrum.planning.axes import ListSource
from astrum.planning.child_names import possible_parents
from astrum.planning.graph import ListEdge
from astrum.planning.plan import Plan, TaskSpec

_task_id = attrgetter("task_id")


class TaskTable:
    """All tasks of a run; task numbers are consecutive and never change.

    ``dependents`` holds for each task of the plan the numbers of the tasks that need it.
    ``priorities`` holds for each task its place in the order of dispatch, without its number (see
    `astrum.planning.priorities`). ``roots`` has for each mapped task of the plan its children.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.dependents: Sequence[Sequence[int]] = plan.dependents
        # The lists of the plan belong to the plan, which other runs may share: a table that grows
        # has its own.
        grows = not plan.is_plain
        self.priorities: list[int] = list(plan.priorities) if grows else plan.priorities
        self.specs: list[TaskSpec] | tuple[TaskSpec, ...]
        """The spec of each task by number, as `spec` gives it; for code that runs for each task."""
        self.specs = list(plan.tasks) if grows else plan.tasks
        self.roots: dict[int, Place] = {}
        if grows:
            self.roots = {task: Place(task) for task, spec in enumerate(plan.tasks) if spec.axes}
        self.counts: dict[int, int] = {}
        self._blocks: list[Place] = []
        self._firsts: list[int] = []
        self._keys: dict[tuple[ListSource, Index], Sequence[str]] = {}

    def __len__(self) -> int:
        return len(self.specs)

    def __iter__(self) -> Iterator[TaskSpec]:
        """Give the spec of each task by number."""
        return iter(self.specs)

    def spec(self, task: int) -> TaskSpec:
        """Return the spec of a task, for a child that of its template."""
        return self.specs[task]

    def place_of(self, task: int) -> Place | None:
        """Return the children that a child is one of; `None` for a task of the plan."""
        block = bisect_right(self._firsts, task)
        return self._blocks[block - 1] if block else None

    def template(self, task: int) -> int:
        """Return the number of the task that a child is a child of; else the task itself."""
        place = self.place_of(task)
        return task if place is None else place.template

    def index(self, task: int) -> Index:
        """Return a child's index on each axis of its task; ``()`` for a task of the plan."""
        place = self.place_of(task)
        return () if place is None else (*place.index, task - place.first)

    # --- names --------------------------------------------------------------------------

    def name(self, task: int) -> str:
        """Return the name of a task for people: its id, for a child with its indexes or keys."""
        task_id = self.specs[task].task_id
        if not self._firsts or (place := self.place_of(task)) is None:
            return task_id
        return f"{task_id}[{self.label(task, place)}]"

    def names(self) -> list[str]:
        """Return the name of each task by number, as `name` gives it."""
        names = list(map(_task_id, self.specs))
        for place in self._blocks:
            for child in place.children():
                names[child] = f"{names[child]}[{self.label(child, place)}]"
        return names

    def label(self, task: int, place: Place) -> str:
        """Return what is in the brackets of a child's name."""
        index = (*place.index, task - place.first)
        if not self._keys:
            return ",".join(map(str, index))
        return ",".join(self._key(place.template, axis, index) for axis in range(len(index)))

    def key(self, task: int) -> str:
        """Return what names a child: its keys and, on axes without keys, its indexes."""
        place = self.place_of(task)
        return "" if place is None else self.label(task, place)

    def set_keys(self, source: ListSource, index: Index, keys: Sequence[str]) -> None:
        """Name the elements of a list.

        ``index`` is that of the child that returned it, ``()`` if a plain task or an input did.
        """
        self._keys[source, index] = keys

    def forget_keys(self, source: ListSource, index: Index) -> None:
        """Name the elements of a list by their indexes again; arguments as in `set_keys`."""
        self._keys.pop((source, index), None)

    def _key(self, template: int, axis: int, index: Index) -> str:
        one = self.plan.edges.lists_of[template][axis][0]
        source = self.plan.tasks[template].axes[axis].lists[0]
        places = one.places if isinstance(one, ListEdge) else ()
        keys = self._keys.get((source, tuple([index[place] for place in places])))
        return str(index[axis]) if keys is None else keys[index[axis]]

    def find_name(self, name: str) -> int | None:
        """Return the number of the task, or of the child, that has this name, `None` if none has.

        The time it takes grows with the number of children.
        """
        if (task := self.plan.index.get(name)) is not None:
            return task
        template = self.find_parent(name) if name.endswith("]") else None
        if template is None:
            return None
        parts = name[len(self.plan.tasks[template].task_id) + 1 : -1].split(",")
        if all(part.isdecimal() for part in parts):
            found = self.find(template, tuple(map(int, parts)))
            if found is not None and self.name(found) == name:
                return found
        return next((one for one in self.children(template) if self.name(one) == name), None)

    def find_parent(self, beginning: str) -> int | None:
        """Return the number of the mapped task whose children have names that begin so."""
        numbers = map(self.plan.index.get, possible_parents(beginning))
        return next((one for one in numbers if one is not None and one in self.roots), None)

    # --- children -----------------------------------------------------------------------

    def children(self, template: int) -> Iterator[int]:
        """All children of a mapped task in the order of their indexes, as far as they are known."""
        return self.roots[template].children()

    def find(self, template: int, index: Sequence[int]) -> int | None:
        """Return the number of the child with these indexes, of a plain task (``()``) its own."""
        if not index:
            return template if template not in self.roots else None
        place = find_place(self.roots[template], index[:-1])
        is_child = place.is_last and len(place.index) == len(index) - 1
        return place.first + index[-1] if is_child and 0 <= index[-1] < place.count else None

    def below(self, template: int, index: Sequence[int]) -> object:
        """Return the numbers of all children with these first indexes, as lists of lists.

        With all indexes, and for a plain task with none, it is the one number.
        """
        if len(index) == len(self.plan.tasks[template].axes):
            return self.find(template, index)
        return find_place(self.roots[template], index).nested()

    def having(self, template: int, places: Sequence[int], index: Index) -> Iterator[int]:
        """All children whose indexes at these places, in order, are ``index``."""
        root, last = self.roots[template], len(self.plan.tasks[template].axes) - 1
        if not last and places:  # the only axis is shared
            if root.is_last and index[0] < root.count:
                yield root.first + index[0]
            return
        if last in places:
            own = places.index(last)
            others = [*places[:own], *places[own + 1 :]]
            rest = (*index[:own], *index[own + 1 :])
            for place in matching(root, last, others, rest):
                if place.is_last and index[own] < place.count:
                    yield place.first + index[own]
        else:
            for place in matching(root, last, places, index):
                yield from place.children()

    def regrow(self, place: Place) -> None:
        """Forget the children at a place; their numbers are not used again."""
        self.counts[place.template] = self.counts.get(place.template, 0) - sum(
            1 for _ in place.children()
        )
        fresh = Place(place.template, place.index, place.parent)
        if place.parent is None:
            self.roots[place.template] = fresh
        else:
            place.parent.below[place.index[-1]] = fresh

    def add_block(self, place: Place, count: int) -> None:
        """Give the next numbers to the children at a place, whose last axis has this length."""
        assert isinstance(self.specs, list)
        place.first, place.count, place.left = len(self.specs), count, count
        self.counts[place.template] = self.counts.get(place.template, 0) + count
        self.specs.extend([self.specs[place.template]] * count)
        self.priorities.extend([self.priorities[place.template]] * count)
        if count:
            self._blocks.append(place)
            self._firsts.append(place.first)
