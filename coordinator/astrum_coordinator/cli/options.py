"""Options that several commands share, each also read from the environment, and logging."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from astrum.runtime.command_line import LogLevel, log_to_stderr

if TYPE_CHECKING:
    from astrum.redis.settings import RedisSettings

Command = TypeVar("Command", bound=Callable[..., Any])

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
URL_VARIABLE = "ASTRUM_REDIS_URL"
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def option(*names: str, envvar: str = "", **settings: Any) -> Callable[[Command], Command]:
    """Declare an option that is also read from ``ASTRUM_`` and its name."""
    long = next(name for name in names if name.startswith("--"))
    variable = envvar or "ASTRUM_" + long.lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


REDIS_HELP = (
    "The server to use: redis://, rediss:// (TLS) or unix://. Put a password in the "
    "environment variable rather than here: command lines are visible to every user on this host."
)
TLS_FILES = {
    "ca": "The authority to trust in place of the system's, for rediss://.",
    "cert": "This client's certificate, if the server asks for one.",
    "key": "The certificate's key, if it is not in the same file.",
}
_TLS_META = "astrum.tls"


def redis_option(command: Command) -> Command:
    """Declare ``--redis`` and, kept for `redis_settings`, the files of TLS."""
    for name, text in reversed(TLS_FILES.items()):
        declare = option(
            f"--redis-{name}",
            metavar="FILE",
            help=text,
            expose_value=False,
            callback=_keep_tls_file,
        )
        command = declare(command)
    url = option("--redis", "redis_url", envvar=URL_VARIABLE, metavar="URL", help=REDIS_HELP)
    return url(command)


def _keep_tls_file(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value:
        ctx.meta.setdefault(_TLS_META, {})[param.name] = value


def tls_files() -> dict[str, str]:
    """Return the files of TLS that the current command was given, by option name."""
    ctx = click.get_current_context(silent=True)
    return {} if ctx is None else dict(ctx.meta.get(_TLS_META, {}))


prefix_option = option(
    "--prefix", help="Prefix of all keys; separates pools on one server.  [default: astrum]"
)
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


run_id_option = option("--run-id", callback=checked_run_id, help="The run's id. Default: random.")


def require_redis(url: str | None, prefix: str | None) -> RedisSettings:
    """Return the settings of the server that a command cannot do without."""
    if not url:
        raise click.UsageError("which server? Give --redis URL or set ASTRUM_REDIS_URL")
    return redis_settings(url, prefix)


def redis_settings(url: str, prefix: str | None) -> RedisSettings:
    """Return the settings of a server; the environment supplies what the options leave out."""
    from astrum.redis.settings import RedisSettings

    files = tls_files()
    return RedisSettings.from_env(
        url,
        prefix,
        tls_ca_file=files.get("redis_ca"),
        tls_cert_file=files.get("redis_cert"),
        tls_key_file=files.get("redis_key"),
    )


def given(name: str) -> ParameterSource | None:
    """Return where the value of a parameter comes from, `None` if it was not set."""
    source = click.get_current_context().get_parameter_source(name)
    unset = (ParameterSource.DEFAULT, ParameterSource.DEFAULT_MAP)
    return None if source in unset else source


# --- logging --------------------------------------------------------------------------------


def set_log_level(level: str) -> None:
    """Log what Astrum says to standard error; the user's own logging is not changed."""
    log_to_stderr(level, LOG_FORMAT)


def _take_log_level(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is not None:
        ctx.meta["astrum.log_level"] = value
    set_log_level(ctx.meta.get("astrum.log_level", "warning"))


log_option = option(
    "--log-level",
    type=LogLevel(),
    expose_value=False,
    callback=_take_log_level,
    help="How much to log to standard error.  [default: warning]",
)
