"""The options of `@task` that name other tasks, or say how lists go together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from astrum.data_transport.annotations import NO_DEFAULT, Case, Each, From, Input
from astrum.data_transport.declared.mark_checks import check_locator, path_of
from astrum.data_transport.types.case_types import CASE_TYPES, IS_TRUE
from astrum.errors import TaskRegistrationError
from astrum.flow.task_options import Reference
from astrum.planning.axis_rules import EACH, EachOption
from astrum.planning.edges import EdgeChoice, When
from astrum.planning.policies import check_choice

_NAMES = ("each", "after", "when")


class EdgeOptions(NamedTuple):
    """These options of a task, checked; tasks are named by ids and functions."""

    each: EachOption | None = None
    after: tuple[Reference, ...] = ()
    when: From | Case | None = None

    def chosen(self, find: Callable[[str, Reference], str]) -> EdgeChoice:
        """Return the same with task ids; ``find`` takes the role of a reference and itself."""
        after = tuple(dict.fromkeys(find("after names", one) for one in self.after))
        return EdgeChoice(self.each, after, self._condition(find))

    def _condition(self, find: Callable[[str, Reference], str]) -> When | None:
        when: Any = self.when
        if when is None:
            return None
        is_case = isinstance(when, Case)
        source = find("when reads", when.source if is_case else when.task)
        part = "".join(f", {step!r}" for step in path_of(when.locator))
        equals = when.equals if is_case else IS_TRUE
        text = f"Case({source!r}{part}, equals={equals!r})" if is_case else f"F({source!r}{part})"
        return When(source, path_of(when.locator), equals, f"when={text}")


NO_EDGE_OPTIONS = EdgeOptions()


def make_edge_options(
    task_id: str, options: Mapping[str, Any], references: Callable[[str, str, Any], list[Reference]]
) -> EdgeOptions:
    """Return these options of a declaration; ``references`` checks a list of tasks.

    Raises `TaskRegistrationError`, naming the task, for a value that is not valid.
    """
    if options.keys().isdisjoint(_NAMES):
        return NO_EDGE_OPTIONS
    each = options.get("each")
    if each is not None:
        check_choice(f"task {task_id!r}: each", each, EACH)
    after = references(task_id, "after", options.get("after"))
    return EdgeOptions(each, tuple(after), _checked_when(task_id, options.get("when")))


def _checked_when(task_id: str, when: Any) -> From | Case | None:
    place = f"task {task_id!r}: when"
    if when is None:
        return None
    if isinstance(when, Case):
        _check_case(place, when)
    elif not isinstance(when, From):
        raise TaskRegistrationError(f"{place} must be {_FORMS}, got {when!r}{_advice(when)}")
    else:
        _check_from(place, when)
    try:
        check_locator(when.locator, place)
    except ValueError as error:
        raise TaskRegistrationError(str(error)) from None
    return when  # type: ignore[no-any-return]


_FORMS = 'F("check") for a bool that a task returns, or Case("route", "kind", equals="refund")'


def _advice(when: object) -> str:
    if isinstance(when, str):
        return f": write when=F({when!r})"
    if isinstance(when, (Input, Each)) or type(when) is bool or callable(when):
        return ": let a task return the bool, and read that"
    return ""


def _check_case(place: str, case: Case) -> None:
    if not isinstance(case.source, str) and not callable(case.source):
        raise TaskRegistrationError(
            f"{place}: {case!r} reads {case.source!r}: name a task by its id or function"
        )
    if not isinstance(case.equals, Enum) and type(case.equals) not in CASE_TYPES:
        raise TaskRegistrationError(
            f"{place}: {case!r} compares with a {type(case.equals).__name__}: give a str, an int, "
            "a bool, None or a member of an enum, or let a task return a bool"
        )


def _check_from(place: str, when: From) -> None:
    if isinstance(when.task, tuple):
        raise TaskRegistrationError(
            f"{place}={when!r} reads several tasks: let one task read them and return a bool"
        )
    if when.default is not NO_DEFAULT or when.failures:
        raise TaskRegistrationError(
            f"{place}={when!r} has default= or failures=: a condition needs the result, so leave "
            "it out"
        )
