"""Writes the output of a run: for people on standard error, for programs on standard output."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import (
    AbstractContextManager,
    contextmanager,
    nullcontext,
    redirect_stdout,
    suppress,
)
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from astrum.runtime.cli.commands import say
from astrum_coordinator.cli.printing import Visible, print_json
from astrum_coordinator.display.tracebacks import MAX_TRACEBACKS, users_traceback

if TYPE_CHECKING:
    from astrum.machine import ExecutionReport
    from astrum_coordinator.asking.pool_watch import PoolWatch
    from astrum_coordinator.display.frame import WorkerOf
    from astrum_coordinator.display.progress import RunProgress


@contextmanager
def reserved_stdout() -> Iterator[IO[str]]:
    """Yield the real standard output; all other prints go to standard error from now on.

    This includes file descriptor 1, so the output of libraries and child processes cannot mix
    with it. It lasts for the rest of the process, since code that runs at exit may print too.
    """
    real = sys.stdout
    try:
        number, errors = real.fileno(), sys.stderr.fileno()
    except (OSError, ValueError):  # replaced by an object that is not a file, as in tests
        with redirect_stdout(sys.stderr):
            yield real
        return
    with suppress(OSError):
        real.flush()
    out = open(os.dup(number), "w", encoding=real.encoding)  # noqa: SIM115
    os.dup2(errors, number)
    with out, redirect_stdout(sys.stderr):
        yield out


def stdout_for(as_json: bool) -> AbstractContextManager[IO[str]]:
    """Reserve standard output for one JSON object, or leave it to the tasks."""
    return reserved_stdout() if as_json else nullcontext(sys.stdout)


def has_terminal() -> bool:
    """Return whether standard error is a terminal that can be redrawn."""
    try:
        return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    except (AttributeError, ValueError):  # user code has put something else there, or closed it
        return False


def display(
    progress: RunProgress,
    quiet: bool,
    watch: PoolWatch | None = None,
    *,
    told: WorkerOf | None = None,
) -> AbstractContextManager[object]:
    """Return a context manager that shows the run in the way that suits the output.

    ``watch`` is given for a run on workers, in whatever process that is led. For a run in process
    ``told`` returns what is shown beside a running attempt.
    """
    if quiet:
        return nullcontext()
    from astrum_coordinator.display import live_view
    from astrum_coordinator.display.frame import nowhere

    active = live_view.RUNNING if watch is None else live_view.DISPATCHED
    facts = live_view.no_facts if watch is None else watch.latest
    if not has_terminal():
        line_face = live_view.LineFace(sys.stderr, active)
        return live_view.ProgressDisplay(progress, line_face, facts)
    from rich.console import Console

    face = live_view.TerminalFace(Console(stderr=True), told or nowhere, active)
    return live_view.ProgressDisplay(progress, face, facts)


def tell(
    report: ExecutionReport,
    progress: RunProgress | None,
    quiet: bool,
    targets: Sequence[str] = (),
) -> None:
    """Print for people how the run ended, with the results of ``targets``."""
    from astrum_coordinator.display import report_view

    is_completed = report.execution_state == "completed"
    if quiet and is_completed:
        return
    for text in _tracebacks(progress) if not quiet else ():
        say(text)
    said = _said_before(progress)
    if has_terminal() and not quiet:
        from rich.console import Console

        # The retries of a run that succeeded in the end were shown when they happened.
        view = report_view.report_view(
            report, with_errors=not is_completed, said=said, targets=targets
        )
        Console(stderr=True).print(Visible(view))
        return
    for line in report_view.summary_lines(report, said) if not is_completed else ():
        say(line)
    for line in report_view.result_lines(report, targets) if not quiet else ():
        say(line)
    say(report_view.end_line(report))


def _said_before(progress: RunProgress | None) -> set[str]:
    """Return the lines that were shown during the run."""
    from astrum_coordinator.display.live_view import notice_text

    return set() if progress is None else {notice_text(notice) for notice in progress.shown}


def _tracebacks(progress: RunProgress | None) -> list[str]:
    """Return the tracebacks of the first failed tasks, which the report leaves out."""
    if progress is None or progress.state is None:
        return []
    failures = progress.state.attempt_log.failures.values()
    texts = (users_traceback(failure.traceback) for failure in failures if failure.traceback)
    return [f"{text.rstrip()}\n" for text in islice(filter(None, texts), MAX_TRACEBACKS)]


def deliver(
    report: ExecutionReport, path: Path | None, stdout: IO[str] | None, folder: Path | None = None
) -> bool:
    """Write the report as JSON to a file and to standard output, where it is wanted.

    A path is relative to ``folder``, by default to the current directory. Prints an error for each
    output that could not be written, and returns whether there was none.
    """
    target = path if path is None or folder is None else folder / path
    delivered = [
        _is_delivered(report, place, str(path or ""))
        for place in (target, stdout)
        if place is not None
    ]
    return all(delivered)


def _is_delivered(report: ExecutionReport, place: Path | IO[str], name: str) -> bool:
    from astrum_coordinator.display.json_values import report_to_json
    from astrum_coordinator.display.report_view import state_text

    try:
        if isinstance(place, Path):
            write_report(report, place)
        else:
            print_json(report_to_json(report), place)
    except OSError as error:
        where = name if isinstance(place, Path) else "standard output"
        how, why = state_text(report.execution_state), error.strerror or error
        say(f"error: the run {how}, but its report cannot be written to {where}: {why}")
        return False
    return True


def write_report(report: ExecutionReport, path: Path) -> None:
    """Write the report as JSON, as `write_safely` does."""
    from astrum_coordinator.display.json_values import report_to_json

    write_safely(path, lambda file: print_json(report_to_json(report), file))


def write_safely(path: Path, write: Callable[[IO[str]], object]) -> None:
    """Write a file of which no reader ever sees half; raises ``OSError``.

    A link stays a link. Pipes and devices are written to directly.
    """
    if _is_written_in_place(path):
        # The file may be standard output, which has another position there than the file opened
        # here: what tasks have printed would be written over the beginning of the report.
        with suppress(OSError, ValueError):
            sys.stdout.flush()
        with path.open("a", encoding="utf-8") as there:
            write(there)
        return
    target = Path(os.path.realpath(path))
    unnamed = _unnamed(target)
    try:
        with unnamed.open("w", encoding="utf-8") as file:
            write(file)
        unnamed.replace(target)
    except BaseException:
        unnamed.unlink(missing_ok=True)
        raise


def _unnamed(target: Path) -> Path:
    """Return the file that is written first and then gets the name of the target."""
    return target.with_name(f".{target.name}.{os.getpid()}.new")


def _is_written_in_place(path: Path) -> bool:
    """Return whether the path must be written to directly, not replaced by another file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    # /dev/stdout may be a file to which the output of the tasks goes as well.
    return not stat.S_ISREG(there.st_mode) or any(_is_open_as(there, number) for number in (1, 2))


def _is_open_as(there: os.stat_result, number: int) -> bool:
    try:
        return os.path.samestat(there, os.fstat(number))
    except OSError:  # it is closed
        return False


def checked_report_path(
    ctx: click.Context, param: click.Parameter, value: Path | None
) -> Path | None:
    """Refuse a file that could not be written, before anything runs."""
    why_not = "" if value is None else _why_not_written(value)
    if why_not:
        raise click.BadParameter(f"{value} cannot be written: {why_not}")
    return value


def _why_not_written(path: Path) -> str:
    """Return why a file could not be written, "" if it could."""
    try:
        if path.is_dir():
            return "it is a directory"
        if _is_written_in_place(path):
            return "" if os.access(path, os.W_OK) else os.strerror(errno.EACCES)
        # Rights do not say all: /proc takes no file, and the name may be too long.
        unnamed = _unnamed(Path(os.path.realpath(path)))
        with unnamed.open("w"):
            unnamed.unlink()
    except OSError as error:  # also for links in a circle
        if isinstance(error, FileNotFoundError) and not path.parent.exists():
            return f"there is no directory {path.parent}"
        return error.strerror or str(error)
    return ""
