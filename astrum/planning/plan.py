"""The plan of a run as pure data, without any of the user's code.

Planning imports the user's modules and resolves their annotations; its result, a `Plan`, does
not refer to them. It can be written to a store and led by a process that never saw them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from astrum.data_transport.bindings import Binding
from astrum.errors import TaskRegistrationError
from astrum.planning.priorities import is_priority, not_a_priority, priorities
from astrum.planning.retry_policy import RetryPolicy
from astrum.planning.run_inputs import (
    InputSpec,
    inputs_from_data,
    inputs_to_data,
    places_of,
    with_readers,
)

Lane = Literal["async", "thread"]
"""The kind of slot that an attempt takes: the event loop's or a thread's."""

DEFAULT_QUEUE = "default"
_LANES = ("async", "thread")
_DIGEST = re.compile("(?:[0-9a-f]{16})?")
NO_RETRY = RetryPolicy()
PLAN_VERSION = 3
"""Readers ignore parts of a plan's data that they do not know. What they must not ignore needs a
new version."""


def is_queue_name(text: str) -> bool:
    """Return whether a string can name a queue: names of streams and lists of queues hold it."""
    return bool(text) and ":" not in text and "," not in text


class TaskSpec(NamedTuple):
    """One task of a plan.

    ``needs`` holds the task ids that must have succeeded first, the sources of all bindings
    included. ``fingerprint`` names the source the plan was made from ("" = not checked).
    ``awaited`` is false for tail tasks, whose end the run does not wait for. A parameter in
    ``optional`` is left out of the arguments if the part that it reads is absent. ``resources``
    are the names of the resources that the task needs, sorted, with those that these need. A
    higher ``priority`` begins sooner.
    """

    task_id: str
    needs: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    retry: RetryPolicy = NO_RETRY
    timeout_s: float | None = None
    queue: str = DEFAULT_QUEUE
    lane: Lane = "async"
    fingerprint: str = ""
    awaited: bool = True
    optional: tuple[str | int, ...] = ()
    resources: tuple[str, ...] = ()
    priority: int = 0


@dataclass(frozen=True)
class Plan:
    """The tasks of one run, upstream first; a task's place in ``tasks`` is its number.

    Task ids are unique, and every need and every binding's source is the id of an earlier task,
    or an input of the run.
    ``check_types`` asks for run-time checks of injected values. ``offer`` and ``code`` name the
    whole namespace that the plan was made from (`astrum.planning.offer`; "": they are not known).
    ``inputs`` are sorted by name, and hold the source of every binding that reads an input.
    """

    namespace: str
    tasks: tuple[TaskSpec, ...]
    concurrency_limit: int | None = None
    check_types: bool = True
    offer: str = ""
    code: str = ""
    inputs: tuple[InputSpec, ...] = ()

    @cached_property
    def index(self) -> dict[str, int]:
        """Task id to task number."""
        return {spec.task_id: number for number, spec in enumerate(self.tasks)}

    @cached_property
    def wanted_results(self) -> frozenset[str]:
        """The tasks whose results others read, and the last ones, whose results the run gives.

        Of all other tasks only the end matters.
        """
        read = {b.source for spec in self.tasks for b in spec.bindings if b.origin == "task"}
        last = {
            spec.task_id
            for spec, after in zip(self.tasks, self.dependents, strict=True)
            if not after
        }
        return frozenset(read | last)

    @cached_property
    def dependents(self) -> list[list[int]]:
        """For each task number, the numbers of the tasks that need it."""
        index = self.index
        dependents: list[list[int]] = [[] for _ in self.tasks]
        for number, spec in enumerate(self.tasks):
            for need in spec.needs:
                dependents[index[need]].append(number)
        return dependents

    @cached_property
    def levels(self) -> list[int]:
        """For each task number, its stage: the longest chain of needs below it, from 0."""
        levels = [0] * len(self.tasks)
        for number, after in enumerate(self.dependents):
            least = levels[number] + 1
            for dependent in after:
                if levels[dependent] < least:
                    levels[dependent] = least
        return levels

    @cached_property
    def priorities(self) -> list[int]:
        """For each task number, its place in the order of dispatch; the lowest is first."""
        return priorities(self.dependents, [spec.priority for spec in self.tasks])

    def to_data(self) -> dict[str, Any]:
        """Return the plan as dicts, lists, tuples, numbers and strings, for any serializer."""
        places = places_of(self.inputs)
        data: dict[str, Any] = {
            "version": PLAN_VERSION,
            "namespace": self.namespace,
            "concurrency_limit": self.concurrency_limit,
            "check_types": self.check_types,
            "offer": self.offer,
            "code": self.code,
            "tasks": [_spec_to_data(spec, self.index, places) for spec in self.tasks],
        }
        if self.inputs:
            data["inputs"] = inputs_to_data(self.inputs)
        return data

    @classmethod
    def from_data(cls, data: Any) -> Plan:
        """Rebuild a plan from `to_data`; raises ``ValueError`` for anything else.

        The returned plan has the guarantees of this class, no matter what wrote the data.
        """
        if not isinstance(data, dict) or not isinstance(data.get("tasks"), list):
            raise ValueError("it is not a map with a list of tasks")
        if data.get("version") != PLAN_VERSION:
            raise ValueError(
                f"the plan has version {data.get('version')!r}, this process reads {PLAN_VERSION}"
            )
        limit, namespace = data.get("concurrency_limit"), data.get("namespace")
        if type(namespace) is not str or not (limit is None or (type(limit) is int and limit > 0)):
            raise ValueError("its namespace or its concurrency limit is damaged")
        offer, code = data.get("offer", ""), data.get("code", "")
        if not all(type(one) is str and _DIGEST.fullmatch(one) for one in (offer, code)):
            raise ValueError("its offer or its code is not a name of 16 hex digits")
        inputs = inputs_from_data(data.get("inputs", []))
        tasks = _specs_from_data(data["tasks"], [spec.name for spec in inputs])
        return cls(
            namespace=namespace,
            concurrency_limit=limit,
            check_types=bool(data.get("check_types")),
            offer=offer,
            code=code,
            tasks=tasks,
            inputs=with_readers(inputs, {spec.task_id: spec.bindings for spec in tasks}),
        )


def _spec_to_data(spec: TaskSpec, index: Mapping[str, int], places: Mapping[str, int]) -> list[Any]:
    # Numbers instead of ids keep the plan of a wide fan-in small; most options have their default.
    options = {
        name: value
        for name, default in _DEFAULT_OPTIONS
        if (value := getattr(spec, name)) is not default and value != default
    }
    if "retry" in options:
        options["retry"] = _retry_to_data(spec.retry)
    return [
        spec.task_id,
        [index[need] for need in spec.needs],
        [
            (b.parameter, (index if b.origin == "task" else places)[b.source], b.path)
            for b in spec.bindings
        ],
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


def _specs_from_data(rows: Sequence[Any], inputs: Sequence[str]) -> tuple[TaskSpec, ...]:
    ids: list[str] = []
    specs = []
    for number, row in enumerate(rows):
        try:
            specs.append(_spec_from_data(row, ids, inputs))
        except (TypeError, ValueError, LookupError, TaskRegistrationError) as error:
            raise ValueError(f"task {number} is damaged: {error}") from None
        ids.append(specs[-1].task_id)  # only now: nothing needs itself or a later task
    if len(set(ids)) != len(ids):
        raise ValueError("two of its tasks have one id")
    return tuple(specs)


def _spec_from_data(row: Sequence[Any], ids: Sequence[str], inputs: Sequence[str]) -> TaskSpec:
    task_id, needs, bindings, *more = row
    if type(task_id) is not str:
        raise ValueError("its id is not a string")
    return TaskSpec(
        task_id,
        tuple([_earlier(ids, need) for need in needs]),
        tuple([_binding_from_data(binding, ids, inputs) for binding in bindings]),
        **(_options_from_data(more[0]) if more else {}),
    )


def _options_from_data(options: Any) -> dict[str, Any]:
    if type(options) is not dict:
        raise ValueError("its options are not a map")
    return {name: _READERS[name](value) for name, value in options.items() if name in _READERS}


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


def _optional_from_data(slots: Any) -> tuple[str | int, ...]:
    if not all(type(slot) in (str, int) for slot in slots):
        raise ValueError("its optional parameters have the wrong type")
    return tuple(slots)


def _resources_from_data(names: Any) -> tuple[str, ...]:
    if not all(type(name) is str for name in names):
        raise ValueError("the names of its resources have the wrong type")
    return tuple(names)


def _priority_from_data(priority: Any) -> int:
    if not is_priority(priority):
        raise ValueError(not_a_priority(priority))
    return priority  # type: ignore[no-any-return]


def _earlier(ids: Sequence[str], number: Any) -> str:
    if type(number) is not int or number < 0:
        raise ValueError("it needs a task without a number")
    return ids[number]


def _binding_from_data(row: Sequence[Any], ids: Sequence[str], inputs: Sequence[str]) -> Binding:
    parameter, source, path, *_ = row
    if not all(type(step) in (str, int) for step in (parameter, *path)):
        raise ValueError("a binding has parts of the wrong type")
    if type(source) is int and source < 0:
        return Binding(parameter, inputs[-1 - source], tuple(path), "input")
    return Binding(parameter, _earlier(ids, source), tuple(path))


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
}
"""Reads each option of a task, by its name in `TaskSpec`."""
_DEFAULT_OPTIONS = [(name, TaskSpec._field_defaults[name]) for name in _READERS]
