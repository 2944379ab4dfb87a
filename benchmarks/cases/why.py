"""The command `why` about a big run: how long until it answers."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

SECONDS = "seconds"
LIMIT_S = 1.0


class Why:
    """A run of 10,000 tasks, new and nearly done; the start of the command counts."""

    name = "why"
    title = "why of a run with 10,000 tasks"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Ask about both runs."""
        return drive("astrum_pool", "why", setting.size(10_000, 1_000), timeout_s=setting.timeout_s)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge the slower of the two answers."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        return [at_most("at most 1 s", samples.median(ASTRUM, SECONDS), LIMIT_S, " s")]
