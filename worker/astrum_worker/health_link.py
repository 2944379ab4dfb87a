"""The questions of a supervisor about the health of a worker process, and how it asks them.

Both sides talk in lines of JSON over a socket pair of their own: the one of `supervisor_link` is
read by the event loop of the worker, which a task may block.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import suppress
from typing import Any

LIVE, READY, METRICS, STATUS = "live", "ready", "metrics", "status"
ANSWER_WITHIN_S = 0.8
"""Less than a second: so long the probes of Kubernetes wait by default."""
_LONGEST_ANSWER = 64 * 1024 * 1024


class HealthLink:
    """The supervisor's end: asks one question after another.

    An answer that comes too late is dropped when the next one is read.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._asking = asyncio.Lock()
        self._number = 0
        self._silent_since: float | None = None
        self.has_answered = False

    @classmethod
    async def open(cls, ours: socket.socket) -> HealthLink:
        """Return the link over one end of a socket pair, which it closes with itself."""
        return cls(*await asyncio.open_unix_connection(sock=ours, limit=_LONGEST_ANSWER))

    def close(self) -> None:
        """Close the socket."""
        self._writer.close()

    @property
    def silent_s(self) -> float:
        """The seconds since the first question that got no answer, 0 if the last one got one."""
        return 0.0 if self._silent_since is None else time.monotonic() - self._silent_since

    async def ask(self, question: str) -> Any:
        """Return the answer to a question, `None` if none comes within `ANSWER_WITHIN_S`."""
        asked_at = time.monotonic()
        with suppress(OSError, TimeoutError, asyncio.LimitOverrunError, ValueError):
            async with asyncio.timeout(ANSWER_WITHIN_S), self._asking:
                answer = await self._exchange(question)
                self._silent_since, self.has_answered = None, True
                return answer
        if self._silent_since is None:
            self._silent_since = asked_at
        return None

    async def _exchange(self, question: str) -> Any:
        self._number += 1
        self._writer.write(json.dumps([self._number, question]).encode() + b"\n")
        while line := await self._reader.readline():
            number, answer = json.loads(line)
            if number == self._number:
                return answer
        raise ConnectionResetError("the process has ended")
