"""The command ``astrum-worker``: options, and how it ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from astrum.runtime.cli.commands import CONTEXT, SteadyCommand
from astrum.runtime.cli.listening import checked_address, start_listening
from astrum.runtime.cli.logs import FORMAT_WITH_PID, log_to_stderr
from astrum.runtime.cli.options import (
    URL_VARIABLE,
    Duration,
    LogLevel,
    ServerOptions,
    Size,
    TaskLogOptions,
    log_format_option,
    option,
    server_options,
    task_log_options,
)
from astrum.runtime.service_manager import ServiceManager, take_service_manager
from astrum.runtime.standard_streams import say_line
from astrum_worker.probe import probe
from astrum_worker.process.death_reports import DeathReports
from astrum_worker.process.processes_health import ProcessesHealth
from astrum_worker.process.supervisor import Supervisor

if TYPE_CHECKING:
    from astrum.redis import LeaseClient
    from astrum.runtime.http import HttpServer

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


def run_probe(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    """Ask whether a worker is ready, and end with the answer."""
    if value is not None and not ctx.resilient_parsing:
        ctx.exit(probe([value] if value else []))


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
    type=Duration(least=0),
    default=30.0,
    show_default=True,
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
    type=Duration(least=0),
    default=300.0,
    show_default=True,
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
    type=Duration(least=1),
    default=15.0,
    show_default=True,
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
@option(
    "--health",
    "health_address",
    metavar="HOST:PORT",
    callback=checked_address,
    help="Answer GET /live, /ready, /metrics and /status there, for all processes of this worker.",
)
@option(
    "--metrics-tasks",
    type=click.IntRange(min=0),
    default=200,
    show_default=True,
    metavar="N",
    help="How many tasks have metrics of their own; all others are counted together as (other). "
    "With 0 the metrics tell no tasks.",
)
@click.option(
    "--probe",
    metavar="[URL]",
    is_flag=False,
    flag_value="",
    expose_value=False,
    is_eager=True,
    callback=run_probe,
    help="Only ask a worker on this host, or URL, whether it is ready: exit code 0 if it is, else "
    "1. Without URL the port is that of $ASTRUM_HEALTH.",
)
@click.option("--supervisor-fd", type=int, hidden=True)
@click.option("--health-fd", type=int, hidden=True)
def main(
    server: ServerOptions,
    processes: int,
    no_supervisor: bool,
    log_level: str,
    log_format: str,
    supervisor_fd: int | None,
    health_fd: int | None,
    health_address: tuple[str, int] | None,
    metrics_tasks: int,
    logs: TaskLogOptions,
    **settings: Any,
) -> None:
    """Run tasks of the given modules for runs on a Redis or Valkey server.

    MODULE is a dotted name or a .py file; :attr behind it takes one registry of it only. All
    namespaces, registries and schedulers found there are served.
    """
    log_to_stderr(log_level, FORMAT_WITH_PID, as_json=log_format == "json")
    if no_supervisor and processes > 1:
        raise click.UsageError("--processes needs the supervisor; drop --no-supervisor")
    manager = take_service_manager()
    if supervisor_fd is None and not no_supervisor:
        told = (health_address, metrics_tasks, manager, log_level in TALKATIVE)
        supervision = Supervision(processes, settings["grace_s"], *told)
        sys.exit(asyncio.run(supervision.run(server)))
    # Imported only here: a supervisor does not need it, and the worker would start later.
    from astrum.redis import RedisSettings
    from astrum_worker.config import WorkerConfig
    from astrum_worker.process.serving import ProcessLinks, serve

    chosen = {name: value for name, value in settings.items() if value is not None}
    if health_address is not None:
        chosen["metrics_tasks"] = metrics_tasks
    redis = RedisSettings.from_env(**server._asdict())
    config = WorkerConfig(redis=redis, **logs._asdict(), **chosen)
    links = ProcessLinks(
        supervisor_fd=supervisor_fd,
        health_fd=health_fd,
        health_address=health_address if supervisor_fd is None else None,
        manager=manager,
    )
    sys.exit(serve(config, links, log_level in TALKATIVE))


class Supervision(NamedTuple):
    """What the command line says about the supervisor and its processes."""

    processes: int
    grace_s: float
    health_address: tuple[str, int] | None
    metrics_tasks: int
    manager: ServiceManager
    talkative: bool

    async def run(self, server: ServerOptions) -> int:
        """Keep the processes alive until a signal comes; return the exit code.

        The port is taken first: where it is taken already, no process is started.
        """
        # Not as an argument: every user on this host could read the password in it.
        environment = {URL_VARIABLE: server.url} if server.url else {}
        is_asked = self.health_address is not None or self.manager.every_s is not None
        health = ProcessesHealth(self.processes, self.metrics_tasks) if is_asked else None
        supervisor = Supervisor(
            *(without_url(sys.argv[1:]), environment, self.processes, self.grace_s),
            health=health,
            manager=self.manager,
            reports=DeathReports(partial(lease_client, server)),
        )
        if health is None or self.health_address is None:
            return await supervisor.run()
        listening = await self._listening(health, self.health_address)
        try:
            return await supervisor.run()
        finally:
            await listening.stop()

    async def _listening(self, health: ProcessesHealth, address: tuple[str, int]) -> HttpServer:
        from astrum_worker.health.serving_health import health_line, health_server

        server = health_server(health, address)
        await start_listening(server, "--health", address)
        if self.talkative:
            say_line(health_line(address[0], server.port))
        return server


def lease_client(server: ServerOptions) -> LeaseClient:
    """Return a client for the server of the command line."""
    from astrum.redis import LeaseClient, RedisSettings

    return LeaseClient(RedisSettings.from_env(**server._asdict()))


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
