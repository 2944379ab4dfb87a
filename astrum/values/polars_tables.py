"""Frames and series of polars, as Arrow IPC bytes.

Imported without polars; see `astrum.values.foreign_types`.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

from astrum.errors import DecodeError
from astrum.values.builtin_types import Carrier, Pack, Unpack
from astrum.values.codes import Code
from astrum.values.refusals import Refusal

_FRAME, _SERIES = "frame", "series"


def polars_carrier(cls: type) -> Carrier | None:
    """Return how frames and series of polars (no subclasses) travel."""
    import polars

    known = cls is polars.DataFrame or cls is polars.Series
    return Carrier(Code.POLARS_TABLE, _write, read_polars) if known else None


def _write(value: Any, pack: Pack) -> bytes:
    import polars

    is_frame = isinstance(value, polars.DataFrame)
    frame = value if is_frame else value.to_frame()
    try:
        data = _sent(frame)
        again = _received(data)
        same = again.schema == frame.schema and again.equals(frame, null_equal=True)
    except BaseException as error:
        _reraise_others(error)
        raise Refusal(value, f"polars cannot write it ({error}); cast its columns") from error
    if not same:
        raise Refusal(value, "polars would change its columns; cast each one to a plain type")
    return pack([_FRAME if is_frame else _SERIES, data])


def _sent(frame: Any) -> bytes:
    target = BytesIO()
    frame.write_ipc_stream(target)
    return target.getvalue()


def _received(data: bytes) -> Any:
    import polars

    return polars.read_ipc_stream(BytesIO(data))


def read_polars(payload: bytes, unpack: Unpack) -> Any:
    """Return a frame or a series of polars."""
    try:
        import polars  # noqa: F401
    except ImportError:
        raise DecodeError("a value holds a polars frame: install polars here too") from None
    kind, data = unpack(payload)
    try:
        frame = _received(data)
    except BaseException as error:
        _reraise_others(error)
        raise DecodeError(f"a polars frame is damaged: {error}") from None
    return frame if kind == _FRAME else frame.to_series()


def _reraise_others(error: BaseException) -> None:
    # A panic of polars is not an Exception; an interrupt of this process is not a panic.
    is_panic = type(error).__name__ == "PanicException"
    if not isinstance(error, Exception) and not is_panic:
        raise error
