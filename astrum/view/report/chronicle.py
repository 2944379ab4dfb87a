"""The chronicle of a run: its columns as bytes, kept when its journal and its values are gone.

It holds no values. It is compressed JSON, so that any later version can read it.
"""

from __future__ import annotations

import json
import zlib

from astrum.errors import DecodeError
from astrum.view.report.columns import RunColumns
from astrum.view.report.columns_check import checked_columns

MAX_TASKS = 250_000
"""Runs of more tasks have no chronicle: to make it would take their leader too long."""
MAX_INFLATED_BYTES = 64 * 1024 * 1024
_LEVEL = 3


def encode_chronicle(columns: RunColumns) -> bytes:
    """Return the chronicle of a run, without the values of its inputs."""
    kept = {**columns, "run": {**columns["run"], "inputs": {}}}
    return zlib.compress(columns_text(kept).encode("utf-8", "backslashreplace"), _LEVEL)


def decode_chronicle(run_id: str, data: bytes) -> RunColumns:
    """Read a chronicle; raises `DecodeError` if it is damaged or of another version."""
    what = f"the chronicle of run {run_id}"
    stream = zlib.decompressobj()
    try:
        text = stream.decompress(data, MAX_INFLATED_BYTES)
        if not stream.eof:
            raise DecodeError(f"{what} is damaged: it is cut short or too long")
        columns = checked_columns(json.loads(text), what)
    except (zlib.error, ValueError, RecursionError) as error:
        raise DecodeError(f"{what} is damaged: {error}") from None
    if columns["run"]["run_id"] != run_id:
        raise DecodeError(f"{what} is that of another run")
    return columns


def columns_text(columns: RunColumns) -> str:
    """Return columns as compact JSON.

    A lone surrogate may be left in it: ``errors="backslashreplace"`` makes it JSON's own escape.
    """
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
