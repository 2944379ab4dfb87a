"""The record of one injected fault."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Injection:
    """One fault: when it began, when its cause was over, whom it hit, what it cost."""

    fault: str
    began_at: float
    over_at: float
    victim_pid: int = 0
    recovered_s: float | None = None
