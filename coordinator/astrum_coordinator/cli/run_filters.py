"""The options that choose runs by what they are: their state, age, flow and labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from astrum.runtime.cli.commands import say
from astrum.runtime.cli.options import Duration, ServerOptions, option
from astrum_coordinator.cli.asking import ask, find_runs
from astrum_coordinator.cli.options import labels_of

if TYPE_CHECKING:
    from astrum.protocol.records import RunInfo
    from astrum.view.run_list import RunFilter

Command = TypeVar("Command", bound=Callable[..., Any])

_NAMED = 5
STATES = (
    *("pending", "running", "retrying", "stalled", "delayed"),
    *("completed", "failed", "cancelled"),
)


def run_filter_options(command_name: str) -> Callable[[Command], Command]:
    """Declare the options of a command, which gets them as ``chosen``, a `RunFilter`.

    Each command has variables of its own for them: what lists runs must not delete any.
    """

    def declare_all(command: Command) -> Command:
        declared: Any = _with_filter(command)
        for declare in reversed(_options(f"ASTRUM_{command_name.upper()}")):
            declared = declare(declared)
        return declared  # type: ignore[no-any-return]

    return declare_all


def _with_filter(command: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(command)
    def with_filter(
        *given: Any,
        states: tuple[str, ...],
        since_s: float | None,
        older_s: float | None,
        namespace: str | None,
        labels: dict[str, str],
        **rest: Any,
    ) -> Any:
        from astrum.view.run_list import RunFilter

        chosen = RunFilter(
            states=states,
            since_s=since_s,
            older_s=older_s,
            namespace=namespace or "",
            labels=labels,
        )
        return command(*given, chosen=chosen, **rest)

    return with_filter


def _options(variables: str) -> list[Callable[[Any], Any]]:
    return [
        option(
            *("--state", "states"),
            envvar=f"{variables}_STATE",
            multiple=True,
            type=click.Choice(STATES, case_sensitive=False),
            help="Only runs in this state. Repeatable: in any of these.",
        ),
        option(
            *("--since", "since_s"),
            envvar=f"{variables}_SINCE",
            type=Duration(),
            metavar="DURATION",
            help="Only runs created within the last 90s, 15m, 2h, 7d.",
        ),
        option(
            *("--older", "older_s"),
            envvar=f"{variables}_OLDER",
            type=Duration(),
            metavar="DURATION",
            help="Only runs created longer ago than this.",
        ),
        option(
            *("-n", "--namespace", "--flow", "namespace"),
            envvar=f"{variables}_NAMESPACE",
            help="Only runs of the flow with this namespace.",
        ),
        option(
            *("--label", "labels"),
            envvar=f"{variables}_LABEL",
            multiple=True,
            metavar="NAME=VALUE",
            callback=labels_of,
            help="Only runs with this label. Repeatable: with all of these.",
        ),
    ]


class Only(NamedTuple):
    """The kind of runs that a command is for."""

    kind: str
    fits: Callable[[RunInfo], bool]


def chosen_runs(
    server: ServerOptions, names: Sequence[str], chosen: RunFilter, only: Only
) -> tuple[str, ...]:
    """Return the ids of the runs that are named, or of ``only`` those that a filter fits.

    Raises ``click.UsageError`` unless exactly one of both is given.
    """
    if names and not chosen.is_empty:
        raise click.UsageError(f"name runs or choose them by {filter_text(chosen)}, not both")
    if names:
        return find_runs(server, names)
    if chosen.is_empty:
        raise click.UsageError("which runs? Name them, or choose them by --state, --label, --older")
    found = ask(server, lambda coordinator: coordinator.list_runs(chosen, limit=None))
    ids = tuple(run.info.run_id for run in found if only.fits(run.info))
    if not ids:
        say(f"no {only.kind} runs with {filter_text(chosen)}")
    return ids


def runs_text(run_ids: Sequence[str]) -> str:
    """Return how many runs there are, and the first of them.

    >>> runs_text(["a", "b"])
    "2 runs: 'a', 'b'"
    """
    from astrum.errors import listed

    count = "1 run" if len(run_ids) == 1 else f"{len(run_ids):,} runs"
    return f"{count}: {listed(run_ids, _NAMED)}"


def filter_text(chosen: RunFilter) -> str:
    """Return a filter as the options that make it: ``--state failed --label team=data``."""
    from astrum.runtime.durations import duration_text

    parts = [f"--state {state}" for state in chosen.states]
    parts += [f"--since {duration_text(chosen.since_s)}"] if chosen.since_s is not None else []
    parts += [f"--older {duration_text(chosen.older_s)}"] if chosen.older_s is not None else []
    parts += [f"--namespace {chosen.namespace}"] if chosen.namespace else []
    parts += [f"--label {name}={value}" for name, value in chosen.labels.items()]
    return " ".join(parts)
