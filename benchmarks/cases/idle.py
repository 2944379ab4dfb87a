"""A pool in which everything waits: what it costs to do nothing."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive


class Idle:
    """100 runs, each waiting for a task that does not end, on 10 workers."""

    name = "idle"
    title = "100 waiting runs, 10 workers"
    metric = "commands_per_s"

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Watch processes and server for some seconds."""
        seconds = str(setting.size(30, 5))
        return drive(
            "astrum_pool",
            "idle",
            100,
            timeout_s=setting.timeout_s,
            environment={"BENCH_IDLE_S": seconds},
        )

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge processors and commands."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        worker = samples.median(ASTRUM, "worker_cpu_percent")
        coordinator = samples.median(ASTRUM, "coordinator_cpu_percent")
        commands = samples.median(ASTRUM, self.metric)
        return [
            at_most("busiest worker: less than 1 % of a processor", worker, 1, " %"),
            at_most("coordinator: less than 1 % of a processor", coordinator, 1, " %"),
            at_most("fewer than 100 commands per second", commands, 100, " per second"),
        ]
