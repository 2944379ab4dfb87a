"""Folds equal tasks into families, so that a graph of 10,000 tasks has a few nodes.

The children of a mapped task are one family. So are tasks whose names differ in digits alone, and
that have the same queue and need the same families.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import NamedTuple

from astrum.view.report.needs import Needs, Span

_DIGITS = re.compile(r"\d+")


class FamilyMember(NamedTuple):
    """A task to fold.

    ``template`` is the id of the mapped task that it is a child of, "" if it is not a child.
    """

    name: str
    template: str
    queue: str
    level: int


class Families(NamedTuple):
    """The families of a run, in the order of their first tasks, and that of each task."""

    of_task: list[int]
    names: list[str]
    counts: list[int]
    firsts: list[int]
    levels: list[int]
    needs: list[list[int]]


def families_of(tasks: Sequence[FamilyMember], needs: Sequence[Needs]) -> Families:
    """Return the families of tasks, of which each needs only tasks of lower levels."""
    of_task = [-1] * len(tasks)
    numbers: dict[Hashable, int] = {}
    sources: list[frozenset[int]] = []
    levels: list[int] = []
    spans: dict[Span, frozenset[int]] = {}
    for task in sorted(range(len(tasks)), key=lambda task: tasks[task].level):
        member = tasks[task]
        needed = _families_needed(needs[task], of_task, spans)
        key: Hashable = (member.template,)
        if not member.template:
            key = (_DIGITS.sub("*", member.name), member.queue, needed, member.level)
        family = numbers.setdefault(key, len(numbers))
        of_task[task] = family
        if family == len(sources):
            sources.append(needed)
            levels.append(member.level)
        elif needed is not sources[family]:
            sources[family] |= needed
    return _in_order(tasks, of_task, sources, levels)


def _families_needed(
    needs: Needs, of_task: Sequence[int], spans: dict[Span, frozenset[int]]
) -> frozenset[int]:
    found: set[int] = set()
    for need in needs:
        if not isinstance(need, Span):
            found.add(of_task[need])
            continue
        if need not in spans:
            spans[need] = frozenset(of_task[need.first : need.first + need.size])
        found |= spans[need]
    return frozenset(found)


def _in_order(
    tasks: Sequence[FamilyMember],
    of_task: Sequence[int],
    sources: Sequence[frozenset[int]],
    levels: Sequence[int],
) -> Families:
    """Number the families by their first tasks."""
    firsts: dict[int, int] = {}
    counts = [0] * len(sources)
    for task, family in enumerate(of_task):
        firsts.setdefault(family, task)
        counts[family] += 1
    place = {family: number for number, family in enumerate(firsts)}
    return Families(
        [place[family] for family in of_task],
        [_name(tasks[first], counts[family]) for family, first in firsts.items()],
        [counts[family] for family in firsts],
        list(firsts.values()),
        [levels[family] for family in firsts],
        [sorted(place[source] for source in sources[family]) for family in firsts],
    )


def _name(first: FamilyMember, count: int) -> str:
    if first.template:
        return first.template
    return first.name if count == 1 else _DIGITS.sub("*", first.name)
