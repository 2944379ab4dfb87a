"""Says which attempt a line of a log comes from, for loggers that you set up yourself.

Threads that Astrum starts for tasks, asyncio tasks and `asyncio.to_thread` know the attempt; a
thread that a task starts itself does not. May import `execution`.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from astrum.execution.attempt import CURRENT

__all__ = ["AttemptFilter", "add_attempt", "attempt_fields"]

_NAMES = ("run_id", "namespace", "task_id", "attempt", "worker_id", "trace_id", "span_id")


def attempt_fields() -> dict[str, Any]:
    """Return what a line of a log says about the attempt that runs here, {} outside of a task.

    The names are ``run_id``, ``namespace``, ``task_id`` (of a child with its key or index),
    ``attempt``, and, where there is one, ``worker_id``, ``trace_id`` and ``span_id``.
    """
    context = CURRENT.get(None)
    if context is None:
        return {}
    fields: dict[str, Any] = {
        "run_id": context.run_id,
        "namespace": context.namespace,
        "task_id": context.name,
        "attempt": context.attempt,
    }
    if context.worker_id:
        fields["worker_id"] = context.worker_id
    if context.trace_id:
        fields["trace_id"] = context.trace_id
        fields["span_id"] = context.span_id
    return fields


class AttemptFilter(logging.Filter):
    """Puts the fields of `attempt_fields` on each record of a handler; drops no record.

    What is not known becomes ``missing``, so that a format string may name all fields. Attributes
    that a record has already stay. With a ``QueueHandler`` add it there: the listener's thread does
    not know the attempt.
    """

    def __init__(self, missing: Any = "-") -> None:
        super().__init__()
        self._missing = missing

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes; return true."""
        fields, known = attempt_fields(), vars(record)
        for name in _NAMES:
            if name not in known:
                known[name] = fields.get(name, self._missing)
        return True


def add_attempt(
    logger: Any, method_name: str, event_dict: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Add the fields of `attempt_fields` to an event: a processor of structlog.

    What the event says itself stays.
    """
    for name, value in attempt_fields().items():
        event_dict.setdefault(name, value)
    return event_dict
