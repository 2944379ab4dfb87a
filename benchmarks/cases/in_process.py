"""Runs without a server: what a task costs to plan and to run, and that this does not grow.

The times are processor time: nothing waits in these runs, so on a quiet machine it is the same.
"""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, FLOOR, drive

SHAPES = {"wide": "local_fan_out", "chain": "local_chain", "layered": "local_layered"}
SMALL, LARGE = "wide, small", "wide, large"
PLAIN_SMALL, PLAIN_LARGE = "plain Python, small", "plain Python, large"
"""No tasks: as many tuples in dicts. What even they cost more each in large numbers is memory's."""
PLAN, RUN = "plan_us_per_task", "run_us_per_task"
PLAN_LIMIT_US, RUN_LIMIT_US = 25.0, 12.0
LINEAR = 1.5


class InProcess:
    """Three shapes of 10,000 tasks, and the wide one with 1,000 and with 1,000,000."""

    name = "in_process"
    title = "in process: plan and run of 10,000 no-op tasks"
    metric = RUN

    def contestants(self, setting: Setting) -> list[str]:
        """The shapes, then the sizes."""
        return [*SHAPES, SMALL, LARGE, PLAIN_SMALL, PLAIN_LARGE]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Plan and run once, in a process of its own."""
        large = setting.size(1_000_000, 50_000)
        sizes = {SMALL: 1_000, LARGE: large, PLAIN_SMALL: 1_000, PLAIN_LARGE: large}
        tasks = sizes.get(contestant, 10_000)
        if contestant in (PLAIN_SMALL, PLAIN_LARGE):
            numbers = drive(FLOOR, "tuples", tasks, timeout_s=setting.timeout_s, url="unused")
            return {**numbers, RUN: numbers["seconds"] / tasks * 1e6}
        work = SHAPES.get(contestant, SHAPES["wide"])
        numbers = drive(ASTRUM, work, tasks, timeout_s=setting.timeout_s, url="unused")
        return {
            **numbers,
            PLAN: numbers["plan_seconds"] / tasks * 1e6,
            RUN: numbers["seconds"] / tasks * 1e6,
        }

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge each shape, and large against small."""
        found = []
        for shape in SHAPES:
            if not samples.has(shape):
                found.append(Verdict(f"{shape} runs", samples.reasons.get(shape, ""), False))
                continue
            plan, run = samples.median(shape, PLAN), samples.median(shape, RUN)
            found.append(at_most(f"{shape}: plan at most 25 µs a task", plan, PLAN_LIMIT_US, " µs"))
            found.append(at_most(f"{shape}: run at most 12 µs a task", run, RUN_LIMIT_US, " µs"))
        if samples.has(SMALL) and samples.has(LARGE):
            for metric in (PLAN, RUN):
                ratio = samples.median(LARGE, metric) / samples.median(SMALL, metric)
                goal = f"linear: {metric.split('_')[0]} per task at most 1.5 times the small run's"
                found.append(at_most(goal, ratio, LINEAR, " times"))
        if samples.has(PLAIN_SMALL) and samples.has(PLAIN_LARGE):
            ratio = samples.median(PLAIN_LARGE, RUN) / samples.median(PLAIN_SMALL, RUN)
            goal = "the same for as many tuples in dicts, without Astrum"
            found.append(Verdict(goal, f"{ratio:.3g} times", None))
        return found
