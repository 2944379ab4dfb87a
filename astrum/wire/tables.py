"""pandas frames and series and Arrow tables, as Arrow IPC bytes.

Imported without either package; see `astrum.wire.foreign_types`. Arrow keeps most frames exactly
as they are; one that it would change is refused rather than changed.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from astrum.errors import DecodeError
from astrum.wire.builtin_types import Carrier, Pack, Unpack
from astrum.wire.codes import Code
from astrum.wire.refusals import Refusal

_FIRST_SAFE_ARROW = 15
"""Earlier releases (until 14.0.1) could be made to unpickle what an IPC stream held."""
_SERIES_COLUMN = "values"


def pandas_carrier(cls: type) -> Carrier | None:
    """Return how frames and series of pandas (no subclasses) travel."""
    import pandas

    if cls is pandas.DataFrame:
        return Carrier(Code.DATA_FRAME, _write_frame, read_frame)
    return Carrier(Code.SERIES, _write_series, read_series) if cls is pandas.Series else None


def arrow_carrier(cls: type) -> Carrier | None:
    """Return how tables of Arrow travel."""
    import pyarrow

    return Carrier(Code.ARROW_TABLE, _write_table, read_table) if cls is pyarrow.Table else None


def _arrow() -> ModuleType | None:
    try:
        import pyarrow
        import pyarrow.ipc
    except ImportError:
        return None
    safe = int(pyarrow.__version__.partition(".")[0]) >= _FIRST_SAFE_ARROW
    return pyarrow if safe else None


def _write_table(value: Any, pack: Pack) -> bytes:
    import pyarrow

    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, value.schema) as stream:
        stream.write_table(value)
    return bytes(sink.getvalue())


def read_table(payload: bytes, unpack: Unpack) -> Any:
    """Return an Arrow table, checked in full."""
    arrow = _arrow()
    if arrow is None:
        advice = f"install pyarrow>={_FIRST_SAFE_ARROW} here too"
        raise DecodeError(f"a value holds a table: {advice}")
    table = arrow.ipc.open_stream(arrow.py_buffer(payload)).read_all()
    table.validate(full=True)
    return table


def _write_frame(value: Any, pack: Pack) -> bytes:
    arrow = _arrow()
    if arrow is None:
        raise Refusal(value, f"install pyarrow>={_FIRST_SAFE_ARROW}, which carries it")
    numbered = _numbers(value.columns)
    try:
        table = arrow.Table.from_pandas(value)
        same = _is_same_frame(value, _numbered(table.to_pandas(), numbered))
    except Exception as error:  # Arrow and pandas raise many kinds for what they cannot convert
        raise Refusal(value, f"Arrow cannot carry it ({error}); give it plain columns") from error
    if not same:
        raise Refusal(value, "Arrow would change its columns; give each one plain type and a name")
    return pack([numbered, _write_table(table, pack)])


def _numbers(columns: Any) -> list[int] | None:
    """Return start, stop and step of columns that only have numbers: Arrow has no such columns."""
    import pandas

    is_range = isinstance(columns, pandas.RangeIndex)
    return [columns.start, columns.stop, columns.step] if is_range else None


def _numbered(frame: Any, numbered: list[int] | None) -> Any:
    import pandas

    if numbered is not None:
        frame.columns = pandas.RangeIndex(*numbered, name=frame.columns.name)
    return frame


def read_frame(payload: bytes, unpack: Unpack) -> Any:
    """Return the pandas frame that an Arrow table describes."""
    numbered, data = unpack(payload)
    return _numbered(read_table(data, unpack).to_pandas(), numbered)


def _write_series(value: Any, pack: Pack) -> bytes:
    frame = value.to_frame(_SERIES_COLUMN)
    try:
        return pack([value.name, _write_frame(frame, pack)])
    except Refusal as refusal:
        culprit = value if refusal.culprit is frame else refusal.culprit
        raise Refusal(culprit, refusal.advice) from None


def read_series(payload: bytes, unpack: Unpack) -> Any:
    """Return the pandas series that a frame of one column was made from."""
    name, data = unpack(payload)
    return read_frame(data, unpack)[_SERIES_COLUMN].rename(name)


def _is_same_frame(frame: Any, other: Any) -> bool:
    axes = zip(frame.axes, other.axes, strict=True)
    return (
        all(type(a) is type(b) and a.identical(b) for a, b in axes)
        and list(frame.dtypes) == list(other.dtypes)
        and frame.attrs == other.attrs
        and bool(frame.equals(other))
        and all(_same_objects(frame[name], other[name]) for name in frame.columns)
    )


def _same_objects(column: Any, other: Any) -> bool:
    if column.dtype != object:
        return True
    return all(type(a) is type(b) for a, b in zip(column, other, strict=True))
