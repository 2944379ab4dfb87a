"""One worker process, from its settings to its exit code."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass, field
from typing import NoReturn

from astrum.errors import AstrumError
from astrum.execution.log_capture import capture_logs, capture_prints
from astrum.execution.steady_loop import run_steadily
from astrum.logs import AttemptFilter
from astrum.runtime import service_manager
from astrum.runtime.cli.logs import add_fact, log_for_users
from astrum.runtime.collector import slow_down_collector
from astrum.runtime.exit_codes import ExitCode, after_stop, exit_code_of
from astrum.runtime.log_records import NO_LOGS
from astrum.runtime.loop_thread import LoopThread
from astrum.runtime.loops import end_task, hide
from astrum.runtime.patched_library import refuse_patched_library
from astrum.runtime.service_manager import Seldom, ServiceManager
from astrum.runtime.standard_streams import exit_at_once, let_go_of_stdout, say_line
from astrum_worker.app import Worker
from astrum_worker.config import MIB, WorkerConfig
from astrum_worker.health.serving_health import health_line, http_health, supervisor_health
from astrum_worker.health.worker_health import WorkerHealth
from astrum_worker.process.signals import Signals
from astrum_worker.running.catalog import Catalog
from astrum_worker.running.claimed import ClaimedAttempt
from astrum_worker.supervisor_link import READY, SupervisorLink, say_ended_by
from astrum_worker.upkeep.memory import rss_bytes

logger = logging.getLogger("astrum.worker")

EXIT_PATIENCE_S = 3.0


@dataclass(frozen=True, kw_only=True)
class ProcessLinks:
    """How this process is connected to those that watch it.

    The descriptors lead to its supervisor. Without one it answers itself at ``health_address`` for
    its health, and tells its service ``manager`` how it does.
    """

    supervisor_fd: int | None = None
    health_fd: int | None = None
    health_address: tuple[str, int] | None = None
    manager: ServiceManager = field(default_factory=ServiceManager)


def serve(config: WorkerConfig, links: ProcessLinks, talkative: bool) -> int:
    """Serve until a stop is requested; return the exit code.

    ``talkative``: also say that it serves, and that it stops. Raises kinds of `AstrumError` if a
    module cannot be loaded or the server cannot serve, and ``UsageError`` of click if the address
    for its health is not free.
    """
    health = WorkerHealth(config)
    answering = _answering(health, links, talkative)
    try:
        catalog = Catalog.load(config.modules)
        refuse_patched_library()
        _set_up_logs(config)
        if not _has_room(config.max_rss_bytes):
            return ExitCode.WRONG_USAGE
        slow_down_collector()
        process = _Process(config, catalog, links, health, talkative)
        code = run_steadily(process.run(), process.disturbed, process.broken)
    except KeyboardInterrupt:  # while the modules were being imported
        code = ExitCode.INTERRUPTED
    finally:
        if answering is not None:
            answering.stop()
    let_go_of_stdout()
    return code


def _answering(health: WorkerHealth, links: ProcessLinks, talkative: bool) -> LoopThread | None:
    """Answer for the health of this process from now on, before its modules are imported."""
    if links.health_fd is not None:
        thread = supervisor_health(health, links.health_fd)
        thread.start()
        return thread
    if links.health_address is None:
        return None
    thread, server = http_health(health, links.health_address)
    thread.start()
    if talkative:
        say_line(health_line(links.health_address[0], server.port))
    return thread


def _set_up_logs(config: WorkerConfig) -> None:
    """Log and capture what the user's modules and tasks say, unless they have set up more."""
    stores = config.task_logs != NO_LOGS
    log_for_users(AttemptFilter(), least=logging.INFO if stores else logging.CRITICAL)
    if not stores:
        return
    capture_logs()
    logging.captureWarnings(True)
    if config.capture_print:
        capture_prints()


def _has_room(max_rss_bytes: int | None) -> bool:
    """Return whether this process is below its limit of memory, and log an error if not."""
    if max_rss_bytes is None:
        return True
    used = rss_bytes()
    if used is None:
        logger.error("--max-rss needs a system that tells how much memory a process uses")
    elif used >= max_rss_bytes:
        logger.error(
            "this process uses %.0f MiB before its first attempt, which is above --max-rss of "
            "%.0f MiB: give a higher limit",
            *(used / MIB, max_rss_bytes / MIB),
        )
    return used is not None and used < max_rss_bytes


