"""Tasks with children in the live view, in plain lines and in the report, at 80 columns."""

from __future__ import annotations

import io

from rich.console import Console

from astrum.machine import AttemptSettled, Failure, Outcome, RunState
from astrum.machine.report_builder import RunTimes, build_report
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum_coordinator.display.frame import Bar, Look, Size, StageBars, frame
from astrum_coordinator.display.live_view import LineFace
from astrum_coordinator.display.progress import RunProgress, ShownAttempt
from astrum_coordinator.display.report_view import end_line, report_view

WIDTH = 80
FILES = TaskSpec(task_id="files", watches=(Watch("length"),))
PARSE = TaskSpec(
    task_id="parse_every_file_of_the_archive",
    needs=("files",),
    axes=(Axis((ListSource("files"),)),),
    on_failure="continue",
)
NEEDS_ALL = TaskSpec(task_id="total", needs=(PARSE.task_id,))
BROKEN = Failure(("builtins.ValueError",), "the file is broken " * 10)


def settled(task: int, outcome: Outcome, seen: tuple[int, ...] = ()) -> AttemptSettled:
    failure = None if outcome is Outcome.SUCCEEDED else BROKEN
    return AttemptSettled(task, 1, outcome, 1.0, 2.0, 2.0, "w", failure, seen=seen)


def run_of(*ends: Outcome) -> tuple[RunState, RunProgress]:
    """Run the flow over ten files, of which the first have ended like this."""
    state, progress = RunState(Plan("test", (FILES, PARSE, NEEDS_ALL))), RunProgress()
    progress.observe(state, None, state.start())
    events = [settled(0, Outcome.SUCCEEDED, (10,))]
    events += [settled(child, end) for child, end in enumerate(ends, 3)]
    for event in events:
        progress.observe(state, event, state.handle(event))
    return state, progress


def drawn(progress: RunProgress) -> list[str]:
    lines = frame(progress, Size(WIDTH, 24), Look("running"), StageBars(), _beside)
    return ["".join(text for text, _ in line) for line in lines]


def _beside(attempt: ShownAttempt) -> str:
    return "340 of 1,200 (28 %), " + "reading " * 20


def test_children_have_one_bar_together() -> None:
    _, progress = run_of(Outcome.SUCCEEDED, Outcome.SKIPPED, Outcome.FAILED)
    assert progress.open_children() == [(1, 3, 10, 1)]
    assert [stage.counts for stage in progress.stages] == [(1, 1, 0), (3, 10, 1), (0, 1, 0)]
    lines = drawn(progress)
    assert all(len(line) <= WIDTH for line in lines), lines
    assert "2 of 12 done, 1 skipped, 7 running, 1 failed" in lines[0]
    [bar] = [line for line in lines if "parse" in line and "3/10" in line]
    assert bar.startswith("  parse_every_file… ")
    [row] = [line for line in lines if "[3]" in line]
    assert "340 of 1,200" in row


def test_children_that_are_known_before_the_display_begins_are_counted_then() -> None:
    """A run that takes results over reads them as history, which a display may see."""
    state, progress = RunState(Plan("test", (FILES, PARSE, NEEDS_ALL))), RunProgress()
    event = settled(0, Outcome.SUCCEEDED, (10,))
    progress.observe(state, event, state.handle(event))
    assert progress.total == 0
    progress.observe(state, None, state.start())
    assert [stage.total for stage in progress.stages] == [1, 10, 1]


def test_a_bar_ends_with_its_last_child() -> None:
    _, progress = run_of(*[Outcome.SUCCEEDED] * 10)
    assert progress.open_children() == []
    assert StageBars().rows(progress)[1] == Bar("stage 1", 10, 10)


def test_plain_lines_name_tasks_with_children() -> None:
    _, progress = run_of(Outcome.SUCCEEDED)
    file = io.StringIO()
    face = LineFace(file)
    face._progress_line(progress)
    assert "parse_every_file_of_the_archive: 1 of 10 ended" in file.getvalue()


def test_a_report_folds_children_and_says_whom_a_blocked_task_needed() -> None:
    state, _ = run_of(*[Outcome.FAILED] * 4, *[Outcome.SUCCEEDED] * 5, Outcome.SKIPPED)
    report = build_report(state, RunTimes(0.0, 0.0, 3.0), {}, run_id="r")
    console = Console(file=io.StringIO(), width=WIDTH)
    console.print(report_view(report, with_errors=False))
    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    assert all(len(line) <= WIDTH for line in shown.splitlines()), shown
    assert shown.count("broken") >= 3
    for part in ("×10", "5 completed", "1 skipped", "4 failed", "e[0]", "e[2]"):
        assert part in shown, shown
    assert "e[3]" not in shown
    assert [line.strip() for line in shown.splitlines() if "... and 1 more" in line]
    assert end_line(report) == (
        "run r failed: 6 of 12 tasks succeeded, 4 failed, 1 skipped, 1 blocked, 3.0 s"
    )
    rows = {row.task_name: row for row in report.task_statistics}
    assert rows["total"].because == "parse_every_file_of_the_archive[0]"
