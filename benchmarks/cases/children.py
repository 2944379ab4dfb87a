"""Children of a list that is made at run time, beside the same work as a fixed graph."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

FIRST_LIMIT_S = 0.005
RESUME_LIMIT_S = 3.0

CHILDREN, STATIC = "children", "static tasks"
SHAPES = {CHILDREN: "children", STATIC: "static_children"}
SECONDS, BYTES = "seconds", "led_bytes_per_task"
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
        """Compare the time with that of the fixed graph; judge the memory before the report."""
        for name in SHAPES:
            if not samples.has(name):
                return [Verdict(f"{name} run", samples.reasons.get(name, "not measured"), False)]
        ratio = samples.median(CHILDREN, SECONDS) / samples.median(STATIC, SECONDS)
        size = samples.median(CHILDREN, BYTES)
        return [
            at_most("at most 1.2 times the time of static tasks", ratio, TIMES_STATIC, " times"),
            at_most("at most 1 KiB a child in the coordinator", size, MOST_BYTES, " bytes"),
        ]


class FirstChild:
    """Fan-outs of 100 children, one run after the other: how soon the first child is sent."""

    name = "first_child"
    title = "from the end of a task to the dispatch of the first child of its list"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Measure the median of 50 runs."""
        return drive("astrum_pool", "first_child", 100, timeout_s=setting.timeout_s)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge the median."""
        return [_judged(samples, "at most 5 ms to the first child", FIRST_LIMIT_S)]


class ResumeChildren:
    """Half of 100,000 children have succeeded when their leader and worker stop."""

    name = "resume_children"
    title = "resume of a run at half of its children"
    metric = SECONDS

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Take one run over."""
        tasks = setting.size(100_000, 10_000)
        return drive("astrum_pool", "resume_children", tasks, timeout_s=setting.timeout_s)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge the time from asking for the run to its next dispatch."""
        return [_judged(samples, "at most 3 s to the next child", RESUME_LIMIT_S)]


def _judged(samples: Samples, goal: str, limit_s: float) -> Verdict:
    if not samples.has(ASTRUM):
        return Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)
    return at_most(goal, samples.median(ASTRUM, SECONDS), limit_s, " s")
