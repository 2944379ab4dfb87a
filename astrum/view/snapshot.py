"""A run at one moment: its report, and the state of each unfinished task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from astrum.machine.report import ExecutionReport
from astrum.machine.task_log import NONE_LEFT_OUT, LogsLeftOut
from astrum.view.why.unfinished import UnfinishedTask


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A run at one moment. ``unfinished`` is empty once it is over. Times are the server's.

    ``late_ends``, ``waits_until`` and ``labels`` are as in `RunInfo`. ``submitted_by`` names user,
    host and process, "" if it is not known. ``is_chronicle``: the run's record has expired, and
    this is what its chronicle holds. ``logs_left_out`` says how many logs of attempts are not kept.
    """

    report: ExecutionReport
    unfinished: list[UnfinishedTask]
    now: float
    late_ends: int = 0
    waits_until: float | None = None
    submitted_by: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    is_chronicle: bool = False
    logs_left_out: LogsLeftOut = NONE_LEFT_OUT
