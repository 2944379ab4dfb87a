"""Splicing arguments, cutting them apart, and references to stored values."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.values import (
    BlobRef,
    encode_reference,
    pack_arguments,
    reference_of,
    shrink,
    unpack_arguments,
)
from astrum.values.codes import Code, whole_ext
from tests.unit.values.samples import CODEC, values

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
    assert len(msgpack.unpackb(packed)) == 2 * count


def test_compressed_values_and_references_are_spliced_unchanged() -> None:
    parts = {"a": shrink(CODEC.encode("x" * 20_000)), "b": encode_reference(BlobRef("d", 1))}
    assert unpack_arguments(pack_arguments(parts.items())) == parts


def test_more_arguments_than_a_task_can_have_are_a_value_error() -> None:
    with pytest.raises(ValueError, match="70000 arguments"):
        pack_arguments((number, b"\xc0") for number in range(70_000))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a msgpack message"),
        (b"\x80", "must be an array of names and values"),
        (b"\x91\xa1a", "must be an array of names and values"),
        (b"\x92\xa1a", "not a msgpack message"),
        (b"\x92\xa1a\xc4\x01\x01\x01", "not a msgpack message"),
        (b"\x94\xa1a\xc4\x00\xa1a\xc4\x00", "'a' arrived twice"),
        (b"\x92\xc0\xc4\x00", "must be a string or a position"),
        (b"\x92\xc3\xc4\x00", "must be a string or a position"),
        (b"\x92\x90\xc4\x00", "must be a string or a position"),
        (b"\x92\xc4\x00\xc4\x00", "must be a string or a position"),
        (b"\x92\xa1a\x07", "must be a byte string"),
        (b"\x92\xa1\xff\xc4\x00", "not a msgpack message"),
        (b"\x92\xc1\xc4\x00", "not a msgpack message"),
    ],
)
def test_anything_but_names_and_values_is_a_decode_error(data: bytes, message: str) -> None:
    with pytest.raises(DecodeError, match=message):
        unpack_arguments(data)


@given(blob_refs)
def test_a_reference_is_decoded_unchanged(ref: BlobRef) -> None:
    assert reference_of(encode_reference(ref)) == ref


@given(values)
def test_a_value_is_not_a_reference(value: Any) -> None:
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
