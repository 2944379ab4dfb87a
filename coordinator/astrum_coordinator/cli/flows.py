"""Loads the one flow that the MODULE arguments and options of a command select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from astrum.runtime.cli.options import Duration, option
from astrum_coordinator.cli.completion import module_files
from astrum_coordinator.cli.options import namespace_option, task_option

if TYPE_CHECKING:
    from astrum.execution.invoke import Flow
    from astrum.flow.loading import Workflow
    from astrum.flow.scheduler import DynamicScheduler

Command = TypeVar("Command", bound=Callable[..., Any])


class FlowChoice(NamedTuple):
    """The selected part of the modules; each field is an option."""

    modules: tuple[str, ...]
    namespace: str | None
    targets: tuple[str, ...]
    concurrency_limit: int | None
    skip_type_check: bool
    keep_going: bool = False
    cleanup_s: float | None = None


def flow_options(command: Command) -> Command:
    """Declare the options that `FlowChoice` holds."""
    for declare in (
        option(
            "--cleanup",
            "cleanup_s",
            type=Duration(),
            help="How long tasks with always=True may take from the time at which the run stops.  "
            "[default: as the flow says, or 60]",
        ),
        option(
            "--keep-going",
            is_flag=True,
            help='A failure does not stop what does not need the task (on_failure="continue", for '
            "tasks that name no policy).",
        ),
        option("--skip-type-check", is_flag=True, help="Do not check declared types."),
        option("--concurrency-limit", type=click.IntRange(min=1), help="Most tasks at once."),
        task_option,
        namespace_option,
        click.argument(
            "modules",
            nargs=-1,
            required=True,
            metavar="MODULE...",
            shell_complete=module_files,
        ),
    ):
        command = declare(command)
    return command


def load_scheduler(choice: FlowChoice) -> DynamicScheduler:
    """Import the modules and return the scheduler of the chosen tasks.

    Raises `FlowImportError` for a module that cannot be loaded, ``click.UsageError`` if it is
    not clear which flow is meant, and `SchedulerError` for a flow that is not valid.
    """
    from astrum.config import AstrumConfig
    from astrum.flow.loading import load_workflows

    workflow = choose(load_workflows(choice.modules), choice)
    config = AstrumConfig(
        skip_type_check=choice.skip_type_check,
        concurrency_limit=choice.concurrency_limit,
        on_failure="continue" if choice.keep_going else "stop",
    )
    return workflow.scheduler(list(choice.targets) or None, config)


def load_flow(choice: FlowChoice, *, fingerprints: bool) -> Flow:
    """Return the planned flow of `load_scheduler`."""
    flow = load_scheduler(choice).flow(fingerprints=fingerprints)
    own = {"concurrency_limit": choice.concurrency_limit, "cleanup_s": choice.cleanup_s}
    given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    return replace(flow, plan=replace(flow.plan, **given)) if given else flow


def choose(workflows: Sequence[Workflow], choice: FlowChoice) -> Workflow:
    """Return the one workflow that is meant."""
    from astrum.errors import nearest

    workflows = _distinct(workflows)
    names = [workflow.name for workflow in workflows]
    listed = ", ".join(map(repr, names))
    where = " ".join(choice.modules)
    if not workflows:
        raise click.UsageError(
            f"{where} declares no tasks: expected @task functions, or a SchedulerRegistry or "
            "DynamicScheduler at module level"
        )
    if choice.namespace is None:
        if len(workflows) > 1:
            raise click.UsageError(f"{where} has several namespaces, choose one by -n: {listed}")
        return workflows[0]
    for workflow in workflows:
        if workflow.name == choice.namespace:
            return workflow
    hint = nearest(choice.namespace, names)
    raise click.UsageError(f"{where} has no namespace {choice.namespace!r}{hint} (it has {listed})")


def _distinct(workflows: Sequence[Workflow]) -> list[Workflow]:
    """One workflow per name: of a registry and a scheduler built from it, the registry."""
    from astrum.flow.scheduler import DynamicScheduler

    found: dict[str, Workflow] = {}
    for workflow in workflows:
        if workflow.name not in found or isinstance(found[workflow.name].source, DynamicScheduler):
            found[workflow.name] = workflow
    return list(found.values())
