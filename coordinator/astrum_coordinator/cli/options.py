"""Options that several commands of the coordinator share, and the server they name."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from astrum.planning.priorities import HIGHEST, LOWEST
from astrum.runtime.cli.logs import log_to_stderr
from astrum.runtime.cli.options import (
    LOG_FORMATS,
    Command,
    Duration,
    LogLevel,
    ServerOptions,
    option,
)

if TYPE_CHECKING:
    from astrum.redis.settings import RedisSettings

json_option = option("--json", "as_json", is_flag=True, help="Print JSON on standard output.")
namespace_option = option(
    "-n", "--namespace", help="The namespace or registry to take, if there are several."
)
task_option = option(
    "-t",
    "--task",
    "targets",
    multiple=True,
    envvar="ASTRUM_TASK",
    metavar="TASK",
    help="A target; it and all tasks upstream of it are taken. Repeatable. Default: all tasks.",
)


def checked_run_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """Refuse run ids that need quoting in keys, shells or URLs."""
    from astrum.protocol.keys import is_run_id

    if value is not None and not is_run_id(value):
        raise click.BadParameter("use 1 to 200 letters, digits and . _ @ + -")
    return value


def _checked_new_id(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is not None and value.startswith("@"):
        raise click.BadParameter("names with @ stand for runs, such as @last: use another id")
    return checked_run_id(ctx, param, value)


run_id_option = option("--run-id", callback=_checked_new_id, help="The run's id. Default: random.")


def labels_of(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    """Return the labels of ``name=value`` pairs."""
    if not pairs:
        return {}
    from astrum.errors import RunError
    from astrum_coordinator.submission import checked_labels

    labels: dict[str, str] = {}
    for pair in pairs:
        name, is_pair, label = pair.partition("=")
        if not is_pair:
            raise click.BadParameter(f"{pair!r} is not of the form name=value")
        if name in labels:
            raise click.BadParameter(f"the label {name!r} is given twice")
        labels[name] = label
    try:
        return checked_labels(labels)
    except RunError as error:
        raise click.BadParameter(str(error)) from None


label_option = option(
    "--label",
    "labels",
    multiple=True,
    metavar="NAME=VALUE",
    callback=labels_of,
    help="A label of the run, for the list of runs. Repeatable.",
)


class ResultTtl(Duration):
    """A duration for which a server can keep a run."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        from astrum_coordinator.config import check_result_ttl

        seconds = super().convert(value, param, ctx)
        try:
            check_result_ttl(seconds)
        except ValueError:
            self.fail(f"{value!r} is not a time from 0.001s to 3650d", param, ctx)
        return seconds


result_ttl_option = option(
    "--result-ttl",
    "result_ttl_s",
    type=ResultTtl(),
    help="How long an ended run is kept with its results: 3600, 12h, 7d.  [default: 24h, or what "
    "the leader was started with]",
)


class VersionPolicy(click.ParamType[str]):
    """Which code may run a task, with the nearest name for one that there is not."""

    name = "versions"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name of a policy."""
        from astrum_coordinator.config import check_versions

        try:
            check_versions(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        return str(value)


class UnservedLimit(Duration):
    """A duration, or ``none`` for no limit, which becomes infinity."""

    advice = "write 300, 5m or 2h, or none for a run that always waits"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        return math.inf if value == "none" else super().convert(value, param, ctx)


versions_option = option(
    "--versions",
    type=VersionPolicy(),
    metavar="compatible|exact",
    help="Which code may run the tasks: any with the parameters, types and data of the plan, or "
    "the plan's alone.  [default: compatible, or what the leader was started with]",
)
unserved_option = option(
    "--unserved-limit",
    "unserved_limit_s",
    type=UnservedLimit(),
    metavar="DURATION|none",
    help="How long a task waits for a worker that serves it, before the run fails: "
    "300, 5m, 2h.  [default: 5m, or what the leader was started with]",
)
priority_option = option(
    "--priority",
    type=click.IntRange(LOWEST, HIGHEST),
    default=0,
    metavar="-9..9",
    help="Added to the priority of each task: above 0 begins before all else, and the others share "
    "the workers by it.  [default: 0]",
)


def require_redis(server: ServerOptions) -> RedisSettings:
    """Return the settings of the server that a command cannot do without."""
    if not server.url:
        raise click.UsageError("which server? Give --redis URL or set ASTRUM_REDIS_URL")
    return redis_settings(server)


def redis_settings(server: ServerOptions) -> RedisSettings:
    """Return the settings of a server; the environment supplies what the options leave out."""
    from astrum.redis.settings import RedisSettings

    return RedisSettings.from_env(**server._asdict())


def given(name: str) -> ParameterSource | None:
    """Return where the value of a parameter comes from, `None` if it was not set."""
    source = click.get_current_context().get_parameter_source(name)
    unset = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return None if source in unset else source


# --- logging --------------------------------------------------------------------------------


def _take_log_level(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta["astrum.log_level"] = value
    set_up_log(ctx)


def _take_log_format(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta["astrum.log_format"] = value
    set_up_log(ctx)


def set_up_log(ctx: click.Context, level: str = "warning") -> None:
    """Log as the options say, with ``level`` if they say none."""
    log_to_stderr(ctx.meta.get("astrum.log_level", level), as_json=log_format(ctx) == "json")


def log_format(ctx: click.Context) -> str:
    """Return the format that was chosen for the log."""
    return str(ctx.meta.get("astrum.log_format", "text"))


def _level_option(default: str) -> Callable[[Command], Command]:
    return option(
        "--log-level",
        type=LogLevel(),
        expose_value=False,
        callback=_take_log_level,
        help=f"How much to log to standard error.  [default: {default}]",
    )


_format_option = option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    expose_value=False,
    is_eager=True,
    callback=_take_log_format,
    help="How to log to standard error: lines of text, or one JSON object on each line.  "
    "[default: text]",
)


def log_option(command: Command) -> Command:
    """Declare ``--log-level`` and ``--log-format``."""
    return _level_option("warning")(_format_option(command))


def service_log_option(command: Command) -> Command:
    """Declare the same for a service, which calls `set_up_log` with "info"."""
    return _level_option("info")(_format_option(command))
