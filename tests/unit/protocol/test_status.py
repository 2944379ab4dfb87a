"""Reports of workers are checked, since they come from an untrusted source."""

from __future__ import annotations

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.protocol import status
from astrum.protocol.status import (
    CoordinatorStatus,
    LaneStatus,
    LedRun,
    LoopBlock,
    RunningAttempt,
    ServedTask,
    WaitingAttempt,
    WorkerStatus,
    decode_coordinator_status,
    decode_served,
    decode_status,
    encode_coordinator_status,
    encode_served,
    encode_status,
)
from tests.unit.values.test_hostile_bytes import at_most

ROW = ["r", 0, "t", 1, 0.5]
ATTEMPT = RunningAttempt("r", 0, "t", 1, 0.5)
anything = st.recursive(
    st.none() | st.integers(-5, 5) | st.text(max_size=3) | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
)
parts = st.sampled_from([*WorkerStatus.__dataclass_fields__, "later"])


def test_what_a_coordinator_says_comes_back() -> None:
    led = LedRun("r", {"q": 1}, 10, 2, True, "no worker serves 't'", 9.5, "OOM", 3)
    said = CoordinatorStatus(
        led_count=1, ready={"q": 1}, paused={"q": 1}, leaderships=(led, LedRun("s", {}, 1, 0))
    )
    assert decode_coordinator_status(encode_coordinator_status(said)) == said


def test_what_a_worker_serves_comes_back() -> None:
    served = {("n", "t"): ServedTask("f", "o", "c"), ("n", "u"): ServedTask("")}
    assert decode_served(encode_served(served)) == served
    assert decode_served(b"") == {}


def test_rows_of_served_tasks_may_lack_the_last_parts_or_have_more() -> None:
    rows = [("n", "t", "f"), ("n", "u", "f", "o", "c", "later", 7)]
    expected = {("n", "t"): ServedTask("f"), ("n", "u"): ServedTask("f", "o", "c")}
    assert decode_served(msgpack.packb(rows)) == expected


@given(st.binary(max_size=50) | anything.map(msgpack.packb))
def test_anything_else_is_a_decode_error_or_a_list_of_strings(data: bytes) -> None:
    try:
        served = decode_served(data)
    except DecodeError:
        return
    assert all(type(text) is str for key, value in served.items() for text in (*key, *value))


FULL = WorkerStatus(
    running=(ATTEMPT, RunningAttempt("r", 1, "u", 2, 3.0, "pdf.py:88", child="u[1]")),
    waiting=(WaitingAttempt("r", 2, "v", 1, 0.1, "async", "v[0]"),),
    lanes={"async": LaneStatus(8, 2, 6, 0.2), "thread": LaneStatus(4, 0)},
    not_claiming=("draining",),
    blocked=LoopBlock(2.0, "pdf.py:88 in parse", "u", "parse()"),
    unsettled=3,
    drain_left_s=9.5,
    hung_threads=1,
    rss_bytes=50_000_000,
    cpu_s=12.5,
    counters={"claimed": 7},
)


@pytest.mark.parametrize("said", [FULL, WorkerStatus()])
def test_a_status_comes_back(said: WorkerStatus) -> None:
    assert decode_status(encode_status(said)) == said


def test_a_status_of_a_later_version_is_read_as_far_as_it_is_known() -> None:
    said = msgpack.unpackb(encode_status(FULL))
    said["later"] = 1
    for rows in (said["running"], said["waiting"], said["lanes"].values(), [said["blocked"]]):
        for row in rows:
            row += [None] * (11 - len(row)) + ["later"]
    assert decode_status(msgpack.packb(said)) == FULL


@given(st.binary(max_size=50) | st.dictionaries(parts, anything).map(msgpack.packb))
def test_a_status_is_read_from_any_bytes(data: bytes) -> None:
    status = decode_status(data)
    assert all(type(row) is RunningAttempt for row in status.running)
    assert decode_status(encode_status(status)) == status


@pytest.mark.parametrize("field", range(len(ROW)))
def test_rows_that_lack_a_part_or_have_a_wrong_one_are_left_out(field: int) -> None:
    wrong = [*ROW[:field], [], *ROW[field + 1 :]]
    rows = [ROW, ROW[:field], wrong, 7, [*ROW, "pdf.py:88"], [*ROW, 88]]
    status = decode_status(msgpack.packb({"running": rows, "unsettled": -1}))
    assert status == WorkerStatus(running=(ATTEMPT, ATTEMPT._replace(blocks="pdf.py:88"), ATTEMPT))


@pytest.mark.parametrize("block", [7, {}, [], ["2", "x"], [2], [float("nan"), "x"]])
def test_anything_else_about_what_blocks_a_worker_is_left_out(block: Any) -> None:
    assert decode_status(msgpack.packb({"blocked": block})).blocked is None


def test_a_status_beyond_the_limit_and_false_counts_are_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with at_most(16):
        false_counts = b"\xdd\x00\x0f\x00\x00" * 1_000 + b"\xc0" * 1_000_000
        assert decode_status(false_counts) == WorkerStatus()
    monkeypatch.setattr(status, "MAX_STATUS_BYTES", 10)
    assert decode_status(encode_status(FULL)) == WorkerStatus()
