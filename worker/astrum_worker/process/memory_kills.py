"""Whether the kernel has just killed a process because memory ran out."""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path

_OWN_GROUP = re.compile(r"^0::(/.*)$", re.MULTILINE)
_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)


class MemoryKills:
    """Counts what the kernel kills in the control group of this process (version 2) for memory.

    Call `sample` every second or so. Where there is no such counter, nothing was killed. ``events``
    is the file with the counter, by default that of this process's group.
    """

    def __init__(self, events: Path | None = None) -> None:
        self._events = events or _events_of_own_group()
        self._samples = deque([self._count()] * 2, maxlen=2)

    def sample(self) -> None:
        """Note the count of now."""
        self._samples.append(self._count())

    @property
    def is_recent(self) -> bool:
        """Whether a process was killed since the last sample but one."""
        return self._count() > self._samples[0]

    def _count(self) -> int:
        found = _KILLS.search(_text(self._events))
        return int(found[1]) if found else 0


def _events_of_own_group() -> Path:
    found = _OWN_GROUP.search(_text(Path("/proc/self/cgroup")))
    group = found[1].lstrip("/") if found else ""
    return Path("/sys/fs/cgroup", group, "memory.events")


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
