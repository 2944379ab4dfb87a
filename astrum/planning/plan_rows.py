"""The tasks of a plan as lists of plain values, and back."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from astrum.errors import TaskRegistrationError
from astrum.planning.edges_data import Numbers, Readers, check_edges, watches_from_data
from astrum.planning.priorities import is_priority, not_a_priority
from astrum.planning.retry_policy import RetryPolicy
from astrum.planning.task_spec import (
    ON_FAILURE,
    ON_LOST,
    Lane,
    TaskSpec,
    has_plain_policy,
    is_max_failed,
    is_queue_name,
)

_LANES = ("async", "thread")


def spec_to_data(spec: TaskSpec, index: Mapping[str, int], numbers: Numbers) -> list[Any]:
    """Return one task as a list.

    Numbers instead of ids keep the plan of a wide fan-in small; most options have their default.
    """
    names = _COMMON_OPTIONS
    if not has_plain_policy(spec):
        names, numbers.is_plain = _DEFAULT_OPTIONS, False
    options = {
        name: value
        for name, default in names
        if (value := getattr(spec, name)) is not default and value != default
    }
    if "retry" in options:
        options["retry"] = _retry_to_data(spec.retry)
    for name in _WITH_NUMBERS & options.keys():
        options[name] = getattr(numbers, name)(options[name])
    return [
        spec.task_id,
        [index[need] for need in spec.needs],
        list(map(numbers.binding, spec.bindings)) if spec.bindings else [],
        *([options] if options else []),
    ]


def _retry_to_data(retry: RetryPolicy) -> list[Any]:
    return [
        retry.max_retries,
        retry.delay,
        retry.backoff,
        retry.max_delay,
        retry.jitter,
        list(retry.retry_on),
        list(retry.give_up_on),
    ]


def specs_from_data(rows: Sequence[Any], inputs: Sequence[str]) -> tuple[TaskSpec, ...]:
    """Return the tasks of these rows; ``inputs`` are the names of all inputs.

    Raises ``ValueError`` for anything else.
    """
    ids: list[str] = []
    specs = []
    readers = Readers(ids, inputs)
    for number, row in enumerate(rows):
        try:
            specs.append(_spec_from_data(row, readers))
        except (TypeError, ValueError, LookupError, TaskRegistrationError) as error:
            raise ValueError(f"task {number} is damaged: {error}") from None
        ids.append(specs[-1].task_id)  # only now: nothing needs itself or a later task
    if len(set(ids)) != len(ids):
        raise ValueError("two of its tasks have one id")
    check_edges(specs)
    return tuple(specs)


def _spec_from_data(row: Sequence[Any], readers: Readers) -> TaskSpec:
    task_id, needs, bindings, *more = row
    if type(task_id) is not str:
        raise ValueError("its id is not a string")
    return TaskSpec(
        task_id,
        tuple([readers.earlier(need) for need in needs]),
        tuple([readers.binding(binding) for binding in bindings]),
        **(_options_from_data(more[0], readers.by_name) if more else {}),
    )


def _options_from_data(options: Any, with_numbers: _ByName) -> dict[str, Any]:
    if type(options) is not dict:
        raise ValueError("its options are not a map")
    known = ((name, _READERS.get(name) or with_numbers.get(name)) for name in options)
    return {name: read(options[name]) for name, read in known if read is not None}


_ByName = Mapping[str, Callable[[Any], Any]]


def _timeout_from_data(timeout_s: Any) -> float | None:
    if not (timeout_s is None or (type(timeout_s) in (int, float) and 0 < timeout_s < math.inf)):
        raise ValueError("its timeout is not a positive number")
    return timeout_s  # type: ignore[no-any-return]


def _queue_from_data(queue: Any) -> str:
    if type(queue) is not str or not is_queue_name(queue):
        raise ValueError("its queue is not a name without ':' and ','")
    return queue


def _lane_from_data(lane: Any) -> Lane:
    if lane not in _LANES:
        raise ValueError(f"it has the unknown lane {lane!r}")
    return lane  # type: ignore[no-any-return]


def _fingerprint_from_data(fingerprint: Any) -> str:
    if type(fingerprint) is not str:
        raise ValueError("its fingerprint is not a string")
    return fingerprint


def _resources_from_data(names: Any) -> tuple[str, ...]:
    if not all(type(name) is str for name in names):
        raise ValueError("the names of its resources have the wrong type")
    return tuple(names)


def _priority_from_data(priority: Any) -> int:
    if not is_priority(priority):
        raise ValueError(not_a_priority(priority))
    return priority  # type: ignore[no-any-return]


def _optional_from_data(slots: Any) -> tuple[str | int, ...]:
    if not all(type(slot) in (str, int) for slot in slots):
        raise ValueError("its optional parameters have the wrong type")
    return tuple(slots)


def _one_of(what: str, names: Sequence[str]) -> Callable[[Any], Any]:
    def read(name: Any) -> Any:
        if name not in names:
            raise ValueError(f"it has the unknown {what} {name!r}")
        return name

    return read


def _max_failed_from_data(most: Any) -> int | float | None:
    if not is_max_failed(most):
        raise ValueError("its bound of failed children is damaged")
    return most  # type: ignore[no-any-return]


def _at_once_from_data(at_once: Any) -> int | None:
    if not (at_once is None or (type(at_once) is int and at_once > 0)):
        raise ValueError("its bound of children at once is damaged")
    return at_once


def _retry_from_data(row: Sequence[Any]) -> RetryPolicy:
    max_retries, delay, backoff, max_delay, jitter, retry_on, give_up_on, *_ = row
    numbers, names = (delay, backoff, max_delay, jitter), (*retry_on, *give_up_on)
    if not all(type(n) in (int, float) for n in numbers) or not all(type(n) is str for n in names):
        raise ValueError("its retry policy has parts of the wrong type")
    return RetryPolicy(
        max_retries, delay, backoff, max_delay, jitter, tuple(retry_on), tuple(give_up_on)
    )


_READERS: dict[str, Callable[[Any], Any]] = {
    "retry": _retry_from_data,
    "timeout_s": _timeout_from_data,
    "queue": _queue_from_data,
    "lane": _lane_from_data,
    "fingerprint": _fingerprint_from_data,
    "awaited": bool,
    "optional": _optional_from_data,
    "resources": _resources_from_data,
    "priority": _priority_from_data,
    "watches": watches_from_data,
    "on_failure": _one_of("policy for failures", ON_FAILURE),
    "always": bool,
    "on_lost": _one_of("policy for lost attempts", ON_LOST),
    "max_failed": _max_failed_from_data,
    "at_once": _at_once_from_data,
}
"""Reads each option of a task, by its name in `TaskSpec`."""
_WITH_NUMBERS = frozenset(("axes", "tolerant", "conditions"))
"""Options that name other tasks, or inputs, by their numbers."""
_DEFAULT_OPTIONS = [
    (name, TaskSpec._field_defaults[name]) for name in (*_READERS, *sorted(_WITH_NUMBERS))
]
_COMMON_OPTIONS = _DEFAULT_OPTIONS[: _DEFAULT_OPTIONS.index(("watches", ()))]
"""Those that tasks without edges and policies of their own may have."""
