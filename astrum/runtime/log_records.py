"""Reads records of `logging` without ever failing, and names what may be stored of them."""

from __future__ import annotations

import logging

FAILED_LOGS, ALL_LOGS, NO_LOGS = "failed", "all", "off"
TASK_LOGS = (FAILED_LOGS, ALL_LOGS, NO_LOGS)
"""Of which attempts the logs are stored with the run."""
_FORMATTER = logging.Formatter()


def message_of(record: logging.LogRecord) -> str:
    """Return the message; one whose arguments do not fit is shown beside them."""
    try:
        return record.getMessage()
    except Exception:  # the arguments are the user's, and so are their texts
        return f"{_shown(record.msg)} (its arguments do not fit: {_shown(record.args)})"


def traceback_of(record: logging.LogRecord) -> str:
    """Return the traceback and the stack that belong to a record, "" without any."""
    parts = []
    if record.exc_info and record.exc_info[0] is not None:
        try:
            parts.append(record.exc_text or _FORMATTER.formatException(record.exc_info))
        except Exception:  # the text of an exception is the user's code
            parts.append(f"{record.exc_info[0].__name__} (it cannot be shown)")
    if record.stack_info:
        parts.append(record.stack_info)
    return "\n".join(parts)


def _shown(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"<{type(value).__name__} that cannot be shown>"
