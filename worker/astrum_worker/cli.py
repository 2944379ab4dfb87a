"""The command ``astrum-worker``: options, and how it ends."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from astrum.collector import slow_down_collector
from astrum.command_line import SteadyCommand
from astrum.errors import AstrumError, FlowImportError
from astrum.exit_codes import ExitCode, exit_code_of
from astrum.redis import RedisSettings
from astrum.standard_streams import let_go_of_stdout, say_line, settle_streams
from astrum_worker.app import Worker
from astrum_worker.catalog import Catalog
from astrum_worker.config import WorkerConfig, default_threads
from astrum_worker.logs import LEVELS, set_up_logging
from astrum_worker.signals import Signals
from astrum_worker.supervisor import Supervisor, SupervisorLink

EXIT_PATIENCE_S = 3.0
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
    """Refuse names that no queue can have, and lists of names, which are written otherwise."""
    for queue in value:
        if not queue or "," in queue:
            raise click.BadParameter(f"{queue!r} is no queue; repeat the option to serve several")
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
    help="The server to use: redis://, rediss:// (TLS) or unix://. A password belongs into the "
    "variable, not here: all users of the machine can read command lines.",
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
    default=default_threads,
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
    "--lease",
    "lease_s",
    type=click.FloatRange(min=1),
    default=15.0,
    show_default=True,
    metavar="SECONDS",
    help="How long after its last heartbeat the worker counts as dead.",
)
@option("--wait", is_flag=True, help="Wait for a server that cannot be reached at the start.")
@option(
    "--log-level",
    type=click.Choice(LEVELS),
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
    threads: int,
    processes: int,
    grace_s: float,
    max_hung: int | None,
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
    if processes > 1:
        sys.exit(asyncio.run(_supervise(sys.argv[1:], redis_url, processes)))
    try:
        config = WorkerConfig(
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
            threads=threads,
            max_hung=max_hung,
            grace_s=grace_s,
            lease_s=lease_s,
            wait_for_store=wait,
        )
        catalog = Catalog.load(modules)
        slow_down_collector()
        code = asyncio.run(_serve(config, catalog, supervisor_fd, log_level in TALKATIVE))
    except AstrumError as error:
        say_line(describe(error))
        code = exit_code_of(error) or ExitCode.FAILED
    except KeyboardInterrupt:  # while the modules were being imported
        code = ExitCode.INTERRUPTED
    let_go_of_stdout()
    sys.exit(code)


def describe(error: AstrumError) -> str:
    """Return the error for people; of a module that fails to load, the user's own traceback."""
    text = f"error: {error}"
    if isinstance(error, FlowImportError) and error.user_traceback:
        text = f"{error.user_traceback.rstrip()}\n\n{text} (in this process, the worker)"
    return text


async def _supervise(arguments: list[str], redis_url: str | None, count: int) -> int:
    # Not as an argument: everybody on the machine could read the password in it.
    environment = {URL_VARIABLE: redis_url} if redis_url else {}
    return await Supervisor(without_url(arguments), environment, count).run()


def without_url(arguments: Sequence[str]) -> list[str]:
    """Return the arguments of a command line but for ``--redis``.

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


async def _serve(
    config: WorkerConfig, catalog: Catalog, supervisor_fd: int | None, talkative: bool
) -> int:
    link = None if supervisor_fd is None else SupervisorLink(supervisor_fd)

    def announce(line: str) -> None:
        if talkative:
            say_line(line)
        if link is not None:
            link.say_ready()

    worker = Worker(config, catalog, announce)
    Signals(worker.request_stop, says_so=talkative).install()
    watching = None if link is None else asyncio.create_task(_follow(link, worker))
    code: int = ExitCode.FAILED
    try:
        code = await worker.run()
    except AstrumError as error:
        code = exit_code_of(error) or ExitCode.FAILED
        raise
    finally:
        if watching is not None:
            watching.cancel()
        _end_for_sure(code)
    return code


def _end_for_sure(code: int) -> None:
    """End the process soon, whatever threads a task has left behind in an executor."""

    def end() -> None:
        settle_streams()
        os._exit(code)

    timer = threading.Timer(EXIT_PATIENCE_S, end)
    timer.daemon = True
    timer.start()


async def _follow(link: SupervisorLink, worker: Worker) -> None:
    await link.wait_gone()
    worker.request_stop()
