"""Any bytes give a value or one of Astrum's errors, in bounded time and memory."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pandas  # noqa: F401  imported here, that no example has to wait for it
import polars  # noqa: F401
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.errors import DecodeError, LocateError, TransportError
from astrum.protocol.messages import decode_entry
from astrum.protocol.task_message import decode_message
from astrum.values import (
    Codec,
    builtin_types,
    inflate,
    project,
    reference_of,
    shrink,
    unpack_arguments,
)
from astrum.values.codes import Code, whole_ext
from tests.unit.values.samples import CODEC, values

READERS: list[Callable[[bytes], Any]] = [
    CODEC.decode,
    Codec().decode,
    Codec.opaque().decode,
    inflate,
    reference_of,
    unpack_arguments,
    lambda data: project(data, (0,)),
    lambda data: project(data, ("a", -1)),
    decode_message,
    decode_entry,
]
codes = st.sampled_from([int(code) for code in Code])


def read_all_ways(data: bytes) -> None:
    for read in READERS:
        with suppress(DecodeError, LocateError):
            read(data)


@contextmanager
def at_most(megabytes: float) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1024 * 1024
    finally:
        tracemalloc.stop()


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_random_bytes_never_raise_anything_else(data: bytes) -> None:
    read_all_ways(data)


@settings(max_examples=200)
@given(codes, st.binary(max_size=60))
def test_random_payloads_of_our_extension_items_never_raise_anything_else(
    code: int, payload: bytes
) -> None:
    read_all_ways(whole_ext(Code(code), payload))


@settings(max_examples=200)
@given(codes, values)
def test_payloads_of_the_wrong_shape_never_raise_anything_else(code: int, value: Any) -> None:
    read_all_ways(whole_ext(Code(code), CODEC.encode(value)))
    read_all_ways(whole_ext(Code(code), CODEC.encode(["tests.unit.values.samples.Order", value])))


@settings(max_examples=200)
@given(values, st.data())
def test_damaged_values_never_raise_anything_else(value: Any, data: st.DataObject) -> None:
    encoded = bytearray(CODEC.encode(value))
    for _ in range(data.draw(st.integers(1, 3))):
        encoded[data.draw(st.integers(0, len(encoded) - 1))] = data.draw(st.integers(0, 255))
    read_all_ways(bytes(encoded))
    read_all_ways(bytes(encoded[: data.draw(st.integers(0, len(encoded)))]))


@given(values, st.binary(min_size=1, max_size=5))
def test_bytes_after_a_value_are_refused(value: Any, more: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(CODEC.encode(value) + more)


@pytest.mark.parametrize(
    "header", [b"\xdd\x00\x0f\x00\x00", b"\xdf\x00\x07\x00\x00", b"\xdc\xff\xff"]
)
def test_false_counts_reserve_no_memory(header: bytes) -> None:
    data = header * 1_000 + b"\xc0" * 1_000_000
    for read in READERS:
        if read in (inflate, reference_of):
            continue
        with at_most(16), pytest.raises(TransportError):
            read(data)


def test_false_counts_in_small_messages_reserve_little() -> None:
    data = b"\xdc\x03\xe0" * 330
    with at_most(8), pytest.raises(DecodeError):
        CODEC.decode(data)


def test_a_compression_bomb_is_refused_before_it_is_built() -> None:
    bomb = zlib.compress(bytes(60_000_000))
    for claimed, limit, message in ((0xFFFFFFFF, 1, "64 MiB"), (1_000_000, 8, "than it claims")):
        data = whole_ext(Code.COMPRESSED, b"\x01" + claimed.to_bytes(4, "big") + bomb)
        with at_most(limit), pytest.raises(DecodeError, match=message):
            inflate(data)


def test_compressed_values_inside_values_are_refused_so_that_they_cannot_multiply() -> None:
    inner = shrink(CODEC.encode("x" * 100_000))
    with pytest.raises(DecodeError, match="may not stand inside"):
        CODEC.decode(b"\x92" + inner + inner)


def test_extension_items_inside_each_other_are_bounded() -> None:
    data = b"\x90"
    for _ in range(500):
        data = whole_ext(Code.TUPLE, b"\x91" + data)
    with pytest.raises(DecodeError, match="nested too deep"):
        CODEC.decode(data)


def test_lists_inside_each_other_are_bounded() -> None:
    for data in (b"\x91" * 100_000, b"\x81\x01" * 100_000, b"\x91" * 2_000 + b"\xc0"):
        read_all_ways(data)
        with pytest.raises(DecodeError):
            CODEC.decode(data)


def test_an_unknown_extension_item_names_the_remedy() -> None:
    with pytest.raises(DecodeError, match="unknown extension 99: run the same Astrum version"):
        CODEC.decode(b"\xd4\x63\x00")


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "No/Such_Zone", "a.b", ""])
def test_time_zones_are_looked_up_only_by_names_of_zones(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if key != "No/Such_Zone":
        monkeypatch.setattr(builtin_types, "ZoneInfo", pytest.fail)
    payload = Codec().encode([2020, 1, 1, 0, 0, 0, 0, 0, key])
    with pytest.raises(DecodeError):
        CODEC.decode(whole_ext(Code.DATETIME, payload))
