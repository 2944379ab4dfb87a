"""The health of all processes of a supervisor, as if they were one."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from astrum.runtime.metrics import Readings, from_data
from astrum_worker.health_link import LIVE, METRICS, READY, STATUS, HealthLink
from astrum_worker.process.merged_metrics import MergedMetrics

SILENT_S = 30.0
"""As long as the heartbeat thread of a process may stand still."""


class ProcessesHealth:
    """As `HealthSource`, for the processes at ``count`` places; each is asked over its own link.

    A process that ends is not a fault: the supervisor starts another one. A place whose process
    left for good is not counted any more.
    """

    def __init__(self, count: int, tasks: int) -> None:
        self._links: dict[int, HealthLink | None] = dict.fromkeys(range(count))
        self._metrics = MergedMetrics(tasks)

    @asynccontextmanager
    async def linked(self, place: int) -> AsyncIterator[socket.socket]:
        """Yield the socket for the process that begins at a place, for the caller to close.

        The link to that process ends with the block.
        """
        ours, theirs = socket.socketpair()
        link = self._links[place] = await HealthLink.open(ours)
        try:
            yield theirs
        finally:
            link.close()
            self._links[place] = None
            self._metrics.note_end(place)

    def retire(self, place: int) -> None:
        """Note that no other process begins at a place."""
        self._links.pop(place, None)

    async def live(self) -> list[str]:
        """Return which processes should be ended, and why."""
        answers = await self._asked(LIVE)
        return [
            text
            for place, told in answers.items()
            for text in self._texts(place, told, while_silent=self._is_given_up(place))
        ]

    async def ready(self) -> list[str]:
        """Return which processes do not take attempts, and why."""
        answers = await self._asked(READY)
        reasons = [text for place in answers for text in self._texts(place, answers[place])]
        return reasons or ([] if answers else ["draining"])

    async def metrics(self) -> Readings:
        """Return the metrics of all processes."""
        answers = await self._asked(METRICS)
        present = [place for place, told in answers.items() if told is not None]
        for place in present:
            self._metrics.take_in(place, from_data(answers[place]))
        return self._metrics.merged(present)

    async def status(self) -> dict[str, Any]:
        """Return the status of each process; of one that does not answer it is null."""
        answers = await self._asked(STATUS)
        return {"pid": os.getpid(), "processes": {str(at): told for at, told in answers.items()}}

    async def _asked(self, question: str) -> dict[int, Any]:
        """Return the answers by place, `None` where none came."""
        links = dict(self._links)
        answers = await asyncio.gather(*(_ask(link, question) for link in links.values()))
        return dict(zip(links, answers, strict=True))

    def _is_given_up(self, place: int) -> bool:
        link = self._links.get(place)
        return link is not None and link.silent_s > SILENT_S

    def _texts(
        self, place: int, told: Sequence[str] | None, *, while_silent: bool = True
    ) -> list[str]:
        if told is None:
            link = self._links.get(place)
            word = "no_answer" if link is not None and link.has_answered else "starting"
            told = [word] if while_silent else []
        return [f"process {place}: {word}" for word in told]


async def _ask(link: HealthLink | None, question: str) -> Any:
    return None if link is None else await link.ask(question)
