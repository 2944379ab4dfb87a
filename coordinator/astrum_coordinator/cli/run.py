"""The command ``run``: plan a flow and run it to its end, where the options choose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from astrum.flow.import_paths import working_directory
from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import (
    Duration,
    ServerOptions,
    TaskLogOptions,
    option,
    server_options,
    task_log_options,
)
from astrum.runtime.exit_codes import ExitCode
from astrum.runtime.standard_streams import keep_lines_whole, make_steady
from astrum_coordinator.cli import output
from astrum_coordinator.cli.attach import attach_option, check_attach
from astrum_coordinator.cli.export import export_option, is_exported
from astrum_coordinator.cli.flows import FlowChoice, flow_options, load_flow
from astrum_coordinator.cli.inputs import InputArguments, checked, checked_in_part, inputs_options
from astrum_coordinator.cli.options import (
    json_option,
    label_option,
    log_format,
    log_option,
    priority_option,
    result_ttl_option,
    run_id_option,
    unserved_option,
    versions_option,
)
from astrum_coordinator.cli.places import check_from, check_labels, choose_place, place_text
from astrum_coordinator.cli.run_settings import RunSettings
from astrum_coordinator.cli.taking_over import FromArguments, from_options

if TYPE_CHECKING:
    from astrum.execution.invoke import Flow
    from astrum.execution.run_inputs import CheckedInputs
    from astrum.machine import ExecutionReport
    from astrum.view.report.columns import RunColumns
    from astrum_coordinator.cli.in_process import LocalSession
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.cli.on_pool import PoolSession
    from astrum_coordinator.display.progress import RunProgress


@click.command(short_help="Run the tasks of MODULE and wait for the end.")
@flow_options
@server_options
@option(
    "--workers",
    type=click.IntRange(min=1),
    help="Local worker processes to start.  [default: one per processor, none with --redis]",
)
@option("--local", is_flag=True, help="Run all tasks in this process, without a server.")
@option(
    "--embedded",
    is_flag=True,
    help="Run on a private server with local workers, even if ASTRUM_REDIS_URL is set.",
)
@option("--timeout", type=Duration(), help="How long the whole run may take: 90, 15m, 2h.")
@result_ttl_option
@inputs_options
@from_options
@run_id_option
@attach_option
@label_option
@priority_option
@versions_option
@unserved_option
@json_option
@option(
    "--report",
    type=click.Path(path_type=Path),
    callback=output.checked_report_path,
    metavar="FILE",
    help="Also write the report as JSON to a file.",
)
@export_option
@option("-q", "--quiet", is_flag=True, help="Say nothing unless the run fails.")
@task_log_options
@log_option
@click.pass_context
def run(
    ctx: click.Context,
    /,
    server: ServerOptions,
    as_json: bool,
    report: Path | None,
    export: Path | None,
    quiet: bool,
    timeout: float | None,
    result_ttl_s: float | None,
    run_id: str | None,
    attach: bool,
    labels: dict[str, str],
    priority: int,
    versions: str | None,
    unserved_limit_s: float | None,
    given: InputArguments,
    from_run: FromArguments | None,
    logs: TaskLogOptions,
    **rest: Any,
) -> None:
    """Run the tasks of MODULE and wait for the end.

    MODULE is a dotted name or a .py file, with :ATTR for one registry or scheduler in it.
    Without --redis and --local, a private server and local workers are started for the run; with
    --embedded even if ASTRUM_REDIS_URL names a server. The first line says where it runs.
    Several modules are imported together.

    Ctrl-C, SIGTERM and SIGHUP cancel the run for good. If this process is killed, the run continues
    with `resume`, or by itself where `serve` runs.

    If --run-id names an open run, that run continues: it is led here, or followed while another
    process leads it. If it names a run that ended, the command ends with exit code 2; with
    --attach it prints the report instead, and the exit code is that of the run.

    --from RUN starts a new run, for example with fixed code: what RUN has succeeded in and would
    give the same results again does not run.
    """
    place = choose_place(server, ctx.params)
    check_attach(attach, run_id, local=place.local)
    check_labels(labels, local=place.local)
    check_from(from_run, place)
    choice = FlowChoice(**{name: rest[name] for name in FlowChoice._fields})
    folder = working_directory()
    settings = RunSettings(
        *(choice, place, timeout, run_id, quiet, attach, labels, folder),
        *(result_ttl_s, versions or "", unserved_limit_s, given, from_run, priority),
        makes_columns=export is not None,
        worker_options=("--log-format", log_format(ctx), *logs.arguments()),
        logs=logs,
    )
    with output.stdout_for(as_json) as stdout:
        result, columns, code = lead(settings, with_results=not as_json)
        if export is not None and not is_exported(columns, export, folder):
            code = code or ExitCode.NOT_HANDED_OVER
        there = stdout if as_json else None
        if result is not None and not output.deliver(result, report, there, folder):
            code = code or ExitCode.NOT_HANDED_OVER
    ctx.exit(code)


def lead(
    settings: RunSettings, *, with_results: bool = True
) -> tuple[ExecutionReport | None, RunColumns | None, int]:
    """Run the flow, print how it ended, and return the report, the columns and the exit code.

    ``with_results`` prints those of the targets, too.
    """
    from astrum_coordinator.cli.interrupts import Interrupts
    from astrum_coordinator.display.progress import RunProgress

    # A worker's output is only a log; in process an output that cannot be written is an error.
    (keep_lines_whole if settings.place.local else make_steady)("stdout")
    flow = load_flow(settings.choice, fingerprints=not settings.place.local)
    # What is missing may come from the earlier run.
    inputs = (checked_in_part if settings.from_run else checked)(flow, settings.given)
    if not settings.quiet:
        say(place_text(settings.place))
    progress = RunProgress()
    interrupts = Interrupts()
    work = session(settings, flow, inputs, progress)
    report = interrupts.run(work.run)
    if report is None:
        say("interrupted before the run began")
        return None, None, interrupts.exit_code
    targets = settings.choice.targets or flow.plan.last_tasks
    output.tell(report, progress, settings.quiet, targets if with_results else ())
    return report, work.columns, end_code(report, interrupts)


def session(
    settings: RunSettings, flow: Flow, inputs: CheckedInputs, progress: RunProgress
) -> LocalSession | PoolSession:
    """Return what runs the flow where the options choose."""
    if settings.place.local:
        from astrum.runtime.patched_library import refuse_patched_library

        refuse_patched_library()  # the module was loaded after the parts that it replaces
        from astrum_coordinator.cli.in_process import LocalSession

        return LocalSession(settings, flow, inputs, progress)
    from astrum_coordinator.cli.on_pool import PoolSession

    return PoolSession(settings, flow, inputs, progress)


def end_code(report: ExecutionReport, interrupts: Interrupts) -> int:
    """Return the exit code of a run that ended."""
    if report.execution_state == "completed":
        return ExitCode.DONE
    return interrupts.exit_code if interrupts.received else ExitCode.FAILED
