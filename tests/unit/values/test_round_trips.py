"""Decoded values equal the encoded ones, types included."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections import Counter, OrderedDict, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.values import Codec, shrink
from tests.unit.values.samples import CODEC, FRACTION, TYPES, Point, exact, values


@settings(max_examples=150)
@given(values)
def test_every_supported_value_comes_back_equal_and_with_the_same_types(value: Any) -> None:
    assert exact(CODEC.decode(CODEC.encode(value))) == exact(value)


@given(values)
def test_a_compressed_value_decodes_to_the_same(value: Any) -> None:
    data = CODEC.encode([value, "x" * 20_000])
    assert len(shrink(data)) < len(data)
    assert exact(CODEC.decode(shrink(data))[0]) == exact(value)


@pytest.mark.parametrize(
    "value",
    [
        bytearray(b"x"),
        [bytearray(b"x"), {"k": [bytearray(b"y")]}],
        (bytearray(b"x"),),
        {"big": ["y" * 600, 0.1, bytearray(b"x")]},
        [b"x", bytearray(b"x")] * 300,
    ],
)
def test_a_bytearray_does_not_become_bytes_wherever_it_stands(value: Any) -> None:
    assert exact(CODEC.decode(CODEC.encode(value))) == exact(value)


@pytest.mark.parametrize("factory", [None, int, list, dict, set])
def test_a_defaultdict_keeps_its_factory(factory: Any) -> None:
    value = CODEC.decode(CODEC.encode(defaultdict(factory, {"a": 1})))
    assert type(value) is defaultdict
    assert value.default_factory is factory


_MIXED = [0, -1, 7, 2.5, "a", "b", "ab", b"a", None, (1, "x"), ("x", 1), frozenset({1, "y"})]


@given(st.permutations(_MIXED), st.permutations(_MIXED))
def test_equal_sets_are_equal_bytes_however_they_were_made(one: list[Any], two: list[Any]) -> None:
    for kind in (set, frozenset):
        assert CODEC.encode({"k": [kind(one)]}) == CODEC.encode({"k": [kind(two)]})


def test_sets_are_equal_bytes_in_processes_with_other_hash_seeds() -> None:
    code = """if True:
        from astrum.values import Codec
        words = {f"word {number}" for number in range(100)}
        print(Codec().encode([words, frozenset(words)]).hex())"""
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1


def test_frozensets_inside_each_other_are_encoded_once_each() -> None:
    value: Any = frozenset({0})
    for _ in range(40):
        value = frozenset({value})
    assert CODEC.decode(CODEC.encode(value)) == value


def test_dicts_keep_the_order_of_their_keys() -> None:
    assert list(CODEC.decode(CODEC.encode({"b": 1, "a": 2}))) == ["b", "a"]


def test_order_and_zero_counts_survive() -> None:
    ordered = OrderedDict([("b", 1), ("a", 2)])
    ordered.move_to_end("b")
    assert list(CODEC.decode(CODEC.encode(ordered))) == ["a", "b"]
    assert CODEC.decode(CODEC.encode(Counter(a=0, b=-1))).items() == Counter(a=0, b=-1).items()


def test_the_second_of_two_equal_wall_clock_times_stays_the_second() -> None:
    late = datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert CODEC.decode(CODEC.encode(late)).utcoffset() == late.utcoffset()
    assert CODEC.decode(CODEC.encode(late.astimezone(UTC))).tzinfo is UTC


def test_a_signalling_decimal_nan_travels() -> None:
    assert str(CODEC.decode(CODEC.encode(Decimal("-sNaN3")))) == "-sNaN3"


def test_values_are_read_from_a_view_without_a_copy_of_the_whole() -> None:
    assert CODEC.decode(memoryview(CODEC.encode([1, (2,)]))) == [1, (2,)]
    assert CODEC.decode(memoryview(shrink(CODEC.encode("x" * 20_000)))) == "x" * 20_000


def test_plain_values_are_plain_msgpack_so_that_others_can_read_them() -> None:
    value = {"id": 1, "names": ["a", None, 1.5, True], "raw": b"x"}
    assert msgpack.unpackb(CODEC.encode(value)) == value


def test_timestamps_of_other_msgpack_writers_are_read_as_datetimes() -> None:
    moment = datetime(2024, 1, 2, tzinfo=UTC)
    assert CODEC.decode(msgpack.packb(moment, datetime=True)) == moment


def test_threads_share_a_codec() -> None:
    codec, failures = Codec(TYPES, extensions=[FRACTION]), []

    def work(number: int) -> None:
        value = [Point(number, (i, {"k": [number] * 50})) for i in range(50)]
        for _ in range(20):
            if codec.decode(codec.encode(value)) != value:
                failures.append(number)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
