"""Encoded lists are cut into the items that projecting gives, and joined to the same list."""

from __future__ import annotations

import copy
import pickle
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from astrum.errors import DecodeError, LocateError, NotAListError, TransportError
from astrum.values import (
    ABSENT,
    BlobRef,
    Codec,
    UnprojectableError,
    encode_reference,
    fill_absent,
    join,
    list_length,
    project,
    shrink,
    split,
)
from astrum.values.lists import ABSENT_ITEM
from astrum.values.unsent import encode_unsent
from tests.unit.values.samples import CODEC, Order, Point, exact
from tests.unit.values.test_projection import plain_values

kinds = st.sampled_from([list, tuple])
paths = st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=3).map(tuple)


def under(path: Any, value: Any) -> Any:
    """Return a value that has ``value`` at ``path``."""
    for step in reversed(path):
        value = {step: value} if isinstance(step, str) else [*[None] * step, value]
    return value


@given(st.lists(plain_values, max_size=20), kinds, paths)
def test_an_item_of_a_split_list_is_what_projecting_gives(
    items: list[Any], kind: Any, path: Any
) -> None:
    data = CODEC.encode(under(path, kind(items)))
    found = split(data, path)
    assert len(found) == list_length(data, path) == len(items)
    assert list(found) == [found[number] for number in range(len(items))]
    assert list(found) == [project(data, (*path, number)) for number in range(len(items))]
    assert [exact(CODEC.decode(item)) for item in found] == [exact(item) for item in items]


@given(st.lists(plain_values, max_size=20), kinds)
def test_joining_the_items_gives_the_list(items: list[Any], kind: Any) -> None:
    found = list(split(CODEC.encode(kind(items))))
    assert found == [CODEC.encode(item) for item in items]
    assert join(found) == CODEC.encode(items)
    assert join([shrink(item) for item in found]) == join(found)


@pytest.mark.parametrize("count", [0, 15, 16, 65_535, 65_536])
def test_lists_of_every_length_are_split_and_joined(count: int) -> None:
    data = CODEC.encode(list(range(count)))
    assert len(split(data)) == count
    assert join(list(split(data))) == data


def test_a_compressed_list_is_split_and_compressed_items_are_joined() -> None:
    rows = ["x" * 50_000, ("y" * 50_000, 7), 3]
    data = shrink(CODEC.encode(rows))
    assert len(data) < 10_000
    assert join(list(split(data))) == CODEC.encode(rows)
    items = [shrink(CODEC.encode(row)) for row in rows]
    assert sum(map(len, items)) < 10_000
    assert CODEC.decode(join(items)) == rows


@given(plain_values)
def test_what_is_not_a_list_is_refused_by_its_kind(value: Any) -> None:
    assume(type(value) not in (list, tuple))
    data = CODEC.encode(value)
    for read in (split, list_length):
        with pytest.raises(NotAListError, match=r"it is .*, not a list or tuple"):
            read(data)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({1, 2}, "a set of 2, without order"),
        ({"a": 1}, "a dict with the key 'a'"),
        ("text", "a str"),
        (b"bytes", "bytes"),
        (None, "None"),
        (7, "an int"),
        (Point(1, 2), "a Point with the fields 'x', 'y'"),
        (Order(7), "an Order with the fields 'id', 'lines', 'total'"),
    ],
)
def test_the_refusal_says_what_there_is_instead(value: Any, found: str) -> None:
    with pytest.raises(NotAListError) as caught:
        list_length(CODEC.encode({"rows": value}), ("rows",))
    assert caught.value.found == found
    assert str(caught.value) == f"it is {found}, not a list or tuple"


def test_a_list_that_is_not_there_is_a_locate_error() -> None:
    with pytest.raises(LocateError, match="no field 'rows'"):
        split(CODEC.encode({"lines": []}), ("rows",))


@pytest.mark.parametrize("read", [split, list_length])
def test_a_list_that_is_stored_elsewhere_or_cut_short_is_refused(read: Any) -> None:
    with pytest.raises(UnprojectableError):
        read(encode_reference(BlobRef("d", 1)))
    with pytest.raises(DecodeError):
        read(b"\xdd\xff\xff\xff\xff\x01")
    with pytest.raises(DecodeError):
        split(CODEC.encode([1, "xxx"])[:-1])


@given(st.binary(max_size=200))
def test_any_bytes_raise_errors_of_ours_only(data: bytes) -> None:
    for lists in (data, b"\xdd\xff\xff\xff\xff" + data, b"\x93" + data):
        with suppress(TransportError):
            list_length(lists)
        with suppress(TransportError):
            found = split(lists)
            assert len(found) == list_length(lists)
    with suppress(TransportError):
        assert len(split(join([data, None, data]))) == 3


def test_what_cannot_stand_in_a_list_is_not_joined() -> None:
    with pytest.raises(UnprojectableError):
        join([b"\x07", encode_reference(BlobRef("d", 1))])
    with pytest.raises(DecodeError, match="left out"):
        join([encode_unsent(_refusal())])
    with pytest.raises(DecodeError, match="item 1: "):
        join([b"\x07", b"\x07\x08", b"\x09"])
    with pytest.raises(DecodeError, match="item 1: "):
        join([b"\x07", b"\xa5abc"])


def _refusal() -> Any:
    try:
        CODEC.encode(object())
    except TransportError as error:
        return error


def test_an_item_beyond_the_end_is_an_index_error() -> None:
    found = split(CODEC.encode([1]))
    for number in (-1, 1):
        with pytest.raises(IndexError, match=f"no item {number} in a list of length 1"):
            found[number]


# --- elements without a result ----------------------------------------------------------------


@given(st.lists(st.none() | plain_values, max_size=8))
def test_a_missing_item_is_decoded_to_absent(items: list[Any]) -> None:
    joined = join([None if item is None else CODEC.encode(item) for item in items])
    found = CODEC.decode(joined)
    assert [item is ABSENT for item in found] == [item is None for item in items]
    assert CODEC.encode(found) == joined


def test_absent_is_one_value_in_every_process() -> None:
    assert CODEC.decode(ABSENT_ITEM) is ABSENT
    assert Codec.opaque().decode(ABSENT_ITEM) is ABSENT
    assert copy.deepcopy(ABSENT) is ABSENT
    assert pickle.loads(pickle.dumps(ABSENT)) is ABSENT
    assert repr(ABSENT) == "<absent>"


nested = st.recursive(
    st.integers() | st.just(ABSENT), lambda parts: st.lists(parts, max_size=4), max_leaves=20
)


def filled(value: Any, depth: int, default: Any) -> Any:
    if value is ABSENT:
        return default
    if depth == 0 or not isinstance(value, list):
        return value
    return [filled(item, depth - 1, default) for item in value]


@given(nested, st.integers(0, 3), st.none() | st.lists(st.integers(), max_size=2))
def test_the_default_stands_in_every_place_down_to_the_depth(
    value: Any, depth: int, default: Any
) -> None:
    wanted = filled(copy.deepcopy(value), depth, default)
    assert exact(fill_absent(value, depth, default)) == exact(wanted)


def test_each_place_gets_a_default_of_its_own() -> None:
    first, second = fill_absent([ABSENT, ABSENT], 1, [])
    first.append(1)
    assert second == []


def test_splitting_and_joining_ten_thousand_items_of_1_kib_takes_no_longer_than_it_may() -> None:
    data = CODEC.encode(["x" * 1024] * 10_000)
    took = []
    for _ in range(5):
        begun = time.process_time()
        assert len(join(list(split(data)))) == len(data)
        took.append(time.process_time() - begun)
    assert min(took) < 0.05
