"""A server that is 2 ms away: how much of the rate is left."""

from __future__ import annotations

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_least
from benchmarks.systems import ASTRUM, drive
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer

ONE_WAY_S = 0.001
SHARE = 0.60
RATE = "tasks_per_s"
FAR = "astrum, 2 ms away"


class RoundTrip:
    """The fan-out, through a proxy that holds everything back."""

    name = "round_trip"
    title = "the fan-out with a round trip of 2 ms to Redis"
    metric = RATE

    def contestants(self, setting: Setting) -> list[str]:
        """Astrum near and far; both over TCP through the proxy."""
        return [ASTRUM, FAR]

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Run it once, with or without the delay."""
        tasks = setting.size(20_000, 4_000)
        with RedisServer() as server, Proxy(target_of(server)) as proxy:
            proxy.delay(ONE_WAY_S if contestant == FAR else 0.0)
            numbers = drive(ASTRUM, "fan_out", tasks, timeout_s=setting.timeout_s, url=proxy.url)
        return {**numbers, RATE: numbers["tasks"] / numbers["seconds"]}

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Compare far with near."""
        if not (samples.has(ASTRUM) and samples.has(FAR)):
            return [Verdict("Astrum runs", str(samples.reasons), False)]
        share = samples.median(FAR, RATE) / samples.median(ASTRUM, RATE)
        return [at_least("at least 60 % of the rate without delay", share * 100, SHARE * 100, " %")]
