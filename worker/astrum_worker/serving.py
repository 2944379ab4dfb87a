"""One worker process, from its settings to its exit code."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable

from astrum.collector import slow_down_collector
from astrum.errors import AstrumError, FlowImportError
from astrum.exit_codes import ExitCode, after_stop, exit_code_of
from astrum.standard_streams import let_go_of_stdout, say_line, settle_streams
from astrum_worker.app import Worker
from astrum_worker.catalog import Catalog
from astrum_worker.config import WorkerConfig
from astrum_worker.signals import Signals
from astrum_worker.supervisor_link import READY, SupervisorLink

EXIT_PATIENCE_S = 3.0


def serve(settle: Callable[[], WorkerConfig], supervisor_fd: int | None, talkative: bool) -> int:
    """Serve until a stop is requested; return the exit code. ``settle`` makes the settings.

    ``talkative``: also say that it serves, and that it stops.
    """
    try:
        config = settle()
        catalog = Catalog.load(config.modules)
        slow_down_collector()
        code = asyncio.run(_serve(config, catalog, supervisor_fd, talkative))
    except AstrumError as error:
        say_line(describe(error))
        code = exit_code_of(error) or ExitCode.FAILED
    except KeyboardInterrupt:  # while the modules were being imported
        code = ExitCode.INTERRUPTED
    let_go_of_stdout()
    return code


def describe(error: AstrumError) -> str:
    """Return the error for people; of a module that fails to load, the user's own traceback."""
    text = f"error: {error}"
    if isinstance(error, FlowImportError) and error.user_traceback:
        text = f"{error.user_traceback.rstrip()}\n\n{text} (in this process, the worker)"
    return text


async def _serve(
    config: WorkerConfig, catalog: Catalog, supervisor_fd: int | None, talkative: bool
) -> int:
    link = None if supervisor_fd is None else SupervisorLink(supervisor_fd)

    def announce(line: str) -> None:
        if talkative:
            say_line(line)
        if link is not None:
            link.say(READY)

    worker = Worker(config, catalog, announce)
    signals = Signals(worker.request_stop, says_so=talkative, suspects=lambda: _suspects(worker))
    signals.install()
    signals.start()
    watching = None if link is None else asyncio.create_task(_follow(link, worker))
    code: int = ExitCode.FAILED
    try:
        code = await worker.run()
    except AstrumError as error:
        code = exit_code_of(error) or ExitCode.FAILED
        raise
    finally:
        await signals.stop()
        if watching is not None:
            watching.cancel()
        _end_for_sure(code)
    return code


def _suspects(worker: Worker) -> str:
    """Name the tasks that run on the event loop, for a message about what one of them did."""
    held = worker.parts.attempts.running()
    names = sorted({repr(one.task_id) for one in held if one.lane == "async"})
    return f" (async tasks that run now: {', '.join(names)})" if names else ""


def _end_for_sure(code: int) -> None:
    """End the process soon, whatever threads a task has left behind in an executor."""

    def end() -> None:
        settle_streams()
        os._exit(code)

    timer = threading.Timer(EXIT_PATIENCE_S, end)
    timer.daemon = True
    timer.start()


async def _follow(link: SupervisorLink, worker: Worker) -> None:
    number = await link.wait_stop()
    worker.request_stop(after_stop(number) if number else ExitCode.DONE)
