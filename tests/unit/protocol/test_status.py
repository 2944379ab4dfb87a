"""Reports of workers are checked, since they come from an untrusted source."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.protocol import status
from astrum.protocol.status import decode_served, decode_status
from tests.unit.values.test_hostile_bytes import at_most

ROW = {"run_id": "r", "task": 0, "task_id": "t", "attempt": 1, "age_s": 0.5}
anything = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)


def test_what_a_worker_serves_comes_back() -> None:
    rows = [("n", "t", "f"), ("n", "u", "")]
    assert decode_served(msgpack.packb(rows)) == {("n", "t"): "f", ("n", "u"): ""}
    assert decode_served(b"") == {}


@given(st.binary(max_size=50) | anything.map(msgpack.packb))
def test_anything_else_is_a_decode_error_or_a_list_of_texts(data: bytes) -> None:
    try:
        served = decode_served(data)
    except DecodeError:
        return
    assert all(type(text) is str for key, value in served.items() for text in (*key, value))


@given(st.binary(max_size=50) | anything.map(msgpack.packb))
def test_a_status_is_always_a_map(data: bytes) -> None:
    assert isinstance(decode_status(data).get("running", []), list)


@pytest.mark.parametrize("field", ROW)
def test_rows_that_lack_a_field_or_have_a_wrong_one_are_left_out(field: str) -> None:
    lacking: dict[str, Any] = {name: value for name, value in ROW.items() if name != field}
    rows = [ROW, lacking, {**ROW, field: []}, 7]
    assert decode_status(msgpack.packb({"running": rows, "free": 1})) == {
        "running": [ROW],
        "free": 1,
    }


def test_what_blocks_a_worker_is_read_if_it_is_told_as_it_should_be() -> None:
    block = {"age_s": 2, "where": "pdf.py:88 in parse", "task_id": "", "source": "parse()"}
    said = {"running": [{**ROW, "blocks": "pdf.py:88"}], "blocked": block}
    assert decode_status(msgpack.packb(said)) == said


@pytest.mark.parametrize("block", [7, {}, {"age_s": "2", "where": "x", "task_id": ""}])
def test_anything_else_about_what_blocks_a_worker_is_left_out(block: Any) -> None:
    said = {"running": [{**ROW, "blocks": 88}], "blocked": block}
    assert decode_status(msgpack.packb(said)) == {"running": [], "blocked": None}


def test_a_status_beyond_the_limit_and_false_counts_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with at_most(16):
        assert decode_status(b"\xdd\x00\x0f\x00\x00" * 1_000 + b"\xc0" * 1_000_000) == {}
    monkeypatch.setattr(status, "MAX_STATUS_BYTES", 10)
    assert decode_status(msgpack.packb({"running": [ROW]})) == {}
