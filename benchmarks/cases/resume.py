"""A coordinator that takes over a run with a long history: how long until it continues."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

SECONDS = "seconds"
LIMIT_S = 3.0


class Resume:
    """100,000 tasks have succeeded, the last without a leader; the next one is dispatched."""

    name = "resume"
    title = "resume of a run with a long history"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Take one run over."""
        tasks = setting.size(100_000, 10_000)
        return drive("astrum_pool", "resume", tasks, timeout_s=setting.timeout_s)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge the time from asking for the run to its next dispatch."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        seconds = samples.median(ASTRUM, SECONDS)
        return [at_most("at most 3 s to the next dispatch", seconds, LIMIT_S, " s")]
