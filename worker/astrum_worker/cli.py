"""The command ``astrum-worker``: options, and how it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from astrum.runtime.command_line import LogLevel, SteadyCommand
from astrum_worker.process.logs import set_up_logging
from astrum_worker.process.supervisor import Supervisor

TALKATIVE = ("debug", "info")
"""Log levels at which the worker also says that it serves and that it stops."""
URL_VARIABLE = "ASTRUM_REDIS_URL"

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

Command = TypeVar("Command", bound=Callable[..., Any])


def option(*names: str, envvar: str = "", **settings: Any) -> Callable[[Command], Command]:
    """Declare an option that is also read from ``ASTRUM_`` and its name."""
    long = next(name for name in names if name.startswith("--"))
    variable = envvar or "ASTRUM_" + long.lstrip("-").replace("-", "_").upper()
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


def checked_queues(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Refuse empty names and lists of names: the option is repeated for several queues."""
    for queue in value:
        if not queue or "," in queue:
            raise click.BadParameter(
                f"{queue!r} is not a queue name; repeat the option to serve several queues"
            )
    return value


class WorkerCommand(SteadyCommand):
    """The command, whose tasks' output is the log of a service: nothing depends on it."""

    steady_stdout = True


@click.command(cls=WorkerCommand, context_settings=CONTEXT)
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...", envvar="ASTRUM_MODULES")
@option(
    "--redis",
    "redis_url",
    envvar=URL_VARIABLE,
    metavar="URL",
    help="The server to use: redis://, rediss:// (TLS) or unix://. Put a password in the "
    "environment variable rather than here: command lines are visible to every user on this host.",
)
@option(
    "--redis-ca",
    metavar="FILE",
    help="The authority to trust in place of the system's, for rediss://.",
)
@option(
    "--redis-cert",
    metavar="FILE",
    help="This client's certificate, if the server asks for one.",
)
@option(
    "--redis-key",
    metavar="FILE",
    help="The certificate's key, if it is not in the same file.",
)
@option("--prefix", help="Prefix of all keys; separates pools on one server.  [default: astrum]")
@option(
    "-q",
    "--queue",
    "queues",
    multiple=True,
    default=("default",),
    show_default=True,
    callback=checked_queues,
    help="A queue to serve. Repeatable; earlier ones go first.",
)
@option(
    "-c",
    "--concurrency",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Async tasks at once.",
)
@option(
    "--threads",
    type=click.IntRange(min=1),
    help="Sync tasks at once.  [default: processors]",
)
@option(
    "--processes",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Worker processes, for work that keeps a processor busy; one that dies is replaced.",
)
@option(
    "--no-supervisor",
    is_flag=True,
    help="Run one worker in this process, without a supervisor that replaces it when it dies.",
)
@option(
    "--grace",
    "grace_s",
    type=click.FloatRange(min=0),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long running tasks may take to end after SIGTERM or Ctrl-C.",
)
@option(
    "--max-hung",
    type=click.IntRange(min=1),
    help="Threads stuck in timed-out tasks that end the worker.  [default: as --threads]",
)
@option(
    "--blocked-limit",
    "blocked_limit_s",
    type=click.FloatRange(min=0),
    default=300.0,
    show_default=True,
    metavar="SECONDS",
    help="How long an async task may block the event loop before the worker process ends because "
    "of it; 0 for no limit.",
)
@option(
    "--lease",
    "lease_s",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long after its last heartbeat the worker counts as dead.",
)
@option(
    "--wait",
    is_flag=True,
    help="Wait at the start for as long as it takes until the server can serve, not only 10 s.",
)
@option(
    "--log-level",
    type=LogLevel(),
    default="info",
    show_default=True,
    help="How much to say on standard error; from warning on, only what went wrong.",
)
@click.option("--supervisor-fd", type=int, hidden=True)
def main(
    modules: tuple[str, ...],
    redis_url: str | None,
    redis_ca: str | None,
    redis_cert: str | None,
    redis_key: str | None,
    prefix: str | None,
    queues: tuple[str, ...],
    concurrency: int,
    threads: int | None,
    processes: int,
    no_supervisor: bool,
    grace_s: float,
    max_hung: int | None,
    blocked_limit_s: float,
    lease_s: float,
    wait: bool,
    log_level: str,
    supervisor_fd: int | None,
) -> None:
    """Run tasks of the given modules for runs on a Redis or Valkey server.

    MODULE is a dotted name or a .py file; :attr behind it takes one registry of it only. All
    namespaces, registries and schedulers found there are served.
    """
    set_up_logging(log_level)
    if no_supervisor and processes > 1:
        raise click.UsageError("--processes needs the supervisor; drop --no-supervisor")
    if supervisor_fd is None and not no_supervisor:
        sys.exit(asyncio.run(_supervise(sys.argv[1:], redis_url, processes, grace_s)))
    # Only here: a supervisor needs none of it, and the worker would start later.
    from astrum.redis import RedisSettings
    from astrum_worker.config import WorkerConfig, default_threads
    from astrum_worker.process.serving import serve

    def settle() -> WorkerConfig:
        return WorkerConfig(
            modules=modules,
            redis=RedisSettings.from_env(
                redis_url,
                prefix,
                tls_ca_file=redis_ca,
                tls_cert_file=redis_cert,
                tls_key_file=redis_key,
            ),
            queues=tuple(dict.fromkeys(queues)),
            concurrency=concurrency,
            threads=threads or default_threads(),
            max_hung=max_hung,
            blocked_limit_s=blocked_limit_s,
            grace_s=grace_s,
            lease_s=lease_s,
            wait_for_store=wait,
        )

    sys.exit(serve(settle, supervisor_fd, log_level in TALKATIVE))


async def _supervise(
    arguments: list[str], redis_url: str | None, count: int, grace_s: float
) -> int:
    # Not as an argument: every user on this host could read the password in it.
    environment = {URL_VARIABLE: redis_url} if redis_url else {}
    return await Supervisor(without_url(arguments), environment, count, grace_s).run()


def without_url(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command line without ``--redis``.

    >>> without_url(["flow.py", "--redis", "redis://host", "-c", "9"])
    ['flow.py', '-c', '9']
    """
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            return [*kept, argument, *rest]
        if argument == "--redis":
            next(rest, None)
        elif not argument.startswith("--redis="):
            kept.append(argument)
    return kept
