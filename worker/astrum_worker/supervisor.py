"""``--processes N``: keeps N worker processes alive, each as if it had been started by itself.

Children are in process groups of their own, so that a Ctrl-C reaches them once, through here. A
child sees the end of its supervisor at the other end of a socket pair, and drains; through the
same socket it says that it serves.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from contextlib import suppress

from astrum.exit_codes import after_stop
from astrum.loops import in_process_group
from astrum_worker.signals import SIGNALS

logger = logging.getLogger("astrum.worker")

FIRST_DELAY_S = 0.1
LONGEST_DELAY_S = 10.0
HEALTHY_AFTER_S = 10.0
READY = b"r"


class Supervisor:
    """Runs the command ``astrum-worker`` with ``arguments`` in ``count`` processes.

    ``environment`` is added to this process's own for them.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], count: int
    ) -> None:
        self._arguments = list(arguments)
        self._environment = {**os.environ, **environment}
        self._count = count
        self._children: dict[int, Process] = {}
        self._stopping = asyncio.Event()
        self._exit_code = 0
        self._any_served = False

    async def run(self) -> int:
        """Keep the processes alive until a signal comes; return the exit code.

        A process that cannot start, before any did, ends all: another try would not help.
        """
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        async with asyncio.TaskGroup() as places:
            for _ in range(self._count):
                places.create_task(self._keep_one())
        return self._exit_code

    # --- one place ----------------------------------------------------------------------

    async def _keep_one(self) -> None:
        delay_s = FIRST_DELAY_S
        is_first = True
        while not self._stopping.is_set():
            started_at = time.monotonic()
            code, has_served = await self._run_child(may_wait=not is_first)
            if self._stopping.is_set():
                self._exit_code = self._exit_code or max(code, 0)
                return
            if not has_served and code > 0 and not self._any_served:
                self._stop(signal.SIGTERM, code)
                return
            if time.monotonic() - started_at >= HEALTHY_AFTER_S:
                delay_s = FIRST_DELAY_S
            logger.warning(
                "a worker process ended with %s; another one starts in %.1f s",
                f"signal {-code}" if code < 0 else f"exit code {code}",
                delay_s,
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay_s)
            delay_s = min(2 * delay_s, LONGEST_DELAY_S)
            is_first = False

    async def _run_child(self, *, may_wait: bool) -> tuple[int, bool]:
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = await self._start(theirs.fileno(), may_wait)
            ready = asyncio.create_task(self._wait_ready(ours))
            self._children[process.pid] = process
            if self._stopping.is_set():  # it came while the process was being started
                process.terminate()
            try:
                code = await process.wait()
            finally:
                del self._children[process.pid]
            return code, await ready

    async def _start(self, fd: int, may_wait: bool) -> Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "astrum_worker", *self._arguments),
            *("--processes", "1", "--supervisor-fd", str(fd)),
            *(["--wait"] if may_wait else []),
            env=self._environment,
            pass_fds=[fd],
            **in_process_group(0),
        )

    async def _wait_ready(self, ours: socket.socket) -> bool:
        ours.setblocking(False)
        with suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(ours, 1) == READY:
                self._any_served = True
                return True
        return False

    # --- the end ------------------------------------------------------------------------

    def _on_signal(self, number: int) -> None:
        self._stop(number, after_stop(number))

    def _stop(self, number: int, code: int) -> None:
        if not self._stopping.is_set():
            self._exit_code = code
            self._stopping.set()
        for process in list(self._children.values()):
            with suppress(ProcessLookupError):
                process.send_signal(number)


class SupervisorLink:
    """A child's end: says that it serves, and hears that its supervisor is gone."""

    def __init__(self, fd: int) -> None:
        os.set_inheritable(fd, False)  # what tasks start must not hold it open
        self._socket = socket.socket(fileno=fd)

    def say_ready(self) -> None:
        """Tell the supervisor that this process serves."""
        with suppress(OSError):
            self._socket.send(READY)

    async def wait_gone(self) -> None:
        """Wait for the end of the supervisor."""
        self._socket.setblocking(False)
        with suppress(OSError):
            await asyncio.get_running_loop().sock_recv(self._socket, 1)
