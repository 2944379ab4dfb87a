"""The record of one injected fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Injection:
    """One fault: when it began, when its cause was over, whom it hit, what it cost.

    ``quiet_from``: from then until its end nothing may begin; `None` if it stops nothing.
    ``quiet_task``: only this task may not.
    """

    fault: str
    began_at: float
    over_at: float
    victim_pid: int = 0
    recovered_s: float | None = None
    quiet_from: float | None = None
    quiet_task: str = ""
