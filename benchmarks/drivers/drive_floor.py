"""The floor: XADD, XREADGROUP and batched results over redis-py, and nothing else.

No state machine, no retries, no durability: what any system on Redis Streams with one worker
process could reach at best with this client.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterable
from typing import Any

import redis
from driver import URL, WARM_UP_HOPS, WARM_UP_TASKS, Numbers, Work, layered, timed, worker

BATCH = 100
AHEAD = 2_000
WAIT_MS = 2_000
TASKS, RESULTS, GROUP, NAME = "bench:tasks", "bench:results", "workers", "one"


def serve() -> None:
    """Be the worker process: answer every task with its own bytes."""
    client = _client()
    read = ["XREADGROUP", "GROUP", GROUP, NAME, "COUNT", BATCH, "BLOCK", WAIT_MS]
    while True:
        reply = client.execute_command(*read, "STREAMS", TASKS, ">")
        entries = next(iter(reply.values()))[0] if isinstance(reply, dict) else _entries(reply)
        if not entries:
            continue
        pipe = client.pipeline(transaction=False)
        for _, fields in entries:
            pipe.xadd(RESULTS, fields)
        pipe.execute_command("XACK", TASKS, GROUP, *(entry for entry, _ in entries))
        pipe.execute()


def _entries(reply: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    return list(reply[0][1]) if reply else []


def _client() -> redis.Redis:
    return redis.Redis.from_url(URL, protocol=2)


class Floor:
    """The driver's side."""

    def __init__(self) -> None:
        self.client = _client()
        self.cursor = "$"

    def send(self, messages: Iterable[bytes]) -> None:
        """Add tasks to the stream, a batch at a time."""
        pipe = self.client.pipeline(transaction=False)
        for message in messages:
            pipe.xadd(TASKS, {"d": message})
        pipe.execute()

    def receive(self) -> list[bytes]:
        """Wait for results."""
        reply = self.client.xread({RESULTS: self.cursor}, count=BATCH, block=WAIT_MS)
        entries = _entries(reply)
        if entries:
            self.cursor = entries[-1][0].decode()
        return [fields[b"d"] for _, fields in entries]

    def fan_out(self, tasks: int) -> int:
        """Keep ``AHEAD`` tasks under way until all have come back."""
        sent = done = 0
        while done < tasks:
            while sent < tasks and sent - done < AHEAD:
                count = min(BATCH, tasks - sent)
                self.send(b"%d" % n for n in range(sent, sent + count))
                sent += count
            done += len(self.receive())
        return done

    def chain(self, hops: int) -> int:
        """Send one task after the other, each with what the last gave."""
        value = 0
        while value < hops:
            self.send([b"%d" % value])
            value = int(self.receive()[0]) + 1
        return value

    def layered(self, tasks: int) -> int:
        """Send each task with the three values that it reads, as soon as they are there."""
        graph = dict(layered(tasks))
        left = {number: len(above) for number, above in graph.items()}
        below: dict[int, list[int]] = {number: [] for number in graph}
        for number, above in graph.items():
            for upstream in above:
                below[upstream].append(number)
        ready = [number for number, count in left.items() if not count]
        done = 0
        while done < tasks:
            self.send(b"%08d" % n + bytes(1024 * max(len(graph[n]), 1)) for n in ready[:BATCH])
            del ready[:BATCH]
            for data in self.receive() if not ready else ():
                done += 1
                for dependent in below[int(data[:8])]:
                    left[dependent] -= 1
                    if not left[dependent]:
                        ready.append(dependent)
        return done


def _measure(tasks: int, warm_up: int, run: Callable[[Floor, int], int]) -> Numbers:
    with _client() as client:
        client.xgroup_create(TASKS, GROUP, id="0", mkstream=True)
        client.xadd(RESULTS, {"d": b"first"})
    floor = Floor()
    floor.cursor = "0-1"
    floor.cursor = floor.client.xinfo_stream(RESULTS)["last-generated-id"].decode()
    with worker(sys.executable, __file__):
        run(floor, warm_up)
        return timed(tasks, lambda: run(floor, tasks), tasks)


def _tuples(number: int) -> Numbers:
    """Put named tuples into one dict, and each with a dict of its own into another."""
    gc.disable()
    times = []
    for _ in range(max(1, min(100_000 // number, 9))):
        began = time.process_time()
        names = {f"t{n}": (f"t{n}", (), (), None, None, "default", "async") for n in range(number)}
        found = {name: [row[0], {name: row}] for name, row in names.items()}
        times.append(time.process_time() - began)
        del names, found
    return {"seconds": min(times), "tasks": number}


WORKS: dict[str, Work] = {
    "fan_out": lambda n: _measure(n, WARM_UP_TASKS, Floor.fan_out),
    "sync_fan_out": lambda n: _measure(n, WARM_UP_TASKS, Floor.fan_out),
    "chain": lambda n: _measure(n, WARM_UP_HOPS, Floor.chain),
    "layered": lambda n: _measure(n, WARM_UP_TASKS, Floor.layered),
    "tuples": _tuples,
}

if __name__ == "__main__":
    serve()
