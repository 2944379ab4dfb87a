"""A part that is cut out of the bytes equals the same part of the decoded value."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.data_transport.bindings import Path
from astrum.data_transport.locate import locate
from astrum.errors import DecodeError, LocateError, TransportError
from astrum.values import (
    BlobRef,
    Codec,
    UnprojectableError,
    encode_reference,
    project,
    shrink,
)
from astrum.values.codes import Code, whole_ext
from tests.unit.values.samples import (
    CODEC,
    FRACTION,
    TYPES,
    Color,
    Customer,
    Key,
    Level,
    Loose,
    Order,
    Point,
    Word,
    exact,
    plain_keys,
    scalars,
)

NOTHING = object()
plain_values = st.recursive(
    scalars,
    lambda parts: st.one_of(
        st.lists(parts, max_size=4),
        st.lists(parts, max_size=20).map(tuple),
        st.dictionaries(plain_keys, parts, max_size=20),
        st.dictionaries(st.floats(-3, 3) | st.sampled_from([*Level, *Word]), parts, max_size=3),
        st.dictionaries(plain_keys, parts, max_size=4).map(OrderedDict),
        st.dictionaries(plain_keys, parts, max_size=4).map(lambda d: defaultdict(list, d)),
        st.builds(Point, parts, parts),
        st.builds(Order, parts),
        st.builds(Customer, name=st.text(max_size=3), data=parts),
        st.builds(Loose, number=st.integers(), more=parts),
    ),
    max_leaves=15,
)
locators = st.one_of(
    st.integers(-5, 5),
    st.text(max_size=3),
    st.sampled_from(["id", "lines", "total", "x", "y", "data", "name", "number", "more", "yes"]),
)


def part_of(value: Any, locator: str | int) -> Any:
    """Return the part that a locator means in a decoded value, or NOTHING."""
    if isinstance(value, dict):
        return dict(value).get(locator, NOTHING)
    if isinstance(value, Point) and isinstance(locator, str):
        return getattr(value, locator) if locator in ("x", "y") else NOTHING
    if isinstance(value, (list, tuple)) and isinstance(locator, int):
        return value[locator] if -len(value) <= locator < len(value) else NOTHING
    if isinstance(value, (Order, Customer, Loose, Key)) and isinstance(locator, str):
        return getattr(value, locator, NOTHING)
    return NOTHING


@settings(max_examples=300)
@given(plain_values, st.data())
def test_projecting_equals_decoding_and_indexing(value: Any, data: st.DataObject) -> None:
    encoded, part = CODEC.encode(value), value
    path: list[int | str] = []
    while part is not NOTHING and len(path) < 4:
        known = [*part] if isinstance(part, dict) else []
        known = [key for key in known if isinstance(key, (int, str))]
        locator = data.draw(locators | st.sampled_from(known) if known else locators)
        path.append(locator)
        part = part_of(part, locator)
        if part is NOTHING:
            with pytest.raises(LocateError) as caught:
                project(encoded, tuple(path))
            assert caught.value.locator == locator
        else:
            assert exact(CODEC.decode(project(encoded, tuple(path)))) == exact(part)


def test_the_empty_path_is_the_value_itself_in_whatever_form() -> None:
    reference = encode_reference(BlobRef("d", 1))
    assert project(b"\x07", ()) == b"\x07"
    assert project(reference, ()) is reference


def test_a_part_of_a_compressed_value_is_found() -> None:
    data = shrink(CODEC.encode({"rows": ["x" * 20_000, Point(1, 2)]}))
    assert CODEC.decode(project(data, ("rows", 1, "y"))) == 2


def test_a_part_of_a_stored_value_is_left_to_the_caller() -> None:
    with pytest.raises(UnprojectableError) as caught:
        project(encode_reference(BlobRef("d", 1)), ("rows",))
    assert isinstance(caught.value, TransportError)


def test_the_reader_of_a_part_needs_no_types() -> None:
    data = Codec(TYPES, extensions=[FRACTION]).encode(Order(Point(1, {"k": [Customer(name="a")]})))
    assert Codec().decode(project(data, ("id", "y", "k", -1, "name"))) == "a"


def test_parts_deep_in_big_values_are_found() -> None:
    rows = [{"id": i, "tags": ("a", f"tag-{i}"), "price": i / 7} for i in range(5_000)]
    data = CODEC.encode({"first": rows, "second": {"k" * 300: 1, 70_000: rows}})
    assert CODEC.decode(project(data, ("first", 4_321, "tags", 1))) == "tag-4321"
    assert CODEC.decode(project(data, ("second", 70_000, -1, "id"))) == 4_999


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, ("a",), "the result has no field 'a'; it is a dict without keys"),
        ({"id": 1}, ("a",), "it is a dict with the key 'id'"),
        ({1: 1, Color.RED: 2, (1,): 3}, (0,), "a dict with the keys 1, <enum>, <tuple>"),
        (
            {str(n): n for n in range(12)},
            ("a",),
            "'0', '1', '2', '3', '4', '5', '6', '7', '8', '9' and 2 more",
        ),
        ({"x" * 500: 1}, ("a",), "a dict with the key <a long key>"),
        ([1, 2], (2,), "the result has no index 2; it is a list of length 2"),
        ([1, 2], ("a",), "a list of length 2"),
        ((1,), (-2,), "a tuple of length 1"),
        ({1, 2}, (0,), "a set of 2, without order"),
        (frozenset(), (0,), "a frozenset of 0, without order"),
        (None, ("a",), "it is None"),
        (7, ("a",), "it is an int"),
        (True, (0,), "it is a bool"),
        ("text", (0,), "a str"),
        ("t" * 300, (0,), "a str"),
        (b"raw", (0,), "bytes"),
        (2**90, (0,), "it is an int"),
        (OrderedDict(a=1), ("b",), "an OrderedDict with the key 'a'"),
        (Counter("a"), ("b",), "a Counter with the key 'a'"),
        (defaultdict(int, a=1), ("b",), "a defaultdict with the key 'a'"),
        (Order(1), ("b",), "an Order with the fields 'id', 'lines', 'total'"),
        (Order(1), (0,), "an Order with the fields 'id', 'lines', 'total'"),
        (Point(1), ("z",), "a Point with the fields 'x', 'y'"),
        (Point(1), (2,), "a Point with the fields 'x', 'y'"),
        (Point(1), (-3,), "a Point with the fields 'x', 'y'"),
        (Loose.model_validate({"more": 1}), ("b",), "a Loose with the fields 'number', 'more'"),
        (Color.RED, ("name",), "it is a Color"),
        ([{"id": 1}], (0, "id", "x"), "it is an int"),
    ],
)
def test_a_part_that_is_not_there_is_an_error_that_tells_what_there_is(
    value: Any, path: Path, message: str
) -> None:
    with pytest.raises(LocateError) as caught:
        project(CODEC.encode(value), path)
    assert message in str(caught.value)
    assert caught.value.locator == path[-1]


@pytest.mark.parametrize("locator", ["nothing", 99])
@pytest.mark.parametrize(
    "value",
    [
        {},
        {"id": 1},
        {str(n): n for n in range(12)},
        {1: 1, None: 2, 2.5: 3, b"k": 4, False: 5, (1,): 6, Color.RED: 7},
        {"x" * 500: 1},
        OrderedDict(a=1),
        Counter("a"),
        defaultdict(int, a=1),
        [],
        [1, 2],
        (1,),
        Order(1),
        Key("k"),
        Point(1),
        Customer(name="a"),
        Loose.model_validate({"more": 1}),
        Color.RED,
        "text",
        b"raw",
        bytearray(b"raw"),
        7,
        2**90,
        True,
        2.5,
        1j,
        None,
        {1, 2},
        frozenset(),
        Decimal(1),
        UUID(int=1),
        date(2026, 1, 2),
    ],
    ids=repr,
)
def test_a_missing_part_gives_the_same_error_as_on_the_decoded_value(
    value: Any, locator: str | int
) -> None:
    with pytest.raises(LocateError) as living:
        locate(value, (locator,))
    with pytest.raises(LocateError) as encoded:
        project(CODEC.encode(value), (locator,))
    assert str(encoded.value) == str(living.value)


def test_an_unequal_enum_member_is_not_the_key_of_its_value() -> None:
    data = CODEC.encode({Color.GREEN: 1, Word.YES: 2, Level.HIGH: 3})
    assert CODEC.decode(project(data, ("yes",))) == 2
    assert CODEC.decode(project(data, (2,))) == 3
    with pytest.raises(LocateError):
        project(data, ("green",))


def test_locators_beyond_msgpack_are_found_or_reported_like_others() -> None:
    assert project(CODEC.encode({2**70: 1}), (2**70,)) == b"\x01"
    with pytest.raises(LocateError):
        project(CODEC.encode({"a": 1}), ("\ud800",))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x81",
        b"\x81\xa1",
        b"\xdf\xff\xff\xff\xff",
        b"\xdd\xff\xff\xff\xff\x01",
        b"\xc1",
        b"\xc9\xff\xff\xff\xff\x01",
        b"\x91" * 3_000,
        whole_ext(Code.DATACLASS, b""),
        whole_ext(Code.DATACLASS, b"\x92\xa1x"),
        whole_ext(Code.TUPLE, b""),
        whole_ext(Code.DEFAULT_DICT, b"\x92"),
        whole_ext(Code.ENUM, b"\x90"),
        b"\x81" + whole_ext(Code.ENUM, b"\x07") + b"\x01",
        b"\x81" + whole_ext(Code.ENUM, b"\x91\x07") + b"\x01",
        b"\x81" + whole_ext(Code.ENUM, b"\xa1x") + b"\x01",
    ],
)
@pytest.mark.parametrize("locator", ["a", 3])
def test_bytes_that_are_not_a_value_are_a_transport_error(data: bytes, locator: str | int) -> None:
    with pytest.raises((DecodeError, LocateError)):
        project(data, (locator, locator))
