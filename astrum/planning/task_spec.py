"""One task of a plan, as data."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

from astrum.data_transport.bindings import Binding
from astrum.planning.axes import Axis, Condition, Watch
from astrum.planning.retry_policy import RetryPolicy

Lane = Literal["async", "thread"]
"""The kind of slot that an attempt takes: the event loop's or a thread's."""

OnFailure = Literal["stop", "continue", "ignore"]
"""What a failed task means for its run: it stops; the rest goes on and then the run has failed; or
the rest goes on and this failure alone does not fail the run."""

OnLost = Literal["retry", "fail", "hold"]
"""What follows an attempt whose worker died: another attempt, a failure, or a person decides."""

DEFAULT_QUEUE = "default"
NO_RETRY = RetryPolicy()
ON_FAILURE = ("stop", "continue", "ignore")
ON_LOST = ("retry", "fail", "hold")


def is_queue_name(text: str) -> bool:
    """Return whether a string can name a queue: names of streams and lists of queues hold it."""
    return bool(text) and ":" not in text and "," not in text


def is_max_failed(most: Any) -> bool:
    """Return whether a value bounds failed children: a count from 0, a share from 0 to 1, or None.

    >>> is_max_failed(3), is_max_failed(0.05), is_max_failed(1.5), is_max_failed(True)
    (True, True, False, False)
    """
    return (
        most is None
        or (type(most) is int and most >= 0)
        or (type(most) is float and 0.0 <= most <= 1.0)
    )


class TaskSpec(NamedTuple):
    """One task of a plan.

    ``needs`` holds the task ids that must have succeeded first, the sources of all bindings
    included. ``fingerprint`` names the source the plan was made from ("" = not checked).
    ``awaited`` is false for tail tasks, whose end the run does not wait for. A parameter in
    ``optional`` is left out of the arguments if the part that it reads is absent, or if its source
    has no result. ``resources`` are the names of the resources that the task needs, sorted, with
    those that these need. A higher ``priority`` begins sooner.

    A task with ``axes`` has a child for each element of the lists in them. ``tolerant`` are those
    of ``needs`` that may end in any way. ``conditions``, on tasks in ``needs``, must all hold, or
    the task is skipped; ``watches`` are what of its own result others depend on. An ``always``
    task runs also while the run stops. ``max_failed`` bounds the failed children of one list (an
    int is a count, a float a share), ``at_once`` those that are outstanding at once in a run.
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
    axes: tuple[Axis, ...] = ()
    tolerant: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()
    watches: tuple[Watch, ...] = ()
    on_failure: OnFailure = "stop"
    always: bool = False
    on_lost: OnLost = "retry"
    max_failed: int | float | None = None
    at_once: int | None = None


_others = operator.itemgetter(Binding._fields.index("others"))
_bindings = operator.attrgetter("bindings")
_FROM = TaskSpec._fields.index("axes")
_further = operator.itemgetter(slice(_FROM, None))
_PLAIN = tuple(TaskSpec._field_defaults[name] for name in TaskSpec._fields[_FROM:])


def has_plain_policy(spec: TaskSpec) -> bool:
    """Return whether a task has no children, conditions, tolerant needs or policies."""
    return spec[_FROM:] == _PLAIN


def are_plain(specs: Sequence[TaskSpec]) -> bool:
    """Whether no task has children, conditions, tolerant needs or policies, or reads such."""
    # It is asked for each run: no code in Python for each of its tasks.
    bindings = chain.from_iterable(map(_bindings, specs))
    return set(map(_further, specs)) <= {_PLAIN} and not any(map(_others, bindings))
