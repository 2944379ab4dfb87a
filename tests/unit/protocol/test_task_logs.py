"""Stored logs: what is kept of them, and hostile bytes that end in a DecodeError."""

from __future__ import annotations

import math

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.errors import DecodeError
from astrum.execution.captured_log import CapturedLog
from astrum.machine.task_log import LogLine, TaskLog
from astrum.protocol.sealing import Seal
from astrum.protocol.task_logs import (
    MAX_LINE_CHARACTERS,
    MAX_LOG_BYTES,
    LogRows,
    decode_log,
    encode_line,
    encode_log,
)
from astrum.values.compression import inflate

HOSTILE = "\x1b[2J \u202e </script> \x00 \ud800 é\n  second line"


def stored(log: CapturedLog, *, is_whole: bool = True) -> TaskLog:
    return decode_log(encode_log(log.rows(), "w", is_whole=is_whole))


def test_a_log_keeps_its_lines_as_they_were() -> None:
    log = CapturedLog()
    log.add(1.25, 20, "shop", HOSTILE)
    log.add(2.0, 35, "", "")
    assert stored(log, is_whole=False) == TaskLog(
        "w",
        (
            LogLine(1.25, 20, "shop", HOSTILE.replace("\ud800", "\\ud800")),
            LogLine(2.0, 35, "", ""),
        ),
        is_whole=False,
    )


def test_times_are_put_on_the_clock_of_the_server() -> None:
    rows = LogRows([encode_line(100.0, 20, "a", "b")], [])
    assert decode_log(encode_log(rows, "w", is_whole=True, shift_s=-2.5)).lines[0].at == 97.5


def test_of_a_long_log_the_first_lines_and_the_latest_are_kept() -> None:
    log = CapturedLog()
    for number in range(5_000):
        log.add(float(number), 20, "shop", f"line {number} {'x' * 100}")
    read = stored(log)
    places = [int(line.text.split()[1]) for line in read.lines]
    after = read.left_out_after
    assert places[:after] == [*range(after)]
    assert places[after:] == [*range(after + read.left_out, 5_000)]
    assert len(places) + read.left_out == log.count == 5_000
    assert after > 100
    assert len(places) > 3 * after
    rows = log.rows()
    first, latest = sum(map(len, rows.first)), sum(map(len, rows.latest))
    assert 15_000 < first <= 16 * 1024
    assert 48_000 < latest <= 48 * 1024
    assert first + latest <= MAX_LOG_BYTES


def test_one_long_line_does_not_displace_the_others() -> None:
    log = CapturedLog()
    log.add(0.0, 20, "a", "before")
    log.add(0.0, 20, "a", "begin " + "漢" * 1_000_000 + " end")
    log.add(0.0, 20, "a", "after")
    before, long, after = stored(log).lines
    assert (before.text, after.text) == ("before", "after")
    assert len(long.text) < MAX_LINE_CHARACTERS + 60
    assert long.text.startswith("begin ")
    assert long.text.endswith(" end")
    assert "991,818 characters left out" in long.text


def test_printed_text_becomes_lines_whatever_its_parts_are() -> None:
    log = CapturedLog()
    for part in ("one", " line\ntwo\n\nth", "ree"):
        log.print(part)
    assert [line.text for line in stored(log).lines] == ["one line", "two", ""]
    log.end_line()
    log.end_line()
    assert [line.text for line in stored(log).lines] == ["one line", "two", "", "three"]
    assert {line.logger for line in stored(log).lines} == {"stdout"}


def test_endless_printing_without_line_ends_is_bounded() -> None:
    log = CapturedLog()
    for _ in range(2_000):
        log.print("x" * 1_000)
    assert sum(map(len, (*log.rows().first, *log.rows().latest))) <= MAX_LOG_BYTES
    assert log.count > 100


def test_what_a_later_version_adds_is_ignored() -> None:
    facts = msgpack.unpackb(inflate(encode_log(LogRows([], []), "w", is_whole=True)))
    later = [*facts[:-1], [[1.0, 20, "a", "b", "more"]], {"new": 1}]
    assert decode_log(msgpack.packb(later)).lines == (LogLine(1.0, 20, "a", "b"),)


@given(st.binary(max_size=60))
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError):
        decode_log(data)


@pytest.mark.parametrize(
    "fields",
    [
        [2, "w", True, 0.0, 0, 0, []],
        [1, "w", True, 0.0, 0, 0],
        [1, "w", True, 0.0, 0, 0, [[1.0, 20, "a"]]],
        [1, "w", True, 0.0, 0, 0, [[math.nan, 20, "a", "b"]]],
        [1, "w", True, math.inf, 0, 0, [[1.0, 20, "a", "b"]]],
        [1, "w", True, 0.0, 0, 0, [[1.0, math.inf, "a", "b"]]],
        [1, "w", True, "late", 0, 0, []],
        [1, "w", True, 0.0, 0, 0, 7],
    ],
)
def test_malformed_logs_are_refused(fields: list[object]) -> None:
    with pytest.raises(DecodeError):
        decode_log(msgpack.packb(fields))


def test_a_sealed_log_is_read_for_its_own_attempt_only() -> None:
    seal, other = Seal([b"0123456789abcdef"]), Seal([b"fedcba9876543210"])
    sealed = seal.seal_log("r", "log-1-2", b"text")
    assert seal.open_log("r", "log-1-2", sealed) == b"text"
    for reader, run_id, name, data in (
        (seal, "r", "log-1-3", sealed),
        (seal, "q", "log-1-2", sealed),
        (seal, "r", "log-1-2", sealed[:-1] + b"!"),
        (seal, "r", "log-1-2", b"text"),
        (other, "r", "log-1-2", sealed),
    ):
        with pytest.raises(DecodeError, match="signed"):
            reader.open_log(run_id, name, data)
    assert Seal().open_log("r", "log-1-2", Seal().seal_log("r", "log-1-2", b"text")) == b"text"
