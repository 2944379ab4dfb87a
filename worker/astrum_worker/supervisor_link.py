"""Messages between a worker process and its supervisor, over a socket pair.

The process says which worker it is, that it serves, which task ended it if one did, and before it
ends by itself that it has left the server, and whether another process shall follow, or all shall
end. The supervisor passes stop signals on, so that a process drains even if a task replaced its
signal handlers. If the supervisor ends, the socket closes, and the process drains as well.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from contextlib import suppress

READY = "ready"
ENDED_BY = "ended by "
WORKER = "worker "
LEFT = "left"
LEAVES = "leaves"
REPLACED = "replaced"
FAILS = "fails"
_MOST_BYTES = 4096
_LONGEST_NAME = 1000

_link: SupervisorLink | None = None


def say_ended_by(task: str) -> None:
    """Tell the supervisor, if there is one, that this process is about to end because of a task.

    Call it just before the process ends, from any thread.
    """
    if _link is not None:
        _link.say(ENDED_BY + " ".join(task.split())[:_LONGEST_NAME])


def say_registers(worker_id: str) -> None:
    """Tell the supervisor, if there is one, which worker registers now, and has a lease then."""
    if _link is not None:
        _link.say(WORKER + worker_id)


def say_left() -> None:
    """Tell the supervisor, if there is one, that the worker's lease has ended at the server."""
    if _link is not None:
        _link.say(LEFT)


def say_drains(*, is_replaced: bool) -> None:
    """Tell the supervisor, if there is one, whether another process shall follow this one.

    Call it before the process ends in order, on its own or because an operator asked for it.
    """
    if _link is not None:
        _link.say(REPLACED if is_replaced else LEAVES)


def say_fails() -> None:
    """Tell the supervisor, if there is one, that this process ends and another would not help."""
    if _link is not None:
        _link.say(FAILS)


class SupervisorLink:
    """The end of the socket that the worker process has; there is one per process."""

    def __init__(self, fd: int) -> None:
        global _link
        os.set_inheritable(fd, False)  # the children of tasks must not keep it open
        self._socket = socket.socket(fileno=fd)
        self._socket.setblocking(False)
        _link = self

    def say(self, line: str) -> None:
        """Send a line to the supervisor; it is lost if there is no supervisor any more."""
        with suppress(OSError):
            self._socket.send(line.encode("utf-8", "backslashreplace") + b"\n")

    async def wait_stop(self) -> int:
        """Wait for a stop signal and return its number, 0 if the supervisor is gone."""
        with suppress(OSError):
            received = await asyncio.get_running_loop().sock_recv(self._socket, 1)
            return received[0] if received else 0
        return 0


class ChildLink:
    """The end of the socket that the supervisor has; ``served`` is called once the process does.

    ``worker_id`` is the worker that the process is from before its registration until it has left,
    "" else.
    """

    def __init__(self, ours: socket.socket, served: Callable[[], None]) -> None:
        self._socket = ours
        self._socket.setblocking(False)
        self._served = served
        self._pending = b""
        self.has_served = False
        self.worker_id = ""
        self.ended_by = ""
        self.parting = ""

    async def follow(self) -> None:
        """Read the messages of the process, until cancelled or until the socket closes."""
        with suppress(OSError):
            while data := await asyncio.get_running_loop().sock_recv(self._socket, _MOST_BYTES):
                self._take_in(data)

    def read_rest(self) -> None:
        """Read the messages that the process sent before it ended.

        Its children may keep the socket open, so this does not wait until it closes.
        """
        with suppress(OSError):
            while data := self._socket.recv(_MOST_BYTES):
                self._take_in(data)

    def stop(self, number: int) -> None:
        """Tell the process to drain because of this signal."""
        with suppress(OSError):
            self._socket.send(bytes([number]))

    def _take_in(self, data: bytes) -> None:
        *lines, self._pending = (self._pending + data).split(b"\n")
        for line in (raw.decode(errors="replace") for raw in lines):
            if line == READY:
                self.has_served = True
                self._served()
            elif line.startswith(WORKER):
                self.worker_id = line.removeprefix(WORKER)
            elif line == LEFT:
                self.worker_id = ""
            elif line.startswith(ENDED_BY):
                self.ended_by = line.removeprefix(ENDED_BY)
            elif line in (LEAVES, FAILS) or (line == REPLACED and not self.parting):
                # An operator's request stands: the process may reach a limit before or after it.
                self.parting = line
