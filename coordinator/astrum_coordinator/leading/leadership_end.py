"""The reasons for which a leadership ends."""

from __future__ import annotations

from enum import StrEnum


class LeadershipEnd(StrEnum):
    """The reason why this process does not lead a run any more."""

    FINISHED = "finished"
    DEPOSED = "deposed"
    VANISHED = "vanished"
    RELEASED = "released"
    UNREADABLE = "unreadable"
