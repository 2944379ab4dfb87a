"""The options that choose runs by what they are: their state, age, flow and labels."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from astrum.runtime.cli.options import Duration, option
from astrum_coordinator.cli.options import labels_of

if TYPE_CHECKING:
    from astrum.view.run_list import RunFilter

Command = TypeVar("Command", bound=Callable[..., Any])

STATES = (
    *("pending", "running", "retrying", "stalled", "delayed"),
    *("completed", "failed", "cancelled"),
)
_OPTIONS = (
    option(
        "--state",
        "states",
        envvar="ASTRUM_RUNS_STATE",
        multiple=True,
        type=click.Choice(STATES, case_sensitive=False),
        help="Only runs in this state. Repeatable: in any of these.",
    ),
    option(
        "--since",
        "since_s",
        envvar="ASTRUM_RUNS_SINCE",
        type=Duration(),
        metavar="DURATION",
        help="Only runs created within the last 90s, 15m, 2h, 7d.",
    ),
    option(
        "--older",
        "older_s",
        envvar="ASTRUM_RUNS_OLDER",
        type=Duration(),
        metavar="DURATION",
        help="Only runs created longer ago than this.",
    ),
    option(
        *("-n", "--namespace", "--flow"),
        "namespace",
        envvar="ASTRUM_RUNS_NAMESPACE",
        help="Only runs of the flow with this namespace.",
    ),
    option(
        "--label",
        "labels",
        envvar="ASTRUM_RUNS_LABEL",
        multiple=True,
        metavar="NAME=VALUE",
        callback=labels_of,
        help="Only runs with this label. Repeatable: with all of these.",
    ),
)


def run_filter_options(command: Command) -> Command:
    """Declare the options; the command gets them as ``chosen``, a `RunFilter`."""

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

    declared: Any = with_filter
    for declare in reversed(_OPTIONS):
        declared = declare(declared)
    return declared  # type: ignore[no-any-return]


def filter_text(chosen: RunFilter) -> str:
    """Return a filter as the options that make it: ``--state failed --label team=data``."""
    from astrum_coordinator.display.report_view import duration_text

    parts = [f"--state {state}" for state in chosen.states]
    parts += [f"--since {duration_text(chosen.since_s)}"] if chosen.since_s is not None else []
    parts += [f"--older {duration_text(chosen.older_s)}"] if chosen.older_s is not None else []
    parts += [f"--namespace {chosen.namespace}"] if chosen.namespace else []
    parts += [f"--label {name}={value}" for name, value in chosen.labels.items()]
    return " ".join(parts)
