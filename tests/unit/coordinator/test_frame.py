"""The live view fits terminals of any size, whatever the run and its names are like."""

from __future__ import annotations

import time

import pytest
from rich.cells import cell_len

from astrum.machine import AttemptSettled, Failure, Outcome, RunState
from astrum.machine.progress import Progress
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.plan import Plan, TaskSpec
from astrum.planning.retry_policy import RetryPolicy
from astrum.view.progress.pool_facts import PoolFacts, RunningFacts
from astrum.view.queues import QueueState
from astrum_coordinator.display.frame import Look, Size, StageBars, frame, nowhere
from astrum_coordinator.display.progress import RunProgress

HOSTILE = "\x1b[2J\x1b]0;title\x07\u202eabc\u2028\n\t"
WIDE = "日本語の名前" * 6
ENDS = (
    (Outcome.FAILED, Outcome.FAILED),
    (Outcome.SUCCEEDED,),
    (Outcome.LOST,),
)
SIZES = [Size(80, 24), Size(200, 60), Size(40, 10), Size(20, 6), Size(8, 3), Size(300, 100)]


def big_run() -> RunProgress:
    """A run of 30 stages with 12 mapped tasks, retries, failures, and names of all kinds."""
    axes = (Axis((ListSource("files"),)),)
    names = [f"map_{n} {WIDE if n % 3 else HOSTILE}" for n in range(12)]
    specs = [TaskSpec("files", watches=(Watch("length"),))]
    specs += [
        TaskSpec(name, ("files",), axes=axes, on_failure="continue", retry=RetryPolicy(1))
        for name in names
    ]
    specs += [TaskSpec(f"stage_{n}", (f"stage_{n - 1}" if n else names[0],)) for n in range(28)]
    state, progress = RunState(Plan("framed", tuple(specs))), RunProgress()
    progress.observe(state, None, state.start())
    broken = Failure(("builtins.ValueError", "builtins.Exception"), HOSTILE)
    events = [AttemptSettled(0, 1, Outcome.SUCCEEDED, 1.0, 2.0, 2.0, seen=(200,))]
    first = len(specs)
    events += [
        AttemptSettled(first + n, attempt, outcome, 1.0, 2.0, 2.0, "w", broken)
        for n in range(30)
        for attempt, outcome in enumerate(ENDS[n % 3], 1)
    ]
    for event in events:
        progress.observe(state, event, state.handle(event))
    return progress


def facts_of(progress: RunProgress) -> PoolFacts:
    queues = tuple(
        QueueState(
            queue=f"{HOSTILE}{n}", waiting=n, running=n, oldest_waiting_s=1.0, workers=(), lanes={}
        )
        for n in range(40)
    )
    running = {
        (one.task, one.attempt): RunningFacts(WIDE * 4, 100.0, Progress(1.0, 3.0, HOSTILE * 9))
        for one in progress.oldest_running(5)
    }
    return PoolFacts(
        at=time.monotonic(),
        running=running,
        queues=queues,
        troubles=(HOSTILE * 20, WIDE * 20, "third"),
    )


def texts(progress: RunProgress, size: Size, look: Look) -> list[str]:
    lines = frame(progress, size, look, StageBars(), nowhere)
    return ["".join(text for text, _ in line) for line in lines]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("on_pool", [True, False])
@pytest.mark.parametrize("size", SIZES)
def test_no_line_is_too_wide_and_no_view_too_high(size: Size, on_pool: bool, encoding: str) -> None:
    progress = big_run()
    progress.look(facts_of(progress) if on_pool else None)
    lines = texts(progress, size, Look("queued or running", encoding))
    assert len(lines) == min(size.height - 1, len(lines))
    assert max(map(cell_len, lines)) < size.width
    for line in lines:
        assert line.isprintable(), line
        line.encode(encoding)


@pytest.mark.parametrize(("size", "most"), [(Size(80, 24), 23), (Size(200, 60), 59)])
def test_a_view_uses_the_room_that_there_is(size: Size, most: int) -> None:
    progress = big_run()
    progress.look(facts_of(progress))
    lines = texts(progress, size, Look("queued or running"))
    assert len(lines) > most - 3
    assert lines[-1].strip().endswith("more")


def test_every_part_is_on_a_terminal_of_80_by_24() -> None:
    progress = big_run()
    progress.look(facts_of(progress))
    shown = "\n".join(texts(progress, Size(80, 24), Look("queued or running")))
    for part in (
        "queued or running, 20 retried",
        "10 lost, 10 failed",
        "more tasks with children",
        "queues ",
        "stage 0",
        "stages ",
        "map_0",
        "20/200 10 failed",
        "1 of 3 (33 %), ",
        "1 min 40 s",
    ):
        assert part in shown, shown


def test_without_colour_what_has_failed_still_looks_different() -> None:
    progress = big_run()
    shown = texts(progress, Size(80, 24), Look("running", has_colour=False))
    [bar] = [line for line in shown if "20/200" in line and "stage" not in line][:1]
    assert "╳" in bar
    assert "━" not in bar.replace("╳", "") or bar.index("╳") > bar.index("━")


@pytest.mark.parametrize("seconds", [3, 42, 61, 95, 200, 5000, 90_000])
def test_all_numbers_of_the_second_line_fit(seconds: int) -> None:
    progress = big_run()
    progress.estimate.rate, progress.estimate.left_s = 1_234.5, float(seconds)
    progress.estimate.unknown = 3
    line = texts(progress, Size(80, 24), Look("running"))[1]
    assert "1,23" in line
    assert "about" in line
    assert line.endswith("and 3 tasks of unknown length")


def fan_out(count: int) -> RunProgress:
    """A run whose tasks are all dispatched, some seconds ago."""
    state = RunState(Plan("fan-out", tuple(TaskSpec(f"w{n}") for n in range(count))))
    progress = RunProgress()
    progress._clock = lambda: time.monotonic() - 60.0
    progress.observe(state, None, state.start())
    return progress


def rows_of(progress: RunProgress) -> list[str]:
    shown = texts(progress, Size(80, 12), Look("queued or running"))
    return [" ".join(line.split()) for line in shown if line.startswith("  ")]


def test_what_workers_run_comes_first_with_its_time_and_the_rest_is_marked_as_queued() -> None:
    progress = fan_out(300)
    running = {
        (250, 1): RunningFacts("w.1", 3.0),
        (299, 1): RunningFacts("w.2", 8.0),
        (7, 2): RunningFacts("w.3", 9.0),  # an attempt that was settled a moment ago
    }
    progress.look(PoolFacts(at=time.monotonic(), running=running))
    first, second, third, *_, last = rows_of(progress)
    assert (first.split()[0], first.split()[-1]) == ("w299", "w.2")
    assert "8.0 s" in first
    assert (second.split()[0], second.split()[-1]) == ("w250", "w.1")
    assert third == "w0 queued", "it has no time: it does not run"
    assert last.startswith("... and ")


def test_what_may_have_begun_since_the_workers_told_is_not_said_to_be_queued() -> None:
    progress = fan_out(2)
    progress._running[1] = (1, 1, time.monotonic())
    progress.look(PoolFacts(at=time.monotonic()))
    assert rows_of(progress) == ["w0 queued", "w1 queued or running"]
