"""What a task's failure, loss or number of children means for its run: options of a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from astrum.errors import TaskRegistrationError, nearest_choice
from astrum.planning.task_spec import ON_FAILURE, ON_LOST, OnFailure, OnLost, is_max_failed


class Policy(NamedTuple):
    """These options of a task, checked; ``on_failure`` is `None` for that of the flow."""

    on_failure: OnFailure | None = None
    always: bool = False
    on_lost: OnLost = "retry"
    max_failed: int | float | None = None
    at_once: int | None = None


NO_POLICY = Policy()


def make_policy(task_id: str, options: Mapping[str, Any]) -> Policy:
    """Return these options of a declaration; `TaskRegistrationError` for a value not valid."""
    if options.keys().isdisjoint(Policy._fields):
        return NO_POLICY
    place = f"task {task_id!r}"
    on_failure = options.get("on_failure")
    always, at_once = options.get("always", False), options.get("at_once")
    if on_failure is not None:
        check_choice(f"{place}: on_failure", on_failure, ON_FAILURE)
    on_lost = options.get("on_lost", "retry")
    check_choice(f"{place}: on_lost", on_lost, ON_LOST)
    if type(always) is not bool:
        raise TaskRegistrationError(f"{place}: always must be True or False, got {always!r}")
    if not (at_once is None or (type(at_once) is int and at_once > 0)):
        raise TaskRegistrationError(
            f"{place}: at_once must be a number of children from 1 on, got {at_once!r}"
        )
    most = options.get("max_failed")
    if not is_max_failed(most):
        raise TaskRegistrationError(
            f"{place}: max_failed must be a count of children (an int from 0 on) or a share of "
            f"them (a float from 0.0 to 1.0), got {most!r}"
        )
    return Policy(on_failure, always, on_lost, most, at_once)


def check_choice(what: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise `TaskRegistrationError` unless ``value`` is one of ``known``; ``what`` names it."""
    if not isinstance(value, str) or value not in known:
        names = f"{', '.join(map(repr, known[:-1]))} or {known[-1]!r}"
        hint = nearest_choice(value, known)
        raise TaskRegistrationError(f"{what} must be {names}, got {value!r}{hint}")
