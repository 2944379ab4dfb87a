"""Headers of runs: read back as written, any other bytes refused; the identity of a run."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.protocol.run_header import (
    RunHeader,
    decode_header,
    differences,
    encode_header,
    identity_of,
)
from astrum.values.payload import pack_result

HEADER = RunHeader("billing", "c0ffee", {"day": b"\x07", "limit": b"\x01"}, -3)
FIELDS = [1, "billing", "c0ffee", [["day", b"\x07"]], 0]


def packed(value: Any) -> bytes:
    return pack_result("t", msgpack.packb(value)).value


@given(
    st.text(),
    st.text(),
    st.dictionaries(st.text(), st.binary()),
    st.integers(-9, 9),
)
def test_a_header_is_read_back_as_it_was_written(
    flow: str, digest: str, inputs: dict[str, bytes], priority: int
) -> None:
    header = RunHeader(flow, digest, inputs, priority)
    assert decode_header(encode_header(header)) == header


@given(st.binary(max_size=60))
def test_any_bytes_are_a_header_or_refused(data: bytes) -> None:
    try:
        header = decode_header(data)
    except DecodeError:
        return
    assert decode_header(encode_header(header)) == header


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (0, 2),
        (1, 7),
        (2, None),
        (3, 5),
        (3, [["day"]]),
        (3, [[b"day", b""]]),
        (4, "1"),
        (4, 10),
        (4, True),
    ],
)
def test_a_damaged_field_is_refused(place: int, value: Any) -> None:
    fields = [*FIELDS[:place], value, *FIELDS[place + 1 :]]
    with pytest.raises(DecodeError, match="the header of a run has"):
        decode_header(msgpack.packb(fields))


def test_fields_of_later_versions_are_ignored() -> None:
    assert decode_header(msgpack.packb([*FIELDS, "more"])).flow == "billing"


def test_the_identity_of_a_run_is_its_flow_and_its_inputs() -> None:
    one = identity_of("n", {"a": packed({"x": 1, "y": [{"u": 1, "v": 2}]}), "b": packed(2)})
    same = identity_of("n", {"b": packed(2), "a": packed({"y": [{"v": 2, "u": 1}], "x": 1})})
    assert one == same
    others = [
        identity_of("m", {"a": packed({"x": 1})}),
        identity_of("n", {"a": packed({"x": 1})}),
        identity_of("n", {"a": packed({"x": 2})}),
        identity_of("n", {"a": packed([["x", 1]])}),
        identity_of("n", {}),
    ]
    assert len({one, *others}) == 6


def test_a_big_map_is_compared_by_its_content_when_it_is_compressed() -> None:
    big = {f"key {n}": "x" * 50 for n in range(100)}
    turned = dict(reversed(big.items()))
    assert identity_of("n", {"a": packed(big)}) == identity_of("n", {"a": packed(turned)})


def test_the_difference_of_two_runs_is_named() -> None:
    other = HEADER._replace(inputs={"day": b"\x08", "limit": b"\x01", "more": b"\x01"})
    assert differences(HEADER, HEADER._replace(priority=1, plan_digest="other")) == ""
    assert differences(HEADER, other) == "with another 'day', 'more'"
    assert differences(HEADER, HEADER._replace(flow="n")) == "of flow 'billing'"
