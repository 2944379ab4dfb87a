"""pandas frames and series and Arrow tables come back equal or are refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from astrum.errors import DecodeError, EncodeError
from astrum.values import Codec
from astrum.values.codes import Code, whole_ext

CODEC = Codec()


def through(value: Any) -> Any:
    return CODEC.decode(CODEC.encode({"rows": (value,)}))["rows"][0]


DAYS = pd.date_range("2024-03-30", periods=3, freq="D", tz="Europe/Berlin")
CALENDAR = pd.bdate_range("2024-01-01", periods=1, freq="C", holidays=["2024-01-02"])
FRAMES = {
    "plain": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"], "c": [0.5, float("nan")]}),
    "empty": lambda: pd.DataFrame(),
    "numbered columns": lambda: pd.DataFrame([[1, 2], [3, 4]]),
    "times": lambda: pd.DataFrame({"t": pd.date_range("2024", periods=3, tz="Europe/Berlin")}),
    "categories": lambda: pd.DataFrame({"c": pd.Categorical(["a", "b", "a"])}),
    "index": lambda: pd.DataFrame({"a": [1, 2]}, index=pd.Index(["x", "y"], name="key")),
    "two indexes": lambda: pd.DataFrame({"k": [1, 2], "l": [3, 4], "v": [5, 6]}).set_index(
        ["k", "l"]
    ),
    "nullable": lambda: pd.DataFrame({"a": pd.array([1, None], dtype="Int64")}),
    "daily": lambda: pd.DataFrame({"v": [1.0, 2.0, 3.0]}, index=DAYS),
    "named and ordered": lambda: pd.DataFrame(
        {"c": pd.Categorical(["x"], categories=["y", "x"], ordered=True)},
        index=pd.Index(["r"], name="row"),
    ).rename_axis(columns="col"),
    "decimals and dates": lambda: pd.DataFrame({"d": [Decimal("1.5")], "t": [date(2024, 1, 1)]}),
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back_equal(name: str) -> None:
    frame = FRAMES[name]()
    frame.attrs = {"unit": "m", "levels": [1, 2]}
    again = through(frame)
    pd.testing.assert_frame_equal(again, frame)
    assert again.attrs == frame.attrs


@pytest.mark.parametrize("name", [None, "price", 3, ("a", 1)])
def test_a_series_keeps_its_name(name: Any) -> None:
    series = pd.Series([1.5, 2.5], index=["x", "y"], name=name)
    again = through(series)
    pd.testing.assert_series_equal(again, series)
    assert type(again.name) is type(name)


@pytest.mark.parametrize(
    "make",
    [
        lambda: pd.DataFrame({"a": [1, "x"]}),
        lambda: pd.DataFrame({"a": [[1], [2]]}),
        lambda: pd.DataFrame({"a": [object()]}),
        lambda: pd.DataFrame([[1, 2]], columns=["a", "a"]),
        lambda: pd.Series([1, "x"]),
        lambda: pd.Series(
            [datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=1)))], dtype=object
        ),
        lambda: pd.Series([1.0], index=pd.Index([1], name=3)),
    ],
)
def test_a_value_that_arrow_would_change_is_refused_with_its_path(make: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode([make()])
    assert caught.value.path == "result[0]"


@pytest.mark.parametrize("freq", ["D", "MS", "2h", "W-WED", "B"])
def test_a_series_of_times_keeps_the_step_of_its_index(freq: str) -> None:
    series = pd.Series(range(3), index=pd.date_range("2024-01-01", periods=3, freq=freq), name="n")
    again = through(series)
    pd.testing.assert_series_equal(again, series)
    assert again.index.freq == series.index.freq


def test_a_series_keeps_its_attrs_and_the_step_of_durations() -> None:
    series = pd.Series(range(3), index=pd.timedelta_range("1h", periods=3, freq="h"))
    series.attrs = {"unit": "m"}
    again = through(series)
    pd.testing.assert_series_equal(again, series)
    assert again.attrs == {"unit": "m"}


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: pd.Series([1], index=CALENDAR), "set the freq of its index to None"),
        (lambda: pd.DataFrame({"a": [1, "x"], "b": [1, 2]}), "plain"),
        (lambda: with_attrs({"t": (1, 2)}), "its attrs would change"),
        (lambda: pd.DataFrame({"a": [1]}).set_flags(allows_duplicate_labels=False), "its flags"),
        (lambda: pd.Index([1]), ".to_series()"),
        (lambda: pd.Categorical(["a"]), "pandas.Series(...)"),
        (lambda: pd.offsets.Day(), "freqstr"),
        (lambda: pl.DataFrame({"a": [1]}).lazy(), ".collect()"),
        (lambda: pa.array([1]), ".to_pylist()"),
        (lambda: pl.DataFrame({"a": pl.Series([object()], dtype=pl.Object)}), "plain type"),
    ],
)
def test_the_advice_fits_what_is_refused(make: Any, advice: str) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode([make()])
    assert advice in caught.value.advice
    assert caught.value.path == "result[0]"


def with_attrs(attrs: dict[str, Any]) -> Any:
    frame = pd.DataFrame({"a": [1]})
    frame.attrs = attrs
    return frame


@pytest.mark.parametrize(
    "zone",
    [None, "UTC", "Europe/Berlin", UTC, timezone(timedelta(hours=2)), ZoneInfo("Asia/Tokyo")],
)
@pytest.mark.parametrize("unit", ["s", "us", "ns"])
def test_a_timestamp_keeps_its_unit_and_its_zone(zone: Any, unit: str) -> None:
    moment = pd.Timestamp("2024-10-28 02:30:00.123456789", tz=zone).as_unit(unit)
    again = through(moment)
    assert (type(again), again, again.unit) == (pd.Timestamp, moment, unit)
    assert type(again.tz) is type(moment.tz)
    assert again.isoformat() == moment.isoformat()


def test_both_readings_of_an_hour_that_the_clock_shows_twice_stay_apart() -> None:
    for hour in (0, 1):
        moment = pd.Timestamp(f"2024-10-27 0{hour}:30", tz="UTC").tz_convert("Europe/Berlin")
        assert through(moment).fold == moment.fold == hour
    naive = pd.Timestamp("2024-10-27 02:30").replace(fold=1)
    assert through(naive).fold == 1


@pytest.mark.parametrize(
    "value",
    [pd.NaT, pd.NA, pd.Timedelta("1 days 3ns"), pd.Period("2024-01", "M"), np.timedelta64(3, "D")],
)
def test_single_values_of_pandas_travel(value: Any) -> None:
    again = through(value)
    assert type(again) is type(value)
    assert again is value or again == value


@pytest.mark.parametrize(
    "make",
    [
        lambda: pl.DataFrame({"n": [1, None], "s": ["a", "b"], "l": [[1], []], "f": [0.5, None]}),
        lambda: pl.DataFrame({"t": [datetime(2024, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))]}),
        lambda: pl.DataFrame({"c": pl.Series(["x", "y"], dtype=pl.Categorical)}),
        lambda: pl.DataFrame({"e": pl.Series(["x"], dtype=pl.Enum(["x", "y"]))}),
        lambda: pl.DataFrame({"d": [Decimal("1.20")], "nan": [float("nan")]}),
        lambda: pl.DataFrame(),
    ],
)
def test_a_polars_frame_comes_back_equal_with_its_schema(make: Any) -> None:
    frame = make()
    again = through(frame)
    assert again.schema == frame.schema
    assert again.equals(frame)


def test_a_polars_series_keeps_its_name() -> None:
    again = through(pl.Series("n", [1, None]))
    assert (type(again), again.name, again.to_list()) == (pl.Series, "n", [1, None])


@pytest.mark.parametrize("code", [Code.POLARS_TABLE, Code.PANDAS_VALUE])
def test_damaged_values_of_packages_are_decode_errors(code: Code) -> None:
    good = CODEC.encode(pl.DataFrame({"a": [1, 2]}))
    hostile = [CODEC.encode(["frame", good[60:]]), CODEC.encode(["Timestamp", 1, "ns; 1", None, 0])]
    for payload in (b"", b"x" * 40, good[6:60], *hostile):
        with pytest.raises(DecodeError):
            CODEC.decode(whole_ext(code, payload))


def test_a_table_comes_back_equal_with_its_metadata() -> None:
    schema = pa.schema([pa.field("n", pa.int64(), metadata={"unit": "m"})], metadata={"k": "v"})
    table = pa.table({"n": [1, None]}, schema=schema)
    assert through(table).equals(table, check_metadata=True)


@pytest.mark.parametrize("code", [Code.DATA_FRAME, Code.SERIES, Code.ARROW_TABLE])
def test_damaged_tables_are_decode_errors(code: Code) -> None:
    good = CODEC.encode(FRAMES["plain"]())
    for payload in (b"", b"x" * 40, good[6:60], good[6:-30]):
        with pytest.raises(DecodeError):
            CODEC.decode(whole_ext(code, payload))


def test_a_process_without_arrow_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = CODEC.encode(FRAMES["plain"]())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DecodeError, match="install pyarrow"):
        CODEC.decode(data)
    with pytest.raises(EncodeError, match="install pyarrow"):
        CODEC.encode(FRAMES["plain"]())
