"""Many small runs with inputs, started by a service: the rate, and the time to the result."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_least, at_most
from benchmarks.postgres import private_postgres
from benchmarks.systems import ASTRUM, PEERS, SMALL_RUNS, drive, works_of

RATE = "runs_per_s"
BARE = "bare messages"
POSTGRES = "dbos on postgresql"
DRIVERS = {ASTRUM: "astrum_services", BARE: "bare_runs", POSTGRES: "dbos"}
PARTS = ("client", "coordinator", "worker", "server")


class SmallRuns:
    """Flows of three tasks in a chain: one client, one `serve`, one worker process, the server."""

    name = SMALL_RUNS
    title = "small runs: three chained tasks, one client, one serve, one worker process"
    metric = RATE

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum, its messages without anything else, and all peers that have chains."""
        peers = [name for name in setting.peers if self.name in works_of(name)]
        return [ASTRUM, BARE, *peers, *([POSTGRES] if "dbos" in peers else [])]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Measure one once: idle, at saturation, at half load."""
        ours = contestant in (ASTRUM, BARE)
        runs = setting.size(5_000, 500) if ours else setting.size(1_000, 60)
        system = DRIVERS.get(contestant, contestant)
        if contestant != POSTGRES:
            return drive(system, self.name, runs, timeout_s=setting.timeout_s)
        with private_postgres() as url:
            extra = {"BENCH_POSTGRES_URL": url}
            return drive(system, self.name, runs, timeout_s=setting.timeout_s, environment=extra)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge rate, latencies and size."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        rate = samples.median(ASTRUM, RATE)
        idle, half = (samples.median(ASTRUM, m) for m in ("idle_p50_ms", "half_p99_ms"))
        size = samples.median(ASTRUM, "server_bytes_per_run")
        return [
            at_least("at least 1,000 runs per second", rate, 1_000, " per second"),
            at_most("idle, start to result: p50 at most 5 ms", idle, 5, " ms"),
            at_most("half load, start to result: p99 at most 50 ms", half, 50, " ms"),
            at_most("at most 6 KB on the server for an ended run", size, 6_000, " bytes"),
            *_beside_peers(samples, rate),
            *(_cost(samples, name) for name in (ASTRUM, BARE) if samples.has(name)),
        ]


def _beside_peers(samples: Samples, rate: float) -> list[Verdict]:
    peers = [name for name in samples.rounds if name in PEERS or name == POSTGRES]
    best = samples.best(peers, RATE, high=True)
    if best is None:
        return []
    ratio = rate / samples.median(best, RATE)
    return [at_least("at least 10 times the best peer", ratio, 10, f" times {best}")]


def _cost(samples: Samples, name: str) -> Verdict:
    parts = {part: samples.median(name, f"{part}_cpu_us_per_run") for part in PARTS}
    told = ", ".join(f"{part} {used:.0f}" for part, used in parts.items())
    return Verdict(
        f"{name}: processor time of a run, µs", f"{sum(parts.values()):.0f}: {told}", None
    )
