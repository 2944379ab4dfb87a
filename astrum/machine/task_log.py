"""The log of one attempt, as reports have it."""

from __future__ import annotations

from typing import NamedTuple

_LEVEL_NAMES = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}


class LogLine(NamedTuple):
    """One record of a logger, or one printed line.

    ``at`` is in seconds since the epoch on the server's clock, as far as the worker knew it.
    ``level`` is a number of `logging`. ``text`` has the traceback too, in further lines.
    """

    at: float
    level: int
    logger: str
    text: str

    @property
    def level_name(self) -> str:
        """The name of the level in lower case, for a level without a name its number."""
        return _LEVEL_NAMES.get(self.level, str(self.level))


class TaskLog(NamedTuple):
    """The log of one attempt as far as it was stored.

    ``left_out`` lines are missing behind the first ``left_out_after`` of ``lines``. ``is_whole``
    is false while the attempt runs, and if its worker died before it could store the rest.
    """

    worker_id: str
    lines: tuple[LogLine, ...] = ()
    left_out: int = 0
    left_out_after: int = 0
    is_whole: bool = True


class LogsLeftOut(NamedTuple):
    """The attempts of a run whose logs are not kept, as those kept have reached ``limit_bytes``.

    ``since`` is when the first one was left out, in seconds since the epoch; 0.0 if none was.
    """

    attempts: int = 0
    since: float = 0.0
    limit_bytes: int = 0


NONE_LEFT_OUT = LogsLeftOut()
