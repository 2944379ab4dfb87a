"""The settings of a run in this process."""

from __future__ import annotations

from dataclasses import dataclass

from astrum.config import DEFAULT_THREADS
from astrum.machine.observer import RunObserver


@dataclass(frozen=True, kw_only=True)
class InProcessOptions:
    """The settings of a run in this process.

    ``silence=False`` logs starts, ends and retries. ``check_wire`` sends every value through
    the codec, as the distributed mode would. ``timeout_s`` bounds the whole run, ``thread_limit``
    the threads of its sync functions (`None`: as many as there are). ``priority`` is only shown:
    there is no other run to compare with.
    """

    silence: bool = True
    check_wire: bool = False
    timeout_s: float | None = None
    thread_limit: int | None = DEFAULT_THREADS
    run_id: str = ""
    priority: int = 0
    observer: RunObserver | None = None