class _Process:
    """The one worker of this process, with its signals and its supervisor."""

    def __init__(
        self,
        config: WorkerConfig,
        catalog: Catalog,
        links: ProcessLinks,
        health: WorkerHealth,
        talkative: bool,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._link = None if links.supervisor_fd is None else SupervisorLink(links.supervisor_fd)
        self._manager = links.manager
        self._health = health
        self._talkative = talkative
        self._worker: Worker | None = None

    async def run(self) -> int:
        """Serve until a stop is requested; return the exit code."""
        worker = self._worker = Worker(self._config, self._catalog, self._announce)
        add_fact("worker_id", worker.worker_id)
        self._health.watch(worker)
        self._report_to_manager(worker)
        signals = Signals(worker.request_stop, says_so=self._talkative, suspects=self._suspects)
        signals.install()
        signals.start()
        following = None if self._link is None else asyncio.create_task(_follow(self._link, worker))
        if following is not None:
            hide(following)
        code: int = ExitCode.FAILED
        try:
            code = await worker.run()
        except AstrumError as error:
            code = exit_code_of(error) or ExitCode.FAILED
            raise
        except Exception:
            worker.parts.lease.end(code)
            raise
        finally:
            await signals.stop()
            if following is not None:
                await end_task(following)
            _end_for_sure(code)
        return code

    def disturbed(self, error: BaseException | None) -> None:
        """Log that a task interfered with the event loop; fail the one attempt that ran there."""
        if error is None:
            logger.error("a task stopped the event loop; it was started again%s", self._suspects())
            return
        what = f"{type(error).__name__} was raised in the event loop, outside of all tasks"
        logger.error(
            "%s: by a signal handler or a callback of a task; the loop continues%s",
            *(what, self._suspects()),
            exc_info=error,
        )
        running = self._on_loop()
        if self._worker is not None and len(running) == 1:
            self._worker.parts.attempts.fail(running[0], error)

    def broken(self, error: BaseException) -> NoReturn:
        """End this process: its event loop cannot run any more, and the supervisor has others."""
        names = sorted({held.task_id for held in self._on_loop()})
        logger.error(
            "the event loop cannot run any more (%s: %s); this process ends. A task has closed "
            "descriptors that are not its own, or the loop's selector%s",
            *(type(error).__name__, error, self._suspects()),
        )
        if len(names) == 1:
            say_ended_by(names[0])
        try:
            if self._worker is not None:
                self._worker.parts.lease.end(ExitCode.FAILED)
        finally:
            exit_at_once(ExitCode.FAILED)

    def _announce(self, line: str) -> None:
        if self._talkative:
            say_line(line)
        if self._link is not None:
            self._link.say(READY)
        self._manager.tell_status(line, service_manager.READY)

    def _report_to_manager(self, worker: Worker) -> None:
        """Tell the service manager that this process is alive, and that it drains."""
        every_s, gate = self._manager.every_s, worker.parts.context.gate
        if every_s is not None:
            worker.parts.lease.on_turn(Seldom(every_s, self._manager.tell_alive).call)

        def note_close() -> None:
            if worker.is_stopping:
                self._manager.tell_status("draining", service_manager.STOPPING)

        gate.on_close(note_close)

    def _on_loop(self) -> list[ClaimedAttempt]:
        held = [] if self._worker is None else self._worker.parts.attempts.running()
        return [one for one in held if one.lane != "thread"]

    def _suspects(self) -> str:
        """Name the tasks that run on the event loop, for a message about damage by one of them."""
        names = sorted({repr(held.name) for held in self._on_loop()})
        return f" (async tasks that run now: {', '.join(names)})" if names else ""


def _end_for_sure(code: int) -> None:
    """End the process soon, even if a task has left threads behind in an executor."""
    timer = threading.Timer(EXIT_PATIENCE_S, exit_at_once, (code,))
    timer.daemon = True
    timer.start()


async def _follow(link: SupervisorLink, worker: Worker) -> None:
    number = await link.wait_stop()
    worker.request_stop(after_stop(number) if number else ExitCode.DONE)
