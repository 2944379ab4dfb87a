"""Many small tasks at once: the rates of Astrum, the floor and every peer."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_least
from benchmarks.systems import ASTRUM, FLOOR, PEERS, drive, works_of

RATE = "tasks_per_s"


class FanOut:
    """20,000 async tasks that do nothing, and one that needs them all."""

    name = "fan_out"
    title = "fan-out of no-op async tasks, fan-in, 1 worker process"
    metric = RATE
    tasks = 20_000
    quick_tasks = 4_000
    quick_peer_tasks = 600
    times_best_peer = 12.0
    share_of_floor: float | None = 0.35

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum, the floor and the peers that can express it."""
        peers = [name for name in setting.peers if self.name in works_of(name)]
        return [ASTRUM, FLOOR, *peers]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once with one contestant."""
        tasks = setting.size(self.tasks, self.quick_tasks)
        if contestant in PEERS:
            tasks = min(tasks, setting.size(setting.peer_tasks, self.quick_peer_tasks))
        numbers = drive(contestant, self.name, tasks, timeout_s=setting.timeout_s)
        return {**numbers, RATE: numbers["tasks"] / numbers["seconds"]}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare with the best peer and the floor."""
        found = []
        best = samples.best([name for name in samples.rounds if name in PEERS], RATE, high=True)
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        rate = samples.median(ASTRUM, RATE)
        if best is not None:
            goal = f"at least {self.times_best_peer:g} times the best peer"
            ratio = rate / samples.median(best, RATE)
            found.append(at_least(goal, ratio, self.times_best_peer, f" times {best}"))
        if self.share_of_floor is not None and samples.has(FLOOR):
            share = rate / samples.median(FLOOR, RATE)
            goal = f"at least {self.share_of_floor:.0%} of the floor"
            found.append(at_least(goal, share * 100, self.share_of_floor * 100, " %"))
        return found


class SyncFanOut(FanOut):
    """The same with functions that are not async."""

    name = "sync_fan_out"
    title = "the same fan-out with sync functions"
    times_best_peer = 5.0
    share_of_floor = None
    quick_tasks = 2_000


class Layered(FanOut):
    """10,000 tasks in layers, each of which reads three values of 1 KiB."""

    name = "layered"
    title = "layered random graph, 3 upstreams each, values of 1 KiB"
    tasks = 10_000
    quick_tasks = 2_000
    times_best_peer = 10.0
    share_of_floor = None
