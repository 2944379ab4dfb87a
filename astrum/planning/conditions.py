"""Checks conditions against the declared types of what they read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.types.case_types import IS_TRUE, NoSuchCase, check_truth, choice_in
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.errors import TaskRegistrationError
from astrum.planning.axes import Choice
from astrum.planning.edges import When


class ConditionTypes(NamedTuple):
    """Finds what a condition compares with; ``result_of`` gives the type of a task's result."""

    result_of: Callable[[str], Any]
    is_checked: bool = True

    def choice_of(self, task_id: str, when: When) -> Choice:
        """Return the value to compare with, of an enum its name; None for a bool that is read.

        Raises `TaskRegistrationError` for a condition that can never hold.
        """
        result = self.result_of(when.source) if self.is_checked else ABSENT
        given = Any
        try:
            if result is not ABSENT:
                given = type_at(result, when.path)
            if when.equals is not IS_TRUE:
                return choice_in(given, when.equals)
            check_truth(given)
        except NoSuchPart as error:
            raise _error(task_id, when, f"task {when.source!r} returns {error}") from None
        except NoSuchCase as error:
            raise _error(task_id, when, f"{_what(when)} {error}{_advice(when)}") from None
        return None


def _what(when: When) -> str:
    part = "".join(f"[{step!r}]" for step in when.path)
    return f"the result{part} of task {when.source!r}"


def _advice(when: When) -> str:
    if when.equals is not IS_TRUE:
        return ""
    part = "".join(f", {step!r}" for step in when.path)
    return f", not a bool: compare it, when=Case({when.source!r}{part}, equals=...)"


def _error(task_id: str, when: When, why: str) -> TaskRegistrationError:
    return TaskRegistrationError(f"task {task_id!r}: {when.text} can never hold: {why}")
