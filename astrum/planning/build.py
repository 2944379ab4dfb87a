"""The last step of planning: makes a `Plan` from checked needs and resolved inputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from astrum.data_transport.bindings import TaskInputs
from astrum.errors import TaskRegistrationError
from astrum.planning.child_names import check_child_names
from astrum.planning.contract import lane_of
from astrum.planning.edges import NO_EDGES, TaskEdges
from astrum.planning.fingerprint import fingerprint
from astrum.planning.offer import namespace_version
from astrum.planning.plan import (
    CLEANUP_S,
    DEFAULT_QUEUE,
    MAX_CHILDREN,
    NO_RETRY,
    Lane,
    OnFailure,
    Plan,
    TaskSpec,
    is_queue_name,
)
from astrum.planning.policies import NO_POLICY, Policy, make_policy
from astrum.planning.priorities import is_priority, not_a_priority
from astrum.planning.retry_policy import RetryPolicy
from astrum.planning.run_inputs import InputSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptOptions:
    """The options of a task that its attempts follow, checked."""

    retry: RetryPolicy = NO_RETRY
    timeout_s: float | None = None
    queue: str = DEFAULT_QUEUE
    version: str = ""
    policy: Policy = NO_POLICY
    priority: int = 0


DEFAULT_OPTIONS = AttemptOptions()
NO_INPUTS = TaskInputs()
NO_TASK_EDGES: Mapping[str, TaskEdges] = MappingProxyType({})
NO_RESOURCES: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def make_options(task_id: str, options: Mapping[str, Any]) -> AttemptOptions:
    """Return the options of attempts among those of a declaration.

    Raises `TaskRegistrationError`, naming the task, for a value that is not valid.
    """
    if not options:
        return DEFAULT_OPTIONS
    timeout, queue = options.get("timeout"), options.get("queue", DEFAULT_QUEUE)
    if timeout is not None and not _is_duration(timeout):
        raise TaskRegistrationError(
            f"task {task_id!r}: timeout must be a positive number of seconds, got {timeout!r}"
        )
    if not isinstance(queue, str) or not is_queue_name(queue):
        raise TaskRegistrationError(
            f"task {task_id!r}: queue must be one name, without ':' and ',', got {queue!r}"
        )
    priority = options.get("priority", 0)
    if not is_priority(priority):
        raise TaskRegistrationError(f"task {task_id!r}: {not_a_priority(priority)}")
    made = AttemptOptions(
        retry=make_retry(task_id, options.get("retry", 0)),
        timeout_s=timeout,
        queue=queue,
        version=_version(task_id, options.get("version")),
        priority=priority,
        policy=make_policy(task_id, options),
    )
    return DEFAULT_OPTIONS if made == DEFAULT_OPTIONS else made


def _version(task_id: str, version: Any) -> str:
    if version is None:
        return ""
    if not isinstance(version, str) or not version.isprintable() or not version.strip():
        raise TaskRegistrationError(
            f"task {task_id!r}: version must be a printable string that is not empty, such as "
            f'version="3", got {version!r}'
        )
    return version


def make_retry(task_id: str, retry: Any) -> RetryPolicy:
    """Return the policy for a number of retries or a policy; `TaskRegistrationError` otherwise."""
    if isinstance(retry, RetryPolicy):
        return retry
    if isinstance(retry, bool) or not isinstance(retry, int) or retry < 0:
        raise TaskRegistrationError(
            f"task {task_id!r}: retry must be an integer >= 0 or a RetryPolicy, got {retry!r}"
        )
    return RetryPolicy(retry) if retry else NO_RETRY


def _is_duration(value: Any) -> bool:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value > 0


def build_plan(
    namespace: str,
    needs: Mapping[str, Sequence[str]],
    functions: Mapping[str, Callable[..., Any]],
    inputs: Mapping[str, TaskInputs],
    *,
    options: Mapping[str, AttemptOptions],
    tail_tasks: Collection[str] = (),
    concurrency_limit: int | None = None,
    check_types: bool = True,
    fingerprints: bool = False,
    left_out: Callable[[], Mapping[str, str]] = dict,
    run_inputs: Sequence[InputSpec] = (),
    edges: Mapping[str, TaskEdges] = NO_TASK_EDGES,
    on_failure: OnFailure = "stop",
    max_children: int = MAX_CHILDREN,
    cleanup_s: float = CLEANUP_S,
    resources: Mapping[str, tuple[str, ...]] = NO_RESOURCES,
) -> Plan:
    """Return the plan of an acyclic graph whose keys are in upstream-first order.

    With ``fingerprints`` the plan says which code it was made from. ``left_out`` gives those of
    the other tasks of the namespace, by their ids. ``run_inputs`` are sorted by name. ``edges``
    are those of tasks that have any, ``on_failure`` is for tasks without such a policy.
    ``resources`` are the names of those that each task needs. Raises `TaskRegistrationError` for a
    task whose id a child of another one may have.
    """
    tails = frozenset(tail_tasks)
    lanes: dict[int, Lane] = {}  # many tasks may share one function
    specs: list[TaskSpec] = []
    for task_id, upstream in needs.items():
        function = functions[task_id]
        lane = lanes.get(id(function))
        if lane is None:
            lane = lanes[id(function)] = lane_of(function)
        chosen = options.get(task_id, DEFAULT_OPTIONS)
        filling = inputs.get(task_id, NO_INPUTS)
        specs.append(
            TaskSpec(
                task_id=task_id,
                needs=tuple(upstream),
                bindings=filling.bindings,
                retry=chosen.retry,
                timeout_s=chosen.timeout_s,
                queue=chosen.queue,
                lane=lane,
                fingerprint=(
                    fingerprint(function, filling.slots, chosen.version) if fingerprints else ""
                ),
                awaited=task_id not in tails,
                optional=tuple(filling.defaults),
                resources=resources.get(task_id, ()),
                priority=chosen.priority,
            )
        )
    is_plain = on_failure == "stop" and not edges and not policies_of(options)
    if not is_plain:
        specs = [_with_policy(spec, options, edges, on_failure) for spec in specs]
        check_child_names(specs)
    plan = Plan(
        namespace,
        tuple(specs),
        concurrency_limit,
        check_types,
        inputs=tuple(run_inputs),
        max_children=max_children,
        cleanup_s=cleanup_s,
    )
    if not fingerprints:
        return plan
    own = {spec.task_id: spec.fingerprint for spec in specs}
    offer, code = namespace_version(namespace, {**left_out(), **own})
    return replace(plan, offer=offer, code=code)


def policies_of(options: Mapping[str, AttemptOptions]) -> dict[str, Policy]:
    """Return the policies of the tasks that have one."""
    return {
        task_id: chosen.policy
        for task_id, chosen in options.items()
        if chosen is not DEFAULT_OPTIONS and chosen.policy != NO_POLICY
    }


def _with_policy(
    spec: TaskSpec,
    options: Mapping[str, AttemptOptions],
    edges: Mapping[str, TaskEdges],
    on_failure: OnFailure,
) -> TaskSpec:
    policy = options.get(spec.task_id, DEFAULT_OPTIONS).policy
    own = edges.get(spec.task_id, NO_EDGES)
    return spec._replace(
        **own._asdict(), **policy._replace(on_failure=policy.on_failure or on_failure)._asdict()
    )
