"""Work that keeps a processor busy: what a second worker process gains."""

from __future__ import annotations

import os

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_least
from benchmarks.systems import ASTRUM, drive

RATE = "tasks_per_s"
ONE, TWO = "1 process", "2 processes"
GAIN = 1.9


class CpuBound:
    """Tasks that count for some 20 ms, on one worker process and on two."""

    name = "cpu_bound"
    title = "tasks bound by the processor, 2 worker processes against 1"
    metric = RATE

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum with one process and with two, if there are two processors."""
        return [ONE, TWO] if (os.cpu_count() or 1) > 1 else [ONE]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once."""
        numbers = drive(
            ASTRUM,
            "cpu_bound",
            setting.size(600, 150),
            timeout_s=setting.timeout_s,
            environment={"BENCH_WORKERS": contestant[0], "BENCH_WORKER_OPTIONS": "--threads 1"},
        )
        return {**numbers, RATE: numbers["tasks"] / numbers["seconds"]}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare two with one."""
        if not (samples.has(ONE) and samples.has(TWO)):
            return [Verdict("two processors", str(samples.reasons or "not there"), None)]
        gain = samples.median(TWO, RATE) / samples.median(ONE, RATE)
        return [at_least("at least 1.9 times one process", gain, GAIN, " times")]
