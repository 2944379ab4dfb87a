"""Splicing arguments, cutting them apart, and references to stored values."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.wire import (
    BlobRef,
    encode_reference,
    pack_arguments,
    reference_of,
    shrink,
    unpack_arguments,
)
from astrum.wire.codes import Code, whole_ext
from tests.unit.wire.samples import CODEC, values

names = st.text(max_size=8) | st.integers(0, 40)
blob_refs = st.builds(
    BlobRef, st.text(max_size=70), st.integers(0, 2**40), st.lists(names, max_size=4).map(tuple)
)


@given(st.dictionaries(names, values, max_size=20))
def test_arguments_are_joined_and_cut_apart_without_decoding(arguments: dict[Any, Any]) -> None:
    encoded = {name: CODEC.encode(value) for name, value in arguments.items()}
    assert unpack_arguments(pack_arguments(encoded.items())) == encoded


@pytest.mark.parametrize("count", [0, 1, 15, 16, 300])
def test_any_number_of_arguments_fits(count: int) -> None:
    arguments = dict.fromkeys(range(count), b"\xc0")
    packed = pack_arguments(arguments.items())
    assert unpack_arguments(packed) == arguments
    assert len(msgpack.unpackb(packed, strict_map_key=False)) == count


def test_compressed_values_and_references_are_spliced_as_they_are() -> None:
    parts = {"a": shrink(CODEC.encode("x" * 20_000)), "b": encode_reference(BlobRef("d", 1))}
    assert unpack_arguments(pack_arguments(parts.items())) == parts


def test_more_arguments_than_a_task_can_have_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="70000 arguments"):
        pack_arguments((number, b"\xc0") for number in range(70_000))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "cut short"),
        (b"\x90", "must be a msgpack map"),
        (b"\x81\xa1a", "cut short"),
        (b"\x81\xa1a\x01\x01", "1 bytes follow"),
        (b"\x80\x80", "1 bytes follow"),
        (b"\x82\xa1a\x01\xa1a\x02", "'a' arrived twice"),
        (b"\x81\xc0\x01", "must be a text or a position"),
        (b"\x81\xc3\x01", "must be a text or a position"),
        (b"\x81\x90\x01", "must be a text or a position"),
        (b"\x81\xa1\xff\x01", "damaged"),
        (b"\x81\xc1\x01", "no encoded value"),
    ],
)
def test_anything_but_a_map_of_arguments_is_a_decode_error(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        unpack_arguments(data)


@given(blob_refs)
def test_a_reference_comes_back_as_it_was(ref: BlobRef) -> None:
    assert reference_of(encode_reference(ref)) == ref


@given(values)
def test_a_value_is_no_reference(value: Any) -> None:
    assert reference_of(CODEC.encode(value)) is None


def test_decoding_a_reference_says_to_fetch_it() -> None:
    for data in (encode_reference(BlobRef("d", 1)), b"\x91" + encode_reference(BlobRef("d", 1))):
        with pytest.raises(DecodeError, match="must be fetched"):
            CODEC.decode(data)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc0", b"\x90", *map(msgpack.packb, ([1, 1, []], ["d", "1", []], ["d", 1, [None]]))],
)
def test_a_damaged_reference_is_a_decode_error(payload: bytes) -> None:
    data = whole_ext(Code.REFERENCE, payload)
    for damaged in (data, data + b"\x00", data[:-1] if payload else data):
        with pytest.raises(DecodeError):
            reference_of(damaged)
