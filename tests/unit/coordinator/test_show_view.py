"""A run at one moment, as JSON."""

from __future__ import annotations

from astrum.machine.report_builder import failed_planning_report
from astrum_coordinator.asking.snapshots import RunSnapshot
from astrum_coordinator.display.report_view import report_to_json
from astrum_coordinator.display.show_view import Chosen, snapshot_to_json


def test_show_adds_ends_that_came_too_late_to_the_report_of_run_only_if_there_are_any() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    on_time = RunSnapshot(report=report, unfinished=[], now=0.0)
    late = RunSnapshot(report=report, unfinished=[], now=0.0, late_ends=2)
    assert snapshot_to_json(on_time, Chosen()) == report_to_json(report)
    assert snapshot_to_json(late, Chosen()) == report_to_json(report) | {"late_ends": 2}
