"""Children of a list that is made at run time, beside the same work as a fixed graph."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

CHILDREN, STATIC = "children", "static tasks"
SHAPES = {CHILDREN: "children", STATIC: "static_children"}
SECONDS, BYTES = "seconds", "coordinator_bytes_per_task"
TIMES_STATIC = 1.2
MOST_BYTES = 1_024


class Children:
    """100,000 children, each of which reads its element, and as many tasks that read nothing."""

    name = "children"
    title = "children of a list, a task that needs them all, 1 worker process"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Children, then the fixed graph."""
        return [CHILDREN, STATIC]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once."""
        tasks = setting.size(100_000, 10_000)
        return drive(ASTRUM, SHAPES[contestant], tasks, timeout_s=setting.timeout_s)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare the time with that of the fixed graph, and judge the memory."""
        for name in SHAPES:
            if not samples.has(name):
                return [Verdict(f"{name} run", samples.reasons.get(name, "not measured"), False)]
        ratio = samples.median(CHILDREN, SECONDS) / samples.median(STATIC, SECONDS)
        size = samples.median(CHILDREN, BYTES)
        return [
            at_most("at most 1.2 times the time of static tasks", ratio, TIMES_STATIC, " times"),
            at_most("at most 1 KiB a child in the coordinator", size, MOST_BYTES, " bytes"),
        ]
