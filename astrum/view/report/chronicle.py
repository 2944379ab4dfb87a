"""The chronicle of a run: its columns as bytes, kept when its journal and its values are gone.

With them it says why each task ended as it did. It holds no values. It is compressed JSON, so that
any later version can read it.
"""

from __future__ import annotations

import json
import zlib

from astrum.errors import DecodeError
from astrum.view.report.columns import RunColumns
from astrum.view.report.columns_check import checked_columns
from astrum.view.report.kept_reasons import KeptReasons
from astrum.view.report.past_why import Chronicle
from astrum.view.report.reasons_check import checked_reasons

MAX_TASKS = 250_000
"""Runs of more tasks have no chronicle: to make it would take their leader too much memory.

It needs some 1.1 KB a task beside the run itself, and 14 us in a thread; the text of 600,000 tasks
is as long as `MAX_INFLATED_BYTES`.
"""
MAX_INFLATED_BYTES = 64 * 1024 * 1024
_LEVEL = 3
_REASONS = "why"
"""The member of a chronicle that columns do not have."""


def unkept_text(tasks: int) -> str:
    """Return why a run of so many tasks has no chronicle, "" if it can have one."""
    if tasks <= MAX_TASKS:
        return ""
    return (
        f"runs of more than {MAX_TASKS:,} tasks leave no chronicle: export what is to be kept "
        "before the results expire"
    )


def encode_chronicle(columns: RunColumns, reasons: KeptReasons | None = None) -> bytes:
    """Return the chronicle of a run, without the values of its inputs."""
    kept = {**columns, "run": {**columns["run"], "inputs": {}}, _REASONS: reasons}
    return zlib.compress(columns_text(kept).encode("utf-8", "backslashreplace"), _LEVEL)


def decode_chronicle(run_id: str, data: bytes) -> Chronicle:
    """Read a chronicle; raises `DecodeError` if it is damaged or of another version."""
    what = f"the chronicle of run {run_id}"
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_INFLATED_BYTES)
        if not stream.eof:
            raise DecodeError(f"{what} is damaged: it is cut short or too long")
        columns = checked_columns(json.loads(text), what)
        reasons = checked_reasons(columns.pop(_REASONS, None), columns, what)
    except (zlib.error, ValueError, RecursionError) as error:
        raise DecodeError(f"{what} is damaged: {error}") from None
    if columns["run"]["run_id"] != run_id:
        raise DecodeError(f"{what} is that of another run")
    return Chronicle(columns, reasons)


def columns_text(columns: RunColumns) -> str:
    """Return columns as compact JSON.

    A lone surrogate may be left in it: ``errors="backslashreplace"`` makes it JSON's own escape.
    """
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
