"""Types of other packages that travel when those are installed: NumPy, pandas, polars, Arrow.

Writing never imports them: a value of such a type can only exist where its package is imported.
Reading imports them by these fixed names when such a value arrives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from astrum.values import arrays, pandas_values, polars_tables, tables
from astrum.values.builtin_types import Carrier, Reader
from astrum.values.codes import Code

_FINDERS: Mapping[str, Callable[[type], Carrier | None]] = {
    "numpy": arrays.carrier,
    "pandas": lambda cls: tables.pandas_carrier(cls) or pandas_values.value_carrier(cls),
    "polars": polars_tables.polars_carrier,
    "pyarrow": tables.arrow_carrier,
}

FOREIGN_READERS: Mapping[Code, Reader] = {
    Code.NUMPY_ARRAY: arrays.read_array,
    Code.NUMPY_SCALAR: arrays.read_scalar,
    Code.DATA_FRAME: tables.read_frame,
    Code.SERIES: tables.read_series,
    Code.ARROW_TABLE: tables.read_table,
    Code.PANDAS_VALUE: pandas_values.read_value,
    Code.POLARS_TABLE: polars_tables.read_polars,
}
FOREIGN_NAMES: Mapping[Code, str] = {
    Code.NUMPY_ARRAY: "numpy.ndarray",
    Code.NUMPY_SCALAR: "numpy.generic",
    Code.DATA_FRAME: "pandas.DataFrame",
    Code.SERIES: "pandas.Series",
    Code.ARROW_TABLE: "pyarrow.Table",
    Code.PANDAS_VALUE: "pandas.Timestamp",
    Code.POLARS_TABLE: "polars.DataFrame",
}


def foreign_carrier(cls: type) -> Carrier | None:
    """Return how values of exactly this class travel, or None if Astrum does not know it."""
    find = _FINDERS.get(cls.__module__.partition(".")[0])
    return find(cls) if find is not None else None
