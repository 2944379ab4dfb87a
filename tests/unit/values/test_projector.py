"""Reading parts of one value again and again costs one decoding of it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.data_transport.locate import locate
from astrum.errors import LocateError
from astrum.values import Codec, projection, projector, shrink, split, walk
from astrum.values.projection import project
from astrum.values.projector import Projector
from tests.unit.values.samples import CODEC, Level, Order, Word, exact
from tests.unit.values.test_projection import locators, plain_values


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count how often a value is inflated, and how many walks over a map or an array begin."""
    counts = {"inflate": 0, "entries": 0, "ends_from": 0}

    def counting(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)

        def counted(*given: Any) -> Any:
            counts[name] += 1
            return real(*given)

        monkeypatch.setattr(module, name, counted)

    counting(projection, "inflate")
    for module in (projection, projector):
        counting(module, "entries")
    for module in (projection, walk):
        counting(module, "ends_from")
    return counts


def test_reading_ten_thousand_keys_inflates_once_and_walks_twice(calls: dict[str, int]) -> None:
    value = {f"part{number}": {"i": number} for number in range(10_000)}
    data, parts = shrink(CODEC.encode(value)), Projector()
    for number in range(10_000):
        assert CODEC.decode(parts.project("split", data, (f"part{number}", "i"))) == number
    assert calls["inflate"] == 1
    # Looking for a field of what a key leads to is a walk of one entry.
    assert calls["entries"] - 10_000 == 2


def test_reading_ten_thousand_places_of_a_tuple_walks_twice(calls: dict[str, int]) -> None:
    data, parts = CODEC.encode(tuple(range(10_000))), Projector()
    for number in range(10_000):
        assert CODEC.decode(parts.project("rows", data, (number - 10_000,))) == number
    assert (calls["inflate"], calls["ends_from"]) == (1, 2)


def test_a_list_of_a_hundred_thousand_items_is_split_in_one_walk(calls: dict[str, int]) -> None:
    rows = [{"id": number} for number in range(100_000)]
    found = split(shrink(CODEC.encode(rows)))
    assert (calls["inflate"], calls["ends_from"]) == (1, 1)
    assert len(found) == 100_000
    assert found.offsets.itemsize == 4
    assert CODEC.decode(found[99_999]) == {"id": 99_999}


@settings(max_examples=150)
@given(plain_values, st.lists(st.lists(locators, min_size=1, max_size=3), min_size=1, max_size=8))
def test_it_finds_the_same_parts_and_errors_as_projecting(value: Any, paths: Any) -> None:
    data = CODEC.encode([value, "x" * 3000])
    parts = Projector()
    for path in [*paths, *paths]:
        whole = (0, *path)
        assert outcome(lambda path: parts.project("v", data, path), whole) == outcome(
            lambda path: project(data, path), whole
        )


def outcome(find: Callable[[Any], bytes], path: Any) -> bytes | str:
    try:
        return find(path)
    except LocateError as error:
        return str(error)


KEYS: dict[Any, Any] = {
    **{f"filler{number}": number for number in range(300)},
    np.int64(3): "int64",
    np.str_("b"): "str_",
    np.float32(4): "float32",
    np.uint8(200): "uint8",
    np.bool_(True): "bool",
    np.longlong(9): "longlong",
    np.datetime64("2024"): "datetime64",
    np.bytes_(b"z"): "bytes_",
    Decimal("5"): "Decimal",
    Fraction(6): "Fraction",
    complex(7, 0): "complex",
    8.0: "float",
    2**70: "big",
    Word.YES: "yes",
    Level.HIGH: "level",
    Decimal("NaN"): "nan",
}


@pytest.mark.parametrize("key", [3, "b", 4, 200, 1, 9, 5, 6, 7, 8, 2**70, "yes", 2, "z", 10, "x"])
def test_a_key_is_found_in_bytes_where_it_is_found_in_the_dict(key: Any) -> None:
    data, parts = Codec([Word, Level]).encode(KEYS), Projector()
    read_whole = functools.partial(project, data, (key,))
    read_part = functools.partial(parts.project, "k", data, (key,))
    reads: list[Callable[[], bytes]] = [read_whole, *[read_part] * 3]
    for read in reads:
        try:
            wanted = locate(KEYS, (key,))
        except LocateError:
            with pytest.raises(LocateError):
                read()
        else:
            assert exact(CODEC.decode(read())) == exact(wanted)


def test_a_key_of_numpy_is_found_by_a_process_without_numpy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = CODEC.encode({np.int64(3): "x"})
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    assert Codec.opaque().decode(project(data, (3,))) == "x"


def test_the_cache_stays_within_its_limit() -> None:
    parts = Projector(limit_bytes=100_000)
    for number in range(20):
        data = CODEC.encode({f"k{place}": "x" * 100 for place in range(200)})
        for _ in range(3):
            parts.project(number, data, ("k7",))
        assert parts.size_bytes < 100_000
    big = CODEC.encode(["x" * 300_000])
    assert CODEC.decode(parts.project("big", big, (0,))) == "x" * 300_000
    parts.project("small", data, ("k7",))
    assert 0 < parts.size_bytes < 100_000


def test_a_value_that_replaced_another_is_read_itself() -> None:
    parts = Projector()
    for order in (Order(1, ["x" * 3000]), Order(2, ["x" * 3000])):
        for _ in range(3):
            assert CODEC.decode(parts.project("n", CODEC.encode(order), ("id",))) == order.id
