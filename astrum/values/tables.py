"""pandas frames and series and Arrow tables, as Arrow IPC bytes.

Imported without either package; see `astrum.values.foreign_types`. Arrow keeps most frames exactly
as they are; one that it would change is refused rather than changed.
"""

from __future__ import annotations

from decimal import Decimal
from types import ModuleType
from typing import Any

from astrum.errors import DecodeError
from astrum.values.builtin_types import Carrier, Pack, Unpack
from astrum.values.codes import Code
from astrum.values.refusals import Refusal

_FIRST_SAFE_ARROW = 15
"""Earlier releases (until 14.0.1) can be made to unpickle data of an IPC stream."""
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
        freq = _freq(value.index)
    except ValueError as error:
        raise Refusal(value, f"{error}; set the freq of its index to None") from None
    try:
        table = arrow.Table.from_pandas(value)
        change = _change(value, _finished(table.to_pandas(), numbered, freq))
    except Exception as error:  # Arrow and pandas raise many kinds for what they cannot convert
        raise Refusal(value, f"Arrow cannot carry it ({error}); give it plain columns") from error
    if change:
        raise Refusal(value, change)
    data = _write_table(table, pack)
    return pack([numbered, data] if freq is None else [numbered, data, freq])


def _freq(index: Any) -> str | None:
    """Return the name of the step of an index of times, which Arrow does not keep.

    Raises ``ValueError`` for a step that its name does not describe in full.
    """
    from pandas.tseries.frequencies import to_offset

    freq: str | None = getattr(index, "freqstr", None)
    if freq is None or type(index).__name__ == "PeriodIndex":
        return None
    if to_offset(freq) != index.freq:
        raise ValueError(f"the freq {index.freq!r} of its index has a calendar of its own")
    return freq


def _numbers(columns: Any) -> list[int] | None:
    """Return start, stop and step of columns that only have numbers: Arrow has no such columns."""
    import pandas

    is_range = isinstance(columns, pandas.RangeIndex)
    return [columns.start, columns.stop, columns.step] if is_range else None


def _finished(frame: Any, numbered: list[int] | None, freq: str | None) -> Any:
    import pandas

    if numbered is not None:
        frame.columns = pandas.RangeIndex(*numbered, name=frame.columns.name)
    if freq is not None:
        frame.index.freq = freq
    return frame


def read_frame(payload: bytes, unpack: Unpack) -> Any:
    """Return the pandas frame that an Arrow table describes."""
    numbered, data, *rest = unpack(payload)
    return _finished(read_table(data, unpack).to_pandas(), numbered, rest[0] if rest else None)


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
    frame = read_frame(data, unpack)
    series = frame[_SERIES_COLUMN].rename(name)
    series.attrs = frame.attrs
    return series


def _change(frame: Any, other: Any) -> str:
    """Return what Arrow would change of a frame, and what to do about it; "" if nothing."""
    for axis, a, b in zip(("index", "columns"), frame.axes, other.axes, strict=True):
        if getattr(a, "freq", None) != getattr(b, "freq", None):
            return f"the freq {a.freq!r} of its {axis} would be lost; set its freq to None"
        if type(a) is not type(b) or not a.identical(b):
            return f"its {axis} would change; give it names and items of one plain type each"
    if frame.attrs != other.attrs:
        return "its attrs would change; keep only strings, numbers and lists in them"
    if frame.flags != other.flags:
        return "its flags would be lost; use set_flags(allows_duplicate_labels=True)"
    changed = (name for name in frame.columns if not _is_same_column(frame[name], other[name]))
    name = next(changed, None)
    if name is None:
        return "" if frame.equals(other) else "its columns would change; give each one plain type"
    what = "its values" if name == _SERIES_COLUMN else f"its column {name!r}"
    return f"{what} of dtype {frame[name].dtype} would change; give it one plain type with astype"


def _is_same_column(column: Any, other: Any) -> bool:
    if column.dtype != other.dtype or not column.equals(other):
        return False
    if column.dtype != object:
        return True
    return all(map(_is_same_cell, column, other))


def _is_same_cell(cell: Any, other: Any) -> bool:
    if type(cell) is not type(other):
        return False
    # Equal frames can still differ: times of other zones, or False and 0 in a list.
    return type(cell) in (str, Decimal) or repr(cell) == repr(other)
