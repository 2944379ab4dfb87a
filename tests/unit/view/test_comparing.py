"""Two runs compared: what counts as a change, and what a change means for the end."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest
from click.testing import CliRunner

from astrum.machine import RunTimes
from astrum.machine.events import AttemptSettled, Event, Outcome
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.view.report.chronicle import columns_text
from astrum.view.report.columns import RunColumns, run_columns
from astrum.view.report.comparing import Change, Comparison, compared
from astrum.view.report.run_head import RunHead
from astrum.view.report.task_rows import Step
from astrum_coordinator.cli import main
from astrum_coordinator.cli.printing import print_view
from astrum_coordinator.display.compare_view import comparison_to_json, comparison_view
from tests.made_runs import BEGIN, MadeRun, made_plan
from tests.schemas import check
from tests.unit.view.moments import NO, state_of

ROOT, LEFT, RIGHT = TaskSpec("root"), TaskSpec("left", ("root",)), TaskSpec("right", ("root",))
LAST = TaskSpec("last", ("left", "right"))
DIAMOND = (ROOT, LEFT, RIGHT, LAST)
MAPPED = (
    TaskSpec("list", watches=(Watch("length"),)),
    TaskSpec("part", ("list",), axes=(Axis((ListSource("list"),)),)),
)
EACH_MS = 1_000


def end(task: int, began: int, took: int, **more: Any) -> AttemptSettled:
    """Return the success of an attempt; times are ms since the beginning of the run."""
    start = BEGIN + began / 1000
    until = start + took / 1000
    event = AttemptSettled(task, 1, Outcome.SUCCEEDED, start, until, until, "host.1.w", None)
    return event._replace(**more)


def run_of(
    *specs: TaskSpec, ends: list[Event], took: int, run_id: str = "r", state: str = "completed"
) -> RunColumns:
    known = state_of(*specs, events=ends)
    known.conclude()
    head = RunHead(
        run_id=run_id,
        state=state,
        times=RunTimes(BEGIN, BEGIN, BEGIN + took / 1000),
        taken_at=BEGIN + took / 1000,
        is_over=True,
        version="0.1.0",
    )
    return run_columns(known, head)


def diamond(run_id: str, *specs: TaskSpec, **took: int) -> RunColumns:
    """Return a run of the diamond in which each task took a second, but some took so many ms."""
    ms = {**dict.fromkeys(("root", "left", "right", "last"), EACH_MS), **took}
    fork = ms["root"]
    join = fork + max(ms["left"], ms["right"])
    events: list[Event] = [
        end(0, 0, ms["root"]),
        *sorted(
            [end(1, fork, ms["left"]), end(2, fork, ms["right"])],
            key=lambda event: event.recorded_at,
        ),
        end(3, join, ms["last"]),
    ]
    return run_of(*(specs or DIAMOND), ends=events, took=join + ms["last"], run_id=run_id)


def effects(found: Comparison) -> Mapping[str, int]:
    return {row.name: row.effect_ms for row in found.changed}


def test_two_equal_runs_have_nothing_to_tell() -> None:
    found = compared(diamond("a"), diamond("b"))
    assert (found.changed, found.alike, found.new, found.gone) == ([], 4, [], [])
    assert found.duration_ms == Change(3_000, 3_000, counts=False)


def test_the_effect_of_a_change_is_by_how_much_it_moved_the_end() -> None:
    before = diamond("a", left=1_000, right=900)
    found = compared(before, diamond("b", root=1_500, left=1_000, right=1_300, last=400))
    assert effects(found) == {"last": -600, "root": 500, "right": 300}
    assert list(effects(found)) == ["last", "root", "right"]
    # A task that got shorter beside one that takes as long moves nothing.
    assert effects(compared(diamond("a", left=1_000), diamond("b", left=200))) == {"left": 0}
    # And one that got longer moves the end only as far as it is the last.
    assert effects(compared(diamond("a", left=400), diamond("b", left=1_300))) == {"left": 300}


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        (1_000, 1_100, False),
        (1_000, 1_101, True),
        (1_000, 899, True),
        (1_000, 900, False),
        (50, 70, False),
        (50, 71, True),
    ],
)
def test_a_time_has_changed_beyond_a_tenth_and_twenty_ms(
    before: int, after: int, counts: bool
) -> None:
    found = compared(diamond("a", left=before), diamond("b", left=after))
    assert [row.name for row in found.changed] == ["left"] * counts
    assert found.alike == 4 - counts


def test_one_more_attempt_a_queued_time_and_another_end_are_changes() -> None:
    lost = end(0, 0, 5, outcome=Outcome.LOST, failure=NO)
    failed = end(1, 10, 10, outcome=Outcome.FAILED, failure=NO)
    spec = TaskSpec("b")
    before = run_of(ROOT, spec, ends=[end(0, 10, 10), end(1, 10, 10)], took=20)
    after = run_of(ROOT, spec, ends=[lost, end(0, 10, 10, attempt=2), failed], took=20)
    root, other = sorted(compared(before, after).changed, key=lambda row: row.name, reverse=True)
    assert root.attempts == Change(1, 2, counts=True)
    assert (other.state_before, other.state_after) == ("completed", "failed")
    queued = run_of(ROOT, spec, ends=[end(0, 60, 10, queued_s=0.05), end(1, 10, 10)], took=70)
    [row] = compared(before, queued).changed
    assert (row.name, row.queued_ms, row.run_ms.counts) == ("root", Change(0, 50, True), False)


def mapped(run_id: str, count: int, each: int) -> RunColumns:
    """Return a run of a list and the children that it gives, which run beside each other."""
    ends = [end(0, 0, 100, seen=(count,)), *(end(2 + n, 100, each) for n in range(count))]
    return run_of(*MAPPED, ends=list(ends), took=100 + each, run_id=run_id)


def test_the_children_of_a_mapped_task_are_one_row() -> None:
    [row] = compared(mapped("a", 3, 200), mapped("b", 5, 350)).changed
    assert (row.name, row.is_mapped) == ("part", True)
    assert (row.tasks, row.attempts) == (Change(3, 5, True), Change(3, 5, True))
    assert row.run_ms == Change(600, 1_750, True)
    assert row.effect_ms == 150


def test_tasks_of_one_run_alone_are_new_or_gone() -> None:
    two = (ROOT, LEFT._replace(task_id="other"), RIGHT, LAST._replace(needs=("other", "right")))
    found = compared(diamond("a", left=1_700), diamond("b", *two, left=1_200))
    [new], [gone] = found.new, found.gone
    assert (new.name, new.run_ms, new.effect_ms) == ("other", 1_200, 200)
    assert (gone.name, gone.run_ms, gone.effect_ms) == ("left", 1_700, -700)
    assert "\nnew: other (+200 ms)\ngone: left (-700 ms)\n" in printed(found)
    assert found.alike == 3


def test_the_critical_paths_of_both_name_their_tasks() -> None:
    found = compared(diamond("a", left=1_500), diamond("b", right=2_000))
    assert found.before.path == [Step("root", 1_000), Step("left", 1_500), Step("last", 1_000)]
    assert found.after.path == [Step("root", 1_000), Step("right", 2_000), Step("last", 1_000)]


def made(seed: int) -> RunColumns:
    size = 20 + seed
    run = MadeRun(made_plan(2 * size), children=size, seed=seed).lead()
    return run_columns(run.state, run.head(run_id=f"made-{seed}"))


def test_a_comparison_is_as_its_schema_says_and_the_reverse_is_its_opposite() -> None:
    one, other = made(1), made(2)
    found, back = compared(one, other), compared(other, one)
    check("compare", json.loads(json.dumps(comparison_to_json(found))))
    assert all(row.counts for row in found.changed)
    assert found.duration_ms.difference == -back.duration_ms.difference
    assert {row.name for row in found.new} == {row.name for row in back.gone}
    assert found.alike + len(found.changed) == back.alike + len(back.changed)


def test_what_is_printed_names_the_most_important_first() -> None:
    found = compared(diamond("a"), diamond("b", root=2_000, left=1_500))
    text = printed(found)
    first, *lines = text.splitlines()
    assert first == "run b took 4.5 s, 1.5 s (50 %) longer than run a"
    rows = [line.split() for line in lines if line.lstrip().startswith(("+", "-"))]
    assert [(row[0], row[2]) for row in rows] == [("+1.0", "root"), ("+500", "left")]
    assert "as before, within 10 % or 20 ms: 2 tasks" in lines
    assert "critical path now: root 2.0 s -> left 1.5 s -> last 1.0 s" in lines
    assert "took 3.0 s, about as long as run a (3.0 s)" in printed(
        compared(diamond("a"), diamond("b"))
    )


def test_tasks_of_one_run_alone_have_their_effects_behind_their_names() -> None:
    plain = TaskSpec("root"), TaskSpec("check")
    one = run_of(plain[0], ends=[end(0, 0, 100)], took=100)
    other = run_of(*plain, ends=[end(0, 0, 100), end(1, 0, 300)], took=300)
    assert "new: check (+200 ms)" in printed(compared(one, other)).splitlines()
    assert "gone: check (-200 ms)" in printed(compared(other, one)).splitlines()


def test_runs_of_two_flows_are_said_to_be_that() -> None:
    one, other = diamond("a"), diamond("b")
    other["run"]["namespace"] = "nightly"
    first = printed(compared(one, other)).splitlines()[0]
    assert first.endswith("; these are runs of two flows, 'nightly' and 'n'"), first
    assert "flows" not in printed(compared(one, diamond("b")))


def test_names_of_tasks_cannot_steer_a_terminal() -> None:
    red = TaskSpec("\x1b[31mred\u202e")
    one = run_of(red, ends=[end(0, 0, 100)], took=100)
    other = run_of(red, ends=[end(0, 0, 300)], took=300)
    new = run_of(red._replace(task_id="\x1b[2J"), ends=[end(0, 0, 300)], took=300)
    for found in (compared(one, other), compared(one, new)):
        assert not {"\x1b", "\u202e"} & set(printed(found))


def printed(found: Comparison) -> str:
    file = io.StringIO()
    print_view(comparison_view(found), file)
    return file.getvalue()


def test_the_command_compares_exported_files_without_a_server(tmp_path: Path) -> None:
    for run_id, took in (("a", 1_000), ("b", 2_000)):
        (tmp_path / f"{run_id}.json").write_text(columns_text(diamond(run_id, root=took)))
    files = [str(tmp_path / name) for name in ("b.json", "a.json")]
    done = CliRunner().invoke(main, ["compare", *files, "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    check("compare", told)
    assert (told["before"]["run_id"], told["after"]["run_id"]) == ("a", "b")
    assert [(row["name"], row["effect_ms"]) for row in told["changed"]] == [("root", 1_000)]


def test_a_file_may_say_that_a_task_needs_all_of_no_tasks(tmp_path: Path) -> None:
    """Astrum writes no such range, but its schema and its checks allow one."""
    for name, root in (("a", 1_000), ("b", 2_000)):
        columns = diamond(name, root=root)
        columns["tasks"]["needs"][3] = [{"r": [1, 0]}]
        (tmp_path / f"{name}.json").write_text(columns_text(columns))
    files = [str(tmp_path / name) for name in ("b.json", "a.json")]
    done = CliRunner().invoke(main, ["compare", *files])
    assert done.exit_code == 0, done.output
    assert "root" in done.output


@pytest.mark.parametrize(
    ("data", "says"),
    [("{", "is not an export of a run"), ("{}", "is damaged"), (None, "cannot be read")],
)
def test_a_file_that_is_not_an_export_is_named(tmp_path: Path, data: str | None, says: str) -> None:
    path = tmp_path / "run.json"
    if data is not None:
        path.write_text(data)
    done = CliRunner().invoke(main, ["compare", str(path), str(path)])
    assert done.exit_code != 0
    assert says in " ".join(done.output.split())


def test_any_two_runs_can_be_compared() -> None:
    for seed in Random(5).sample(range(1, 60), 4):
        found = compared(made(seed), made(seed + 1))
        assert printed(found)
        assert len({row.name for row in found.changed}) == len(found.changed)
