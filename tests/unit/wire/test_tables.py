"""pandas frames and series and Arrow tables come back equal or are refused."""

from __future__ import annotations

from typing import Any

import pytest

from astrum.errors import DecodeError, EncodeError
from astrum.wire import Codec
from astrum.wire.codes import Code, whole_ext

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
CODEC = Codec()


def through(value: Any) -> Any:
    return CODEC.decode(CODEC.encode({"rows": (value,)}))["rows"][0]


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
}


@pytest.mark.parametrize("name", FRAMES)
def test_a_frame_comes_back_equal(name: str) -> None:
    frame = FRAMES[name]()
    pd.testing.assert_frame_equal(through(frame), frame, check_freq=False)


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
        lambda: pd.Timestamp("2024"),
    ],
)
def test_what_arrow_would_change_is_refused_with_its_path(make: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode([make()])
    assert caught.value.path == "result[0]"


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


def test_a_process_without_arrow_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = CODEC.encode(FRAMES["plain"]())
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(DecodeError, match="install pyarrow"):
        CODEC.decode(data)
    with pytest.raises(EncodeError, match="install pyarrow"):
        CODEC.encode(FRAMES["plain"]())
