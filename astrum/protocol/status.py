"""Decodes what workers report about themselves, any of which may be wrong."""

from __future__ import annotations

from typing import Any

from astrum.errors import DecodeError
from astrum.values.unpacking import unpack

MAX_STATUS_BYTES = 16 * 1024 * 1024
_Fields = dict[str, type | tuple[type, ...]]
_ROW: _Fields = {
    "run_id": str,
    "task": int,
    "task_id": str,
    "attempt": int,
    "age_s": (int, float),
}
_BLOCKED: _Fields = {"age_s": (int, float), "where": str, "task_id": str}


def decode_served(data: bytes) -> dict[tuple[str, str], str]:
    """Return the fingerprints of what a worker serves, by namespace and task id.

    Raises `DecodeError` for anything but rows of three strings.
    """
    rows = unpack(data, max_bytes=MAX_STATUS_BYTES) if data else []
    try:
        served = {(namespace, task_id): fingerprint for namespace, task_id, fingerprint in rows}
    except (TypeError, ValueError) as error:
        raise DecodeError(f"a list of served tasks is malformed: {error}") from None
    if not all(type(text) is str for key, value in served.items() for text in (*key, value)):
        raise DecodeError("a list of served tasks has parts that are not strings")
    return served


def decode_status(data: bytes) -> dict[str, Any]:
    """Return the status that a worker reported, ``{}`` if there is none or it is not valid.

    ``running``, if there, is a list of maps with the fields of an attempt; others are left out.
    ``blocked``, if there, is what blocks its event loop: a map with ``age_s``, ``where`` and
    ``task_id``, or `None`.
    """
    try:
        status = unpack(data, max_bytes=MAX_STATUS_BYTES) if data else {}
    except DecodeError:
        return {}
    if not isinstance(status, dict):
        return {}
    if "running" in status:
        rows = status["running"]
        status["running"] = list(filter(_is_row, rows)) if isinstance(rows, list) else []
    if "blocked" in status and not _has(status["blocked"], _BLOCKED):
        status["blocked"] = None
    return status


def _is_row(row: Any) -> bool:
    return _has(row, _ROW) and isinstance(row.get("blocks", ""), str)


def _has(row: Any, fields: _Fields) -> bool:
    return isinstance(row, dict) and all(
        isinstance(row.get(name), kind) for name, kind in fields.items()
    )
