"""Detects that the server's clock was set, by comparison with this process's own. Pure."""

from __future__ import annotations

LEAST_JUMP_S = 1.0


class ClockWatch:
    """Compares readings of the server's clock with a monotonic one."""

    def __init__(self) -> None:
        self._server_s: float | None = None
        self._asked_at = 0.0

    def jumped_s(self, server_s: float, asked_at: float, answered_at: float) -> float:
        """Return by how much the server's clock has jumped ahead since the last reading, or 0.

        ``server_s`` was read between the two monotonic times. A slow answer is not a jump.

        >>> clock = ClockWatch()
        >>> [clock.jumped_s(1000.0, 0.0, 0.1), clock.jumped_s(1005.0, 5.0, 5.1)]
        [0.0, 0.0]
        >>> round(clock.jumped_s(4610.0, 10.0, 10.5))
        3600
        """
        before, began_at = self._server_s, self._asked_at
        self._server_s, self._asked_at = server_s, asked_at
        if before is None:
            return 0.0
        ahead_s = (server_s - before) - (answered_at - began_at)
        return ahead_s if ahead_s > LEAST_JUMP_S else 0.0
