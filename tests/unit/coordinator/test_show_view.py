"""A run at one moment, for programs and for people."""

from __future__ import annotations

from io import StringIO
from typing import cast

from rich.console import Console, RenderableType

from astrum.machine.report_builder import failed_planning_report
from astrum.view import RunSnapshot
from astrum_coordinator.display.json_values import report_to_json
from astrum_coordinator.display.show_view import (
    Chosen,
    origin_text,
    snapshot_to_json,
    snapshot_view,
)


def test_show_adds_ends_that_came_too_late_to_the_report_of_run_only_if_there_are_any() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    on_time = RunSnapshot(report=report, unfinished=[], now=0.0)
    late = RunSnapshot(report=report, unfinished=[], now=0.0, late_ends=2)
    assert snapshot_to_json(on_time, Chosen()) == report_to_json(report)
    assert snapshot_to_json(late, Chosen()) == report_to_json(report) | {"late_ends": 2}


def test_show_says_who_submitted_a_run_and_its_labels_if_that_is_known() -> None:
    report = failed_planning_report(ValueError("no"), 0.0, 1.0)
    known = RunSnapshot(
        report=report, unfinished=[], now=0.0, submitted_by="ann@host:7", labels={"b": "2", "a": ""}
    )
    unknown = RunSnapshot(report=report, unfinished=[], now=0.0)
    assert origin_text(known) == "submitted by ann@host:7; labels: a= b=2"
    assert origin_text(unknown) == ""
    assert "submitted by ann@host:7; labels: a= b=2" in printed(snapshot_view(known, Chosen()))
    assert "submitted" not in printed(snapshot_view(known, Chosen(failed=True)))


def printed(view: RenderableType) -> str:
    console = Console(file=StringIO(), width=100)
    console.print(view)
    return cast("StringIO", console.file).getvalue()
