"""``run``: plan, lead and see through a run, in the place that the options choose."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from astrum.standard_streams import make_steady
from astrum_coordinator.cli import output
from astrum_coordinator.cli.attach import attach_option, check_attach
from astrum_coordinator.cli.endings import say
from astrum_coordinator.cli.flows import Selection, load_flow, selection_options
from astrum_coordinator.cli.options import (
    given,
    json_option,
    log_option,
    option,
    prefix_option,
    redis_option,
    run_id_option,
)
from astrum_coordinator.cli.run_settings import Place, RunSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from astrum.invoke import Flow
    from astrum.machine import ExecutionReport
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.progress import RunProgress

    Work = Callable[[Interrupts], Coroutine[Any, Any, ExecutionReport | None]]

LOCAL_CONTRADICTIONS = {
    "redis_url": "--local runs all tasks in this process: --redis has no meaning there",
    "workers": "--local runs all tasks in this process, without workers: drop --workers",
    "prefix": "--local uses no server, so there are no keys to give a --prefix",
}


@click.command(short_help="Run the tasks of MODULE and wait for the end.")
@selection_options
@redis_option
@option(
    "--workers",
    type=click.IntRange(min=1),
    help="Local worker processes to start.  [default: one per processor, none with --redis]",
)
@option("--local", is_flag=True, help="Run all tasks in this process, without a server.")
@option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds for the whole run.")
@run_id_option
@attach_option
@prefix_option
@json_option
@option(
    "--report",
    type=click.Path(path_type=Path),
    callback=output.checked_report_path,
    metavar="FILE",
    help="Also write the report as JSON to a file.",
)
@option("-q", "--quiet", is_flag=True, help="Say nothing unless the run fails.")
@log_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    as_json: bool,
    report: Path | None,
    quiet: bool,
    timeout: float | None,
    run_id: str | None,
    attach: bool,
    **rest: Any,
) -> None:
    """Run the tasks of MODULE and wait for the end.

    MODULE is a dotted name or a .py file, with :ATTR for one registry or scheduler in it.
    Without --redis and --local, a private server and local workers are started for the run.
    Several modules are imported together.

    Ctrl-C and SIGTERM cancel the run for good. One whose process was killed goes on with
    `resume`, or by itself where `serve` runs.

    A --run-id of a run that is open is that run: it is led on, or followed while others lead it.
    One of a run that ended is refused with exit code 2; with --attach its report is given, and
    the exit code is that of the run.
    """
    from astrum.exit_codes import ExitCode

    place = choose_place(rest)
    check_attach(attach, run_id, local=place.local)
    selection = Selection(**{name: rest[name] for name in Selection._fields})
    settings = RunSettings(selection, place, timeout, run_id, quiet, attach)
    with output.stdout_for(as_json) as stdout:
        result, code = lead(settings)
        if result is not None and not output.deliver(result, report, stdout if as_json else None):
            code = code or ExitCode.NOT_HANDED_OVER
    ctx.exit(code)


def choose_place(options: dict[str, Any]) -> Place:
    """Decide where to run; what the command line says goes before the environment.

    Raises ``click.UsageError`` for options that contradict each other.
    """
    redis_url, prefix, workers = options["redis_url"], options["prefix"], options["workers"]
    if options["local"] and _local_wins():
        return Place(True, None, 0, None)
    if workers is None:
        workers = 0 if redis_url else os.cpu_count() or 1
    return Place(False, redis_url, workers, prefix)


def _local_wins() -> bool:
    typed = ParameterSource.COMMANDLINE
    others = [name for name in LOCAL_CONTRADICTIONS if given(name) is not None]
    if given("local") is not typed and any(given(name) is typed for name in others):
        return False
    for name in others:
        if given(name) is given("local"):
            raise click.UsageError(LOCAL_CONTRADICTIONS[name])
    return True


def lead(settings: RunSettings) -> tuple[ExecutionReport | None, int]:
    """Run it, tell people how it ended, and return the report and the exit code."""
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.progress import RunProgress

    if not settings.place.local:  # it shows what the workers print
        make_steady("stdout")
    flow = load_flow(settings.selection, fingerprints=not settings.place.local)
    progress = RunProgress()
    interrupts = Interrupts()
    report = interrupts.run(session(settings, flow, progress))
    if report is None:
        say("interrupted before the run began")
        return None, interrupts.exit_code
    output.tell(report, progress, settings.quiet)
    return report, end_code(report, interrupts)


def session(settings: RunSettings, flow: Flow, progress: RunProgress) -> Work:
    """Return what runs the flow in the place that was chosen."""
    if settings.place.local:
        from astrum_coordinator.cli.in_process import LocalSession

        return LocalSession(settings, flow, progress).run
    from astrum_coordinator.cli.on_pool import PoolSession

    return PoolSession(settings, flow, progress).run


def end_code(report: ExecutionReport, interrupts: Interrupts) -> int:
    """Return the exit code of a run that ended."""
    from astrum.exit_codes import ExitCode

    if report.execution_state == "completed":
        return ExitCode.DONE
    return interrupts.exit_code if interrupts.received else ExitCode.FAILED
