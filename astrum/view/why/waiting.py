"""What a task waits for that needs others: the tasks at the end of the chain, by code."""

from __future__ import annotations

from collections.abc import Iterable

from astrum.errors import listed
from astrum.machine.places import unknown_below
from astrum.machine.task_state import ENDED, WAITING
from astrum.view.why.codes import Code
from astrum.view.why.explanation import Explanation, Group
from astrum.view.why.look import Look

MAX_GROUPS = 10
_NAMED = 3


def explain_waiting(look: Look, task: int) -> Explanation | None:
    """Return which tasks that a task needs have not ended, `None` if all have."""
    names = tuple(map(look.name, look.state.pending_needs(task)))
    if not names:
        return None
    text = f"waits for {listed(names, _NAMED)}"
    needs = len(look.spec(task).needs)
    if len(names) > _NAMED:
        text += f", {len(names):,} of the {needs:,} tasks that it needs"
    return Explanation(
        task_id=look.name(task),
        code=Code.WAITS_UPSTREAM,
        sentence=text,
        waits_for=names,
        facts={"needs": needs, "left": len(names)},
    )


def explain_mapped(look: Look, task: int) -> Explanation:
    """Return what a mapped task waits for: its children, or the list that gives it children."""
    children, count = _unended_children(look, task), look.state.tasks.counts.get(task, 0)
    lists = look.state.pending_needs(task) if _grows(look, task) else []
    names = tuple(map(look.name, (*children, *lists)))
    if count:
        text = f"waits for {len(children):,} of its {count:,} children"
        text += ", and for lists that give it more" if lists else ""
    else:
        what, give = ("list", "gives") if len(names) == 1 else ("lists", "give")
        text = f"waits for the {what} of {listed(names, _NAMED)}, which {give} it its children"
    return Explanation(
        task_id=look.name(task),
        code=Code.WAITS_CHILDREN if count else Code.WAITS_LIST,
        sentence=text,
        waits_for=names,
        facts={"children": count, "left": len(children)},
    )


def frontier(look: Look, task: int) -> list[int]:
    """Return the tasks that hold a waiting one up: upstream of it, and not waiting themselves."""
    found: list[int] = []
    seen = {task}
    left = list(_direct(look, task))
    while left:
        one = left.pop()
        if one in seen:
            continue
        seen.add(one)
        further = list(_direct(look, one)) if _waits(look, one) else []
        if further:
            left.extend(further)
        else:
            found.append(one)
    return sorted(found)


def _waits(look: Look, task: int) -> bool:
    return look.state.states[task] == WAITING


def _direct(look: Look, task: int) -> Iterable[int]:
    if task not in look.state.tasks.roots:
        return look.state.pending_needs(task)
    children = _unended_children(look, task)
    return [*children, *look.state.pending_needs(task)] if _grows(look, task) else children


def _grows(look: Look, task: int) -> bool:
    """Return whether a mapped task may get more children."""
    return any(True for _ in unknown_below(look.state.tasks.roots[task]))


def _unended_children(look: Look, task: int) -> list[int]:
    states = look.state.states
    return [child for child in look.state.tasks.children(task) if states[child] not in ENDED]


def by_code(explanations: Iterable[Explanation]) -> tuple[Group, ...]:
    """Return explanations by code, the largest group first."""
    return grouped((one.code, one) for one in explanations)


def grouped(keyed: Iterable[tuple[object, Explanation]]) -> tuple[Group, ...]:
    """Return explanations by their keys, the largest group first."""
    groups: dict[object, list[Explanation]] = {}
    for key, one in keyed:
        groups.setdefault(key, []).append(one)
    found = [_group(members) for members in groups.values()]
    return tuple(sorted(found, key=lambda group: -group.count))


def largest(groups: tuple[Group, ...]) -> tuple[tuple[Group, ...], int]:
    """Return the first `MAX_GROUPS` groups, and how many tasks are in the others."""
    return groups[:MAX_GROUPS], sum(group.count for group in groups[MAX_GROUPS:])


def _group(members: list[Explanation]) -> Group:
    first = min(members, key=_since)
    person = next((one for one in members if one.needs_person), None)
    untils = [one.until for one in members if one.until is not None]
    return Group(
        code=first.code,
        count=len(members),
        tasks=tuple([one.task_id for one in members[:_NAMED]]),
        example=f"{first.task_id!r} {first.sentence}",
        since=first.since,
        until=min(untils, default=None),
        advice=next((one.advice for one in (person, first) if one and one.advice), ""),
        needs_person=person is not None,
    )


def _since(one: Explanation) -> float:
    return float("inf") if one.since is None else one.since
