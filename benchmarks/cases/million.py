"""A run of a million tasks on workers: it ends, and what it costs stays in proportion."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

SMALL, LARGE = "small", "large"
PER_TASK = "us_per_task"
MEMORY = "coordinator_bytes_per_task"
KIB = 1024


class Million:
    """The fan-out with 20,000 tasks and with 1,000,000."""

    name = "million"
    title = "a very large fan-out on workers"
    metric = PER_TASK

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum, small and large."""
        return [SMALL, LARGE]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once; a quick setting makes the large one a twentieth."""
        large = setting.size(1_000_000, 50_000)
        tasks = large if contestant == LARGE else setting.size(20_000, 4_000)
        numbers = drive(ASTRUM, "fan_out", tasks, timeout_s=setting.timeout_s)
        return {
            **numbers,
            PER_TASK: numbers["seconds"] / tasks * 1e6,
            "redis_bytes_per_task": numbers["redis_peak_bytes"] / tasks,
        }

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare large with small."""
        if not (samples.has(SMALL) and samples.has(LARGE)):
            return [Verdict("it finishes", str(samples.reasons), False)]
        ratio = samples.median(LARGE, PER_TASK) / samples.median(SMALL, PER_TASK)
        memory = samples.median(LARGE, MEMORY) / KIB
        redis = samples.median(LARGE, "redis_bytes_per_task")
        return [
            at_most("time per task at most 1.5 times that of the small one", ratio, 1.5, " times"),
            at_most("coordinator: at most 1.5 KiB per task", memory, 1.5, " KiB"),
            Verdict("memory of Redis is stated", f"{redis:,.0f} bytes per task at its peak", None),
        ]
