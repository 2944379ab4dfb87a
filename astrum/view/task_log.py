"""The log of one attempt, as all displays show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from astrum.machine.task_log import LogLine, LogsLeftOut


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLog:
    """What an attempt logged, as far as it is stored.

    ``attempt`` is the number that reports and `current_attempt` have; ``attempts`` is how many
    there have been. ``status`` is as in `TaskAttemptStatistics`, or "running". ``left_out`` lines
    are missing behind the first ``left_out_after``. ``note`` says why there is nothing, or not all,
    "" for a whole log.
    """

    run_id: str
    task_id: str
    attempt: int
    attempts: int
    status: str
    worker_id: str = ""
    lines: tuple[LogLine, ...] = ()
    left_out: int = 0
    left_out_after: int = 0
    note: str = ""

    @property
    def is_running(self) -> bool:
        """Whether the attempt had not ended when this was read."""
        return self.status == RUNNING

    @property
    def count(self) -> int:
        """The number of lines that were logged so far, those that are left out included."""
        return len(self.lines) + self.left_out

    def since(self, number: int) -> Iterator[LogLine | int]:
        """Yield the lines from a number on, counted from 0; an int is how many are left out."""
        gap = range(self.left_out_after, self.left_out_after + self.left_out)
        for place, line in enumerate(self.lines):
            is_behind = self.left_out > 0 and place >= self.left_out_after
            if place == self.left_out_after and gap.stop > max(number, gap.start):
                yield gap.stop - max(number, gap.start)
            if place + (self.left_out if is_behind else 0) >= number:
                yield line
        if self.left_out_after == len(self.lines) and gap.stop > max(number, gap.start):
            yield gap.stop - max(number, gap.start)

    def to_data(self) -> dict[str, Any]:
        """Return the log as an object of JSON."""
        return {
            "run_id": self.run_id,
            "task_id": self.task_id,
            "attempt": self.attempt,
            "attempts": self.attempts,
            "status": self.status,
            "worker_id": self.worker_id,
            "note": self.note,
            "left_out": self.left_out,
            "left_out_after": self.left_out_after,
            "lines": [line_to_data(line) for line in self.lines],
        }


RUNNING = "running"


def line_to_data(line: LogLine) -> dict[str, Any]:
    """Return a line as an object of JSON, with the names that the log of a worker has."""
    return {
        "ts": time_text(line.at),
        "level": line.level_name,
        "logger": line.logger,
        "message": line.text,
    }


def line_text(line: LogLine) -> str:
    """Return a line for people, with the time in UTC; a traceback is in further lines.

    >>> line_text(LogLine(0.5, 30, "shop", "late"))
    '00:00:00.500 WARNING shop: late'
    """
    return f"{time_text(line.at)[11:23]} {line.level_name.upper()} {line.logger}: {line.text}"


def left_out_text(count: int) -> str:
    """Return the line that stands for lines that are not kept.

    >>> left_out_text(1200)
    '… 1,200 lines left out'
    """
    return f"… {count:,} line{'' if count == 1 else 's'} left out"


def left_out_logs_text(left_out: LogsLeftOut, *, with_parts: bool = False) -> str:
    """Return the line that says that logs of a run are not kept, "" if all are.

    ``with_parts`` it also says so if only parts were left out while their attempts ran: the whole
    logs may have been kept at the end.

    >>> left_out_logs_text(LogsLeftOut(1200, 0.0, 64 * 1024 * 1024))
    'logs of about 1,200 attempts left out since 1970-01-01 00:00:00 UTC (limit 64 MiB)'
    """
    count, since, limit = left_out
    if count:
        what = f"logs of about {count:,} attempts" if count != 1 else "logs of 1 attempt"
    elif since and with_parts:
        what = "logs of running attempts"
    else:
        return ""
    when = f"{time_text(since)[:19].replace('T', ' ')} UTC"
    return f"{what} left out since {when} (limit {limit / 1024 / 1024:.3g} MiB)"


def time_text(at: float) -> str:
    """Return a time in seconds since the epoch as an ISO string in UTC with microseconds.

    >>> time_text(0.25)
    '1970-01-01T00:00:00.250000Z'
    """
    try:
        moment = datetime.fromtimestamp(at, UTC)
    except (OverflowError, OSError, ValueError):  # no year that a date can have
        moment = datetime.fromtimestamp(0, UTC)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
