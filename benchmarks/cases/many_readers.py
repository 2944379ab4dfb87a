"""One big result with many readers: it is stored once and fetched once per worker process."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, drive

VALUE_BYTES = 5 * 1024 * 1024
WORKERS = 2
SLACK = 1.2  # task messages travel beside the value


class ManyReaders:
    """1,000 readers of one value of 5 MiB, on two worker processes."""

    name = "many_readers"
    title = "many readers of one result of 5 MiB, 2 worker processes"
    metric = "transfers_per_worker"

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum alone."""
        return [ASTRUM]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once and count copies and bytes in the server."""
        readers = setting.size(1_000, 200)
        numbers = drive(
            ASTRUM,
            "readers",
            readers,
            timeout_s=setting.timeout_s,
            environment={"BENCH_WORKERS": str(WORKERS)},
        )
        # The report of the run is another reader, in the coordinator.
        transfers = numbers["redis_output_bytes"] / VALUE_BYTES - 1
        return {**numbers, self.metric: transfers / WORKERS}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Expect one copy and one transfer per worker."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        copies = samples.median(ASTRUM, "blobs")
        transfers = samples.median(ASTRUM, self.metric)
        return [
            at_most("one copy in Redis", copies, 1, " copies"),
            at_most("one transfer per worker process", transfers, SLACK, " transfers"),
        ]
