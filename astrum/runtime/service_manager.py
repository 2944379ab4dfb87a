"""What this process tells the service manager that started it, by the protocol of systemd."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, MutableMapping
from contextlib import suppress

from astrum.runtime.visible_text import visible_name

_VARIABLES = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID")
READY = "READY=1"
STOPPING = "STOPPING=1"
_ALIVE = "WATCHDOG=1"


class ServiceManager:
    """The socket of the service manager; without an ``address`` nothing is sent.

    ``watchdog_s`` is the time after which it ends a process that does not say that it is alive;
    `None`: it does not.
    """

    def __init__(self, address: str = "", watchdog_s: float | None = None) -> None:
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog_s = watchdog_s

    @property
    def every_s(self) -> float | None:
        """The seconds from one sign of life to the next, `None` if none are expected."""
        return None if self.watchdog_s is None else self.watchdog_s / 3

    def tell(self, *lines: str) -> None:
        """Send assignments such as `READY`; they are lost if no one listens."""
        if not self._address:
            return
        message = "\n".join(map(visible_name, lines)).encode(errors="backslashreplace")
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as connection:
            connection.setblocking(False)  # the thread that tells it has more to do
            connection.sendto(message, self._address)

    def tell_status(self, text: str, *lines: str) -> None:
        """Say what the service does, for ``systemctl status``."""
        self.tell(*lines, f"STATUS={text}")

    def tell_alive(self) -> None:
        """Say that this process is alive."""
        self.tell(_ALIVE)


def take_service_manager(environment: MutableMapping[str, str] | None = None) -> ServiceManager:
    """Return the service manager that the environment names, and remove it from there.

    Processes that this one starts are not the service: they must not speak for it.
    """
    known = os.environ if environment is None else environment
    address, watchdog_us, watched = (known.pop(name, "") for name in _VARIABLES)
    is_watched = watchdog_us.isdecimal() and watched in ("", str(os.getpid()))
    limit_s = int(watchdog_us) / 1e6 if is_watched else 0.0
    if not hasattr(socket, "AF_UNIX") or not address.startswith(("/", "@")):
        return ServiceManager()
    return ServiceManager(address, limit_s or None)


class Seldom:
    """Passes calls on, but not more often than every ``every_s`` seconds."""

    def __init__(self, every_s: float, do: Callable[[], object]) -> None:
        self._every_s = every_s
        self._do = do
        self._done_at = -math.inf

    def call(self) -> None:
        """Call unless that was done a moment ago."""
        now = time.monotonic()
        if now - self._done_at >= self._every_s:
            self._done_at = now
            self._do()
