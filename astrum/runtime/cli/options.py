"""Options that both commands have, each also read from the environment."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from astrum.runtime.log_records import FAILED_LOGS, NO_LOGS, TASK_LOGS

Command = TypeVar("Command", bound=Callable[..., Any])

URL_VARIABLE = "ASTRUM_REDIS_URL"
LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")
_SIZE = re.compile(r"(\d+(?:\.\d+)?) *(?:([kmgt])(i?b?))?b?", re.IGNORECASE)
_UNITS = "kmgt"
_DURATION = re.compile(r"(\d+(?:\.\d+)?) *([smhd])?", re.IGNORECASE)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_OTHER_NAMES = {"warn": "warning", "critical": "error", "fatal": "error", "trace": "debug"}


def option(*names: str, envvar: str = "", **settings: Any) -> Callable[[Command], Command]:
    """Declare an option that is also read from ``ASTRUM_`` and its name."""
    long = next(name for name in names if name.startswith("--"))
    variable = envvar or "ASTRUM_" + long.lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


class ServerOptions(NamedTuple):
    """The server that a command line names; the fields are arguments of `RedisSettings.from_env`.

    `None`: neither the command line nor the environment has a value.
    """

    url: str | None = None
    prefix: str | None = None
    tls_ca_file: str | None = None
    tls_cert_file: str | None = None
    tls_key_file: str | None = None

    def arguments(self) -> list[str]:
        """Return these options as a command line, without the URL: it may have a password.

        >>> ServerOptions("redis://host", "jobs").arguments()
        ['--prefix', 'jobs']
        """
        values = {
            "--prefix": self.prefix,
            "--redis-ca": self.tls_ca_file,
            "--redis-cert": self.tls_cert_file,
            "--redis-key": self.tls_key_file,
        }
        return [part for name, value in values.items() if value for part in (name, value)]


prefix_option = option(
    "--prefix", help="Prefix of all keys; separates pools on one server.  [default: astrum]"
)
_SERVER_OPTIONS = (
    option(
        "--redis",
        "redis_url",
        envvar=URL_VARIABLE,
        metavar="URL",
        help="The server to use: redis://, rediss:// (TLS), unix:// or, with Sentinel, "
        "redis+sentinel://HOST:PORT,HOST:PORT/MASTER. Put a password in the environment variable "
        "rather than here: command lines are visible to every user on this host.",
    ),
    option(
        "--redis-ca",
        metavar="FILE",
        help="The authority to trust in place of the system's, for rediss://.",
    ),
    option(
        "--redis-cert",
        metavar="FILE",
        help="This client's certificate, if the server asks for one.",
    ),
    option(
        "--redis-key",
        metavar="FILE",
        help="The certificate's key, if it is not in the same file.",
    ),
    prefix_option,
)


def server_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare ``--redis``, the files of TLS and ``--prefix``.

    The command gets them as one parameter ``server``, a `ServerOptions`.
    """

    @wraps(command)
    def with_server(
        *given: Any,
        redis_url: str | None,
        prefix: str | None,
        redis_ca: str | None,
        redis_cert: str | None,
        redis_key: str | None,
        **rest: Any,
    ) -> Any:
        server = ServerOptions(redis_url, prefix, redis_ca, redis_cert, redis_key)
        return command(*given, server=server, **rest)

    declared: Callable[..., Any] = with_server
    for declare in reversed(_SERVER_OPTIONS):
        declared = declare(declared)
    return declared


class LogLevel(click.Choice[str]):
    """One of `LEVELS`, in any case; the names that other tools use for them are accepted too."""

    def __init__(self) -> None:
        super().__init__(LEVELS)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the level's own name."""
        name = str(value).strip().lower()
        return super().convert(_OTHER_NAMES.get(name, name), param, ctx)


class Size(click.ParamType[int]):
    """A number of bytes: ``2GiB``, ``512M`` (as MiB), ``2GB`` (powers of 1000) or plain bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number of bytes."""
        if isinstance(value, int):
            return value
        match = _SIZE.fullmatch(str(value).strip())
        if match is None or not float(match[1]):
            self.fail(f"{value!r} is not a size: write 512MiB or 2GiB", param, ctx)
        number, unit, ending = match.groups()
        power = _UNITS.index(unit.lower()) + 1 if unit else 0
        base = 1000 if ending in ("b", "B") else 1024
        return round(float(number) * float(base**power))


class Duration(click.ParamType[float]):
    """Seconds, or a number with a unit: ``90``, ``90s``, ``15m``, ``12h``, ``7d``.

    It is above 0, or ``least`` seconds at least.
    """

    name = "duration"
    advice = "write 90, 90s, 15m, 12h or 7d"

    def __init__(self, least: float | None = None) -> None:
        self._least = least

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds."""
        match = _DURATION.fullmatch(str(value).strip())
        seconds = float(match[1]) * _SECONDS[(match[2] or "s").lower()] if match else -1.0
        least = self._least
        is_enough = seconds > 0 if least is None else seconds >= least
        if not (is_enough and seconds < math.inf):
            bound = f" of {least:g} s or more" if least else ""
            self.fail(f"{value!r} is not a duration{bound}: {self.advice}", param, ctx)
        return seconds


log_format_option = option(
    "--log-format",
    type=click.Choice(LOG_FORMATS),
    default="text",
    show_default=True,
    help="How to log to standard error: lines of text, or one JSON object on each line.",
)
_TASK_LOG_OPTIONS = (
    option(
        "--task-logs",
        type=click.Choice(TASK_LOGS),
        default=FAILED_LOGS,
        show_default=True,
        help="Of which attempts to store the log with the run, for `show RUN TASK --log` and "
        "reports: of those that do not succeed, of all and while they run, or of none.",
    ),
    option(
        "--capture-print",
        is_flag=True,
        help="Have what a task prints in its stored log too.",
    ),
    option(
        "--task-logs-limit",
        type=Size(),
        default="64MiB",
        show_default=True,
        help="The most that the stored logs of one run have together; a quarter is for attempts "
        "that fail.",
    ),
)


class TaskLogOptions(NamedTuple):
    """Of which attempts the logs are stored, and how many bytes all of a run may have."""

    task_logs: str = FAILED_LOGS
    capture_print: bool = False
    task_logs_limit: int = 64 * 1024 * 1024

    def arguments(self) -> list[str]:
        """Return these options as a command line.

        >>> TaskLogOptions("all", True, 1000).arguments()
        ['--task-logs', 'all', '--task-logs-limit', '1000', '--capture-print']
        """
        limit = ["--task-logs-limit", str(self.task_logs_limit)]
        prints = ["--capture-print"] if self.capture_print else []
        return ["--task-logs", self.task_logs, *limit, *prints]


def task_log_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Declare the options about logs of attempts.

    The command gets them as one parameter ``logs``, `TaskLogOptions`.
    """

    @wraps(command)
    def with_logs(
        *given: Any, task_logs: str, capture_print: bool, task_logs_limit: int, **rest: Any
    ) -> Any:
        if capture_print and task_logs == NO_LOGS:
            raise click.UsageError(
                "--capture-print is about stored logs, and --task-logs off stores none: drop one"
            )
        logs = TaskLogOptions(task_logs, capture_print, task_logs_limit)
        return command(*given, logs=logs, **rest)

    declared: Callable[..., Any] = with_logs
    for declare in reversed(_TASK_LOG_OPTIONS):
        declared = declare(declared)
    return declared
