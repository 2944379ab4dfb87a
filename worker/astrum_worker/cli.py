"""The command ``astrum-worker``: options, and how it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import click

from astrum.runtime.cli.commands import CONTEXT, SteadyCommand
from astrum.runtime.cli.logs import FORMAT_WITH_PID, log_to_stderr
from astrum.runtime.cli.options import (
    URL_VARIABLE,
    LogLevel,
    ServerOptions,
    Size,
    check_task_logs,
    log_format_option,
    option,
    server_options,
    task_log_options,
)
from astrum_worker.process.supervisor import Supervisor

TALKATIVE = ("debug", "info")
"""Log levels at which the worker also says that it serves and that it stops."""


def checked_queues(
    ctx: click.Context, param: click.Parameter, value: tuple[str, ...]
) -> tuple[str, ...]:
    """Return each name once; refuse empty names and lists: the option is repeated for several."""
    from astrum.planning.plan import is_queue_name  # late: it takes longer than all of the above

    for queue in value:
        if not is_queue_name(queue):
            raise click.BadParameter(
                f"{queue!r} is not a queue name; repeat the option to serve several queues, and "
                "use names without ':' and ','"
            )
    return tuple(dict.fromkeys(value))


class WorkerCommand(SteadyCommand):
    """The command. The output of its tasks is only a log, so a broken output does not matter."""

    steady_stdout = True
    process = "worker"


@click.command(cls=WorkerCommand, context_settings=CONTEXT)
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...", envvar="ASTRUM_MODULES")
@server_options
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
    "--max-attempts",
    type=click.IntRange(min=1),
    metavar="N",
    help="Replace a process by a fresh one after so many attempts, a little earlier at random.",
)
@option(
    "--max-rss",
    "max_rss_bytes",
    type=Size(),
    help="Replace a process by a fresh one when it uses more memory after an attempt: 2GiB.",
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
    "wait_for_store",
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
@log_format_option
@task_log_options
@click.option("--supervisor-fd", type=int, hidden=True)
def main(
    server: ServerOptions,
    processes: int,
    no_supervisor: bool,
    log_level: str,
    log_format: str,
    supervisor_fd: int | None,
    **settings: Any,
) -> None:
    """Run tasks of the given modules for runs on a Redis or Valkey server.

    MODULE is a dotted name or a .py file; :attr behind it takes one registry of it only. All
    namespaces, registries and schedulers found there are served.
    """
    log_to_stderr(log_level, FORMAT_WITH_PID, as_json=log_format == "json")
    check_task_logs(settings["task_logs"], settings["capture_print"])
    if no_supervisor and processes > 1:
        raise click.UsageError("--processes needs the supervisor; drop --no-supervisor")
    if supervisor_fd is None and not no_supervisor:
        sys.exit(asyncio.run(_supervise(server.url, processes, settings["grace_s"])))
    # Imported only here: a supervisor does not need it, and the worker would start later.
    from astrum.redis import RedisSettings
    from astrum_worker.config import WorkerConfig
    from astrum_worker.process.serving import serve

    chosen = {name: value for name, value in settings.items() if value is not None}
    config = WorkerConfig(redis=RedisSettings.from_env(**server._asdict()), **chosen)
    sys.exit(serve(config, supervisor_fd, log_level in TALKATIVE))


async def _supervise(redis_url: str | None, count: int, grace_s: float) -> int:
    # Not as an argument: every user on this host could read the password in it.
    environment = {URL_VARIABLE: redis_url} if redis_url else {}
    return await Supervisor(without_url(sys.argv[1:]), environment, count, grace_s).run()


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
