"""The parts of a log that grows while it is shown."""

from __future__ import annotations

from astrum.machine.task_log import NONE_LEFT_OUT, LogLine, LogsLeftOut
from astrum.view.task_log import AttemptLog, left_out_logs_text, line_text


def log_of(places: list[int], left_out: int = 0, after: int = 0) -> AttemptLog:
    return AttemptLog(
        run_id="r",
        task_id="t",
        attempt=1,
        attempts=1,
        status="running",
        lines=tuple(LogLine(0.0, 20, "a", str(place)) for place in places),
        left_out=left_out,
        left_out_after=after,
    )


def shown(log: AttemptLog, since: int) -> list[str]:
    return [f"-{one}" if isinstance(one, int) else one.text for one in log.since(since)]


def test_each_line_is_shown_once_while_the_log_grows() -> None:
    small = log_of([0, 1, 2])
    assert shown(small, 0) == ["0", "1", "2"]
    assert shown(small, 2) == ["2"]
    assert shown(small, small.count) == []


def test_lines_that_were_dropped_before_they_were_seen_are_counted() -> None:
    long = log_of([0, 1, 7, 8], left_out=5, after=2)
    assert long.count == 9
    assert shown(long, 0) == ["0", "1", "-5", "7", "8"]
    assert shown(long, 1) == ["1", "-5", "7", "8"]
    assert shown(long, 4) == ["-3", "7", "8"]
    assert shown(long, 7) == ["7", "8"]
    assert shown(long, 8) == ["8"]
    assert shown(long, 9) == []


def test_a_log_of_which_all_the_latest_lines_are_gone_says_so() -> None:
    assert shown(log_of([0, 1], left_out=4, after=2), 0) == ["0", "1", "-4"]


def test_a_line_without_a_possible_time_is_shown_all_the_same() -> None:
    assert line_text(LogLine(1e300, 25, "a", "b")) == "00:00:00.000 25 a: b"


def test_a_part_that_was_left_out_while_its_attempt_ran_does_not_count_as_a_missing_log() -> None:
    parts = LogsLeftOut(0, 1.0, 2**20)
    assert left_out_logs_text(parts) == ""
    told = "logs of running attempts left out since 1970-01-01 00:00:01 UTC (limit 1 MiB)"
    assert left_out_logs_text(parts, with_parts=True) == told
    assert left_out_logs_text(NONE_LEFT_OUT, with_parts=True) == ""
    told = "logs of 1 attempt left out since 1970-01-01 00:00:01 UTC (limit 1 MiB)"
    assert left_out_logs_text(parts._replace(attempts=1)) == told
