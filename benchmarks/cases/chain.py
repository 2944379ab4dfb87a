"""One task after the other, each reading its predecessor's result: the time per hop."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_most
from benchmarks.systems import ASTRUM, FLOOR, PEERS, drive, works_of

HOP = "ms_per_hop"
TIMES_FLOOR = 1.6
SHARE_OF_BEST_PEER = 0.25


class Chain:
    """500 hops."""

    name = "chain"
    title = "chain, each task reading its predecessor"
    metric = HOP

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum, the floor and all peers."""
        peers = [name for name in setting.peers if self.name in works_of(name)]
        return [ASTRUM, FLOOR, *peers]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once with one contestant."""
        hops = setting.size(500, 100)
        numbers = drive(contestant, self.name, hops, timeout_s=setting.timeout_s)
        return {**numbers, HOP: numbers["seconds"] / numbers["tasks"] * 1e3}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare with the floor and the best peer."""
        if not samples.has(ASTRUM):
            return [Verdict("Astrum runs", samples.reasons.get(ASTRUM, "not measured"), False)]
        hop = samples.median(ASTRUM, HOP)
        found = []
        if samples.has(FLOOR):
            ratio = hop / samples.median(FLOOR, HOP)
            found.append(at_most("at most 1.6 times the floor", ratio, TIMES_FLOOR, " times"))
        best = samples.best([name for name in samples.rounds if name in PEERS], HOP, high=False)
        if best is not None:
            ratio = hop / samples.median(best, HOP)
            goal = "at most a quarter of the best peer"
            found.append(at_most(goal, ratio, SHARE_OF_BEST_PEER, f" times {best}"))
        return found
