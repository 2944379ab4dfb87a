"""Shows a run while it happens: a live view on a terminal, plain lines everywhere else.

The display has a thread of its own: a terminal that takes no more output (a stopped pager, a
slow line) may hold it up, but never the event loop that leads the run.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import IO, Protocol

from rich.console import Console

from astrum.runtime.standard_streams import say_line
from astrum.runtime.visible_text import visible_name
from astrum.view.progress.pool_facts import PoolFacts
from astrum_coordinator.display.frame import (
    Look,
    Size,
    StageBars,
    WorkerOf,
    counts_text,
    frame,
    nowhere,
    speed_text,
)
from astrum_coordinator.display.progress import FAILED, HELD, LOST, Notice, RunProgress
from astrum_coordinator.display.report_view import STATUS_STYLE, count_text
from astrum_coordinator.display.screen_region import ScreenRegion
from astrum_coordinator.display.texts import Text

logger = logging.getLogger("astrum.coordinator.live")

REFRESH_S = 1 / 8
DRAWING_SHARE = 0.05
"""The share of the time for drawing: on a slow machine it is drawn less often."""
NOTICES_PER_REFRESH = 20
MAX_MAPPED = 4
"""Tasks whose children have a line of their own among plain lines."""
FIRST_LINE_AFTER_S = 5.0
LONGEST_SILENCE_S = 60.0

RUNNING = "running"
DISPATCHED = "queued or running"
"""The word for attempts that were sent to workers: one may run them already or not."""

FactsOf = Callable[[], PoolFacts | None]
"""Returns what the pool says about the run, `None` for a run in process."""


def no_facts() -> None:
    """Return no facts: a run in process has no pool."""
    return


class Face(Protocol):
    """One way to show progress; all calls come from one thread at a time."""

    def begin(self) -> None:
        """Prepare the screen."""

    def show(self, progress: RunProgress) -> None:
        """Show the current progress."""

    def end(self, progress: RunProgress) -> None:
        """Print what was not printed yet and release the screen."""


class ProgressDisplay:
    """A context manager that shows ``progress`` through ``face``, at most eight times a second.

    ``facts`` returns what the pool says about the run, for a run on workers.
    """

    def __init__(self, progress: RunProgress, face: Face, facts: FactsOf = no_facts) -> None:
        self._progress = progress
        self._face = face
        self._facts = facts
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
        self._has_failed = False  # what a failed display has changed is put back all the same
        self._try(self._face.end, self._progress)

    def _loop(self) -> None:
        pause_s = REFRESH_S
        while not self._over.wait(pause_s):
            began = time.thread_time()
            self._try(self._look)
            self._try(self._face.show, self._progress)
            pause_s = max(REFRESH_S, (time.thread_time() - began) / DRAWING_SHARE)

    def _look(self) -> None:
        self._progress.look(self._facts())

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
    if notice.kind == HELD:
        return f"{name} attempt {notice.attempt} was lost: {reason}; it is held until `release`"
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
        self._last_troubles: tuple[str, ...] = ()

    def begin(self) -> None:
        """Do nothing."""

    def show(self, progress: RunProgress) -> None:
        """Print what is new."""
        self._start_line(progress)
        for notice in progress.take_notices(NOTICES_PER_REFRESH):
            self._print(notice_text(notice))
        watched_s = progress.watched_s
        if watched_s >= self._next_line_s and not progress.final:
            self._next_line_s = watched_s + min(watched_s, LONGEST_SILENCE_S)
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
        stages = count_text(len(progress.stages), "stage")
        done = f", {progress.inherited:,} done already" if progress.inherited else ""
        self._print(f"{count_text(progress.total, 'task')} in {stages}{done}")

    def _progress_line(self, progress: RunProgress) -> None:
        line = counts_text(progress, self._active)
        if line != self._last_line:
            self._last_line = line
            self._print(f"{line} after {speed_text(progress)}")
            for row in progress.open_children()[:MAX_MAPPED]:
                failed = f", {row.failed:,} failed" if row.failed else ""
                name = visible_name(progress.name(row.task))
                self._print(f"  {name}: {row.ended:,} of {row.total:,} ended{failed}")
        troubles = progress.facts.troubles if progress.facts is not None else ()
        if troubles != self._last_troubles:
            self._last_troubles = troubles
            for trouble in troubles:
                self._print(visible_name(trouble))

    def _print(self, line: str) -> None:
        say_line(line, self._file)


# --- the live view --------------------------------------------------------------------------


class TerminalFace:
    """A view that is redrawn in place; failures scroll by above it.

    ``worker_of`` returns what is shown beside an attempt of a run in process.
    """

    def __init__(
        self, console: Console, worker_of: WorkerOf = nowhere, active: str = RUNNING
    ) -> None:
        self._console = console
        self._look = Look(active, console.encoding, not console.no_color)
        self._worker_of = worker_of
        self._bars = StageBars()
        self._region = ScreenRegion(console)

    def begin(self) -> None:
        """Start drawing."""
        self._region.open()

    def show(self, progress: RunProgress) -> None:
        """Redraw."""
        for notice in progress.take_notices(NOTICES_PER_REFRESH):
            self._print(notice)
        if progress.state is not None:
            # The size is asked for each time: a change needs no signal.
            size = Size(*self._console.size)
            self._region.draw(frame(progress, size, self._look, self._bars, self._worker_of))

    def end(self, progress: RunProgress) -> None:
        """Remove the view; what scrolled by stays."""
        try:
            for notice in progress.take_notices(NOTICES_PER_REFRESH * 5):
                self._print(notice)
            left_out = progress.take_left_out()
            if left_out:
                self._console.print(Text(_left_out_text(left_out), "dim"))
        finally:
            self._region.close()

    def _print(self, notice: Notice) -> None:
        style = STATUS_STYLE["failed"] if notice.kind == FAILED else "yellow"
        self._console.print(Text(notice_text(notice), style), soft_wrap=True)
