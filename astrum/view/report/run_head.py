"""What is known of a run besides its plan and its events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from astrum.machine.report_builder import RunTimes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """What is known of a run besides its events.

    ``state`` is that of its report, ``taken_at`` when the columns are made. ``inputs`` are texts
    for people. ``is_local``: it ran in one process, without workers.
    """

    run_id: str
    state: str
    times: RunTimes
    taken_at: float
    is_over: bool
    version: str
    is_local: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    submitted_by: str = ""
    late_ends: int = 0
    priority: int = 0
