"""Shows a run while it happens: a live view on a terminal, plain lines everywhere else.

The display has a thread of its own: a terminal that takes no more output (a stopped pager, a
slow line) may hold it up, but never the event loop that leads the run.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable
from itertools import accumulate
from types import TracebackType
from typing import IO, Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from astrum.runtime.standard_streams import say_line
from astrum.runtime.visible_text import visible_name
from astrum_coordinator.display.progress import FAILED, LOST, Notice, RunProgress, ShownAttempt
from astrum_coordinator.display.report_view import STATUS_STYLE, count_text, duration_text

logger = logging.getLogger("astrum.coordinator.live")

REFRESH_S = 1 / 8
NOTICES_PER_REFRESH = 20
MAX_BARS = 8
BAR_WIDTH = 32
MAX_RUNNING = 8
MAX_MAPPED = 4
"""Tasks whose children have a bar, or a line, together."""
NAME_WIDTH = 22
FIRST_LINE_AFTER_S = 5.0
LONGEST_SILENCE_S = 60.0

RUNNING = "running"
DISPATCHED = "queued or running"
"""The word for attempts that were sent to workers: one may run them already or not."""

WorkerOf = Callable[[ShownAttempt], str]
"""Returns the worker that runs an attempt, "" if that is not known."""


def nowhere(attempt: ShownAttempt) -> str:
    """Return no worker: a run in process has none."""
    return ""


class Face(Protocol):
    """One way to show progress; all calls come from one thread at a time."""

    def begin(self) -> None:
        """Prepare the screen."""

    def show(self, progress: RunProgress) -> None:
        """Show the current progress."""

    def end(self, progress: RunProgress) -> None:
        """Print what was not printed yet and release the screen."""


class ProgressDisplay:
    """A context manager that shows ``progress`` through ``face`` eight times a second."""

    def __init__(self, progress: RunProgress, face: Face) -> None:
        self._progress = progress
        self._face = face
        self._over = threading.Event()
        self._has_failed = False
        self._thread = threading.Thread(target=self._loop, name="astrum-display", daemon=True)

    def __enter__(self) -> ProgressDisplay:
        self._try(self._face.begin)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        self._try(self._face.end, self._progress)

    def _loop(self) -> None:
        while not self._over.wait(REFRESH_S):
            self._try(self._face.show, self._progress)

    def _try(self, step: Callable[..., None], *arguments: RunProgress) -> None:
        """Do one step of the display; the first failure ends the display, but not the run."""
        if self._has_failed:
            return
        try:
            step(*arguments)
        except Exception:  # whatever a terminal, a library or a replaced stream may raise
            self._has_failed = True
            logger.debug("progress is not shown any more", exc_info=True)


def notice_text(notice: Notice) -> str:
    """Return one line about an attempt that did not succeed."""
    name = f"task {notice.task_id!r}"
    reason = visible_name(notice.reason.partition("\n")[0])
    if notice.kind == FAILED:
        return f"{name} failed in attempt {notice.attempt}: {reason}"
    if notice.kind == LOST:
        return f"{name} attempt {notice.attempt} was lost: {reason}; it is tried again"
    left = f"{notice.retries_left} {'retry' if notice.retries_left == 1 else 'retries'} left"
    return f"{name} attempt {notice.attempt} failed: {reason}; {left}"


def _left_out_text(count: int) -> str:
    return f"... and {count:,} more attempts that did not succeed"


# --- plain lines ----------------------------------------------------------------------------


class LineFace:
    """Lines for pipes and logs: failures at once, the progress at intervals."""

    def __init__(self, file: IO[str], active: str = RUNNING) -> None:
        self._file = file
        self._active = active
        self._said_start = False
        self._next_line_s = FIRST_LINE_AFTER_S
        self._last_line = ""

    def begin(self) -> None:
        """Do nothing."""

    def show(self, progress: RunProgress) -> None:
        """Print what is new."""
        self._start_line(progress)
        for notice in progress.take_notices(NOTICES_PER_REFRESH):
            self._print(notice_text(notice))
        elapsed_s = progress.elapsed_s
        if elapsed_s >= self._next_line_s and not progress.final:
            self._next_line_s = elapsed_s + min(elapsed_s, LONGEST_SILENCE_S)
            self._progress_line(progress)

    def end(self, progress: RunProgress) -> None:
        """Print the failures that were not printed yet."""
        self._start_line(progress)
        for notice in progress.take_notices(NOTICES_PER_REFRESH * 5):
            self._print(notice_text(notice))
        left_out = progress.take_left_out()
        if left_out:
            self._print(_left_out_text(left_out))

    def _start_line(self, progress: RunProgress) -> None:
        if progress.state is None or self._said_start:
            return
        self._said_start = True
        stages = count_text(len(progress.stage_totals), "stage")
        done = f", {progress.inherited:,} done already" if progress.inherited else ""
        self._print(f"{count_text(progress.total, 'task')} in {stages}{done}")

    def _progress_line(self, progress: RunProgress) -> None:
        line = counts_text(progress, self._active)
        if line != self._last_line:
            self._last_line = line
            self._print(f"{line} after {duration_text(progress.elapsed_s)}")
            for task, done, total in progress.open_children(MAX_MAPPED):
                self._print(f"  {_name(progress, task)}: {done:,} of {total:,} done")

    def _print(self, line: str) -> None:
        say_line(line, self._file)


def counts_text(progress: RunProgress, active: str = RUNNING) -> str:
    """Return one line: done, running, retried, failed; ``active`` is the word for running."""
    parts = [f"{progress.succeeded:,} of {progress.total:,} done"]
    for count, word in (
        (progress.skipped, "skipped"),
        (progress.running_count, active),
        (progress.retried, "retried"),
        (progress.failed, "failed"),
    ):
        if count:
            parts.append(f"{count:,} {word}")
    return ", ".join(parts)


# --- the live view --------------------------------------------------------------------------


class TerminalFace:
    """A view that is redrawn in place; failures scroll by above it."""

    def __init__(
        self, console: Console, worker_of: WorkerOf = nowhere, active: str = RUNNING
    ) -> None:
        self._console = console
        self._active = active
        self._worker_of = worker_of
        self._bars = StageBars()
        self._live = Live(
            console=console,
            auto_refresh=False,
            transient=True,
            # The output of tasks must not damage the view, but output to a file stays there.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=True,
        )

    def begin(self) -> None:
        """Start drawing."""
        self._live.start()

    def show(self, progress: RunProgress) -> None:
        """Redraw."""
        for notice in progress.take_notices(NOTICES_PER_REFRESH):
            self._print(notice)
        if progress.state is not None:
            self._live.update(self._view(progress), refresh=True)

    def end(self, progress: RunProgress) -> None:
        """Remove the view; what scrolled by stays."""
        for notice in progress.take_notices(NOTICES_PER_REFRESH * 5):
            self._print(notice)
        left_out = progress.take_left_out()
        if left_out:
            self._console.print(Text(_left_out_text(left_out), "dim"))
        self._live.stop()

    def _print(self, notice: Notice) -> None:
        style = STATUS_STYLE["failed"] if notice.kind == FAILED else "yellow"
        self._console.print(Text(notice_text(notice), style), soft_wrap=True)

    def _view(self, progress: RunProgress) -> RenderableType:
        head = Text(
            f"{counts_text(progress, self._active)}  {duration_text(progress.elapsed_s)}", "bold"
        )
        return Group(head, self._bars.render(progress), self._running(progress))

    def _running(self, progress: RunProgress) -> RenderableType:
        now, attempts = time.monotonic(), progress.oldest_running(MAX_RUNNING)
        names = [short_name(_name(progress, one.task), NAME_WIDTH * 2) for one in attempts]
        grid = Table.grid(padding=(0, 2))
        # Without a least width a long last cell takes the room of the names.
        grid.add_column(min_width=max(map(len, names), default=0) + 2, no_wrap=True)
        for name, attempt in zip(names, attempts, strict=True):
            grid.add_row(
                Text(f"  {name}", overflow="ellipsis"),
                Text(f"attempt {attempt.number}" if attempt.number > 1 else "", "yellow"),
                Text(duration_text(now - attempt.since), "dim", no_wrap=True),
                Text(self._worker_of(attempt), "cyan", overflow="ellipsis", no_wrap=True),
            )
        more = progress.running_count - MAX_RUNNING
        if more > 0:
            grid.add_row(Text(f"  ... and {more:,} more", "dim"))
        return grid


def _name(progress: RunProgress, task: int) -> str:
    return visible_name(progress.state.tasks.name(task)) if progress.state else ""


def short_name(name: str, width: int) -> str:
    """Return a name in so many characters; what tells children apart is kept.

    >>> short_name("parse[3]", 8), short_name("parse_archive[3]", 12), short_name("parsing", 6)
    ('parse[3]', 'parse_ar…[3]', 'parsi…')
    """
    if len(name) <= width:
        return name
    end = name[name.rindex("[") :] if name.endswith("]") and "[" in name else ""
    end = end if len(end) < width - 1 else ""
    return f"{name[: width - 1 - len(end)]}…{end}"


class StageBars:
    """One bar per stage, at most eight: the stages done and those far ahead share one each."""

    def __init__(self) -> None:
        self._first_open = 0
        self._tasks_up_to: list[int] = []

    def render(self, progress: RunProgress) -> Table:
        """Draw the bars."""
        grid = Table.grid(padding=(0, 1))
        for label, done, total in self.rows(progress):
            bar = ProgressBar(total=max(total, 1), completed=done, width=BAR_WIDTH)
            grid.add_row(Text(label), bar, Text(f"{done:,}/{total:,}", "dim"))
        for task, done, total in progress.open_children(MAX_MAPPED):
            bar = ProgressBar(total=total, completed=done, width=BAR_WIDTH, complete_style="cyan")
            name = short_name(_name(progress, task), NAME_WIDTH)
            grid.add_row(Text(f"  {name}"), bar, Text(f"{done:,}/{total:,}", "dim"))
        return grid

    def rows(self, progress: RunProgress) -> list[tuple[str, int, int]]:
        """Return (label, done, total) of each bar."""
        totals, done = progress.stage_totals, progress.stage_done
        last = len(totals) - 1
        if last < MAX_BARS:
            return [(_label(i, i), done[i], totals[i]) for i in range(len(totals))]
        first = min(self._find_first_open(totals, done), last - (MAX_BARS - 2))
        end = min(first + MAX_BARS - (2 if first else 1), last + 1)
        rows = [(_label(i, i), done[i], totals[i]) for i in range(first, end)]
        before, after = self._count(totals, first), progress.total - self._count(totals, end)
        if first:
            rows.insert(0, (_label(0, first - 1), before, before))
        if after:
            done_after = progress.succeeded + progress.skipped - before - sum(done[first:end])
            rows.append((_label(end, last), max(done_after, 0), after))
        return rows

    def _find_first_open(self, totals: list[int], done: list[int]) -> int:
        # A done stage stays done, so every stage is passed once in the life of a run.
        while self._first_open < len(totals) and done[self._first_open] == totals[self._first_open]:
            self._first_open += 1
        return self._first_open

    def _count(self, totals: list[int], end: int) -> int:
        """Return the number of tasks in the stages before ``end``."""
        if len(self._tasks_up_to) != len(totals) + 1:
            self._tasks_up_to = list(accumulate(totals, initial=0))
        return self._tasks_up_to[end]


def _label(first: int, last: int) -> str:
    return f"stage {first}" if first == last else f"stages {first} to {last}"
