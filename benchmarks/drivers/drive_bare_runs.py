"""What two cores allow for small runs: the messages and script calls of a run, and nothing else.

Four processes as in Astrum: a client, one that leads, a worker, and the server. A run is created,
adopted, dispatched and settled three times, and ended by one script call each; its result is
fetched. No plan, no check, no fence, no lease, no signature. The script calls of all runs that are
under way travel together.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import redis
from driver import URL, Numbers, Work, worker
from run_rates import IDLE_RUNS, WARM_UP_RUNS, latencies

ADD = "return redis.call('XADD',KEYS[1],'*','d',ARGV[1])"
CREATE = "redis.call('HSET',KEYS[2],'s','open','h',ARGV[1]) " + ADD
SETTLE = "redis.call('XACK',KEYS[2],'w',ARGV[2]) " + ADD
ADOPT = "return redis.call('HINCRBY',KEYS[1],'ep',1)"
FINISH = "redis.call('HSET',KEYS[2],'s','completed','v',ARGV[1]) " + ADD
WAKE, QUEUE, JOURNAL, DONE = "bare:wake", "bare:queue", "bare:journal", "bare:done"
STEPS, COUNT, WAIT_MS, AT_ONCE = 3, 500, 2_000, 256
Call = tuple[str, Sequence[str], Sequence[bytes]]


class Server:
    """A connection that sends script calls together."""

    def __init__(self) -> None:
        self.client = redis.Redis.from_url(URL, protocol=2)
        self._scripts: dict[str, Any] = {}

    def call(self, calls: Sequence[Call]) -> None:
        """Do all calls in one round trip."""
        pipe = self.client.pipeline(transaction=False)
        for text, keys, arguments in calls:
            if text not in self._scripts:
                self._scripts[text] = self.client.script_load(text)
            pipe.evalsha(self._scripts[text], len(keys), *keys, *arguments)
        pipe.execute()

    def follow(self, *streams: str) -> Iterator[list[tuple[str, bytes]]]:
        """Yield what is new in streams, by stream, as much as there is each time."""
        places: dict[Any, Any] = dict.fromkeys(streams, "0-0")
        while True:
            found = self.client.xread(places, count=COUNT, block=WAIT_MS)
            news = []
            for name, entries in found or ():
                places[name.decode()] = entries[-1][0]
                news += [(name.decode(), fields[b"d"]) for _, fields in entries]
            yield news


def lead() -> None:
    """Be the process that leads."""
    server = Server()
    for news in server.follow(WAKE, JOURNAL):
        calls: list[Call] = []
        for stream, data in news:
            run, step = data.split(b":")
            if stream == WAKE:
                calls.append((ADOPT, [_run(run)], []))
            if int(step) < STEPS:
                calls.append((ADD, [QUEUE], [data]))
            else:
                calls.append((FINISH, [DONE, _run(run)], [run]))
        if calls:
            server.call(calls)


def work() -> None:
    """Be the worker."""
    server = Server()
    while True:
        found: Any = server.client.xreadgroup("w", "one", {QUEUE: ">"}, count=COUNT, block=WAIT_MS)
        entries = found[0][1] if found else ()
        calls: list[Call] = []
        for entry, fields in entries:
            run, step = fields[b"d"].split(b":")
            calls.append((SETTLE, [JOURNAL, QUEUE], [b"%s:%d" % (run, int(step) + 1), entry]))
        if calls:
            server.call(calls)


def _run(run: bytes) -> str:
    return f"bare:run:{run.decode()}"


class Client:
    """The client's side."""

    def __init__(self) -> None:
        self._server = Server()
        self._ends = self._server.follow(DONE)
        self._number = 0

    def start(self, count: int) -> None:
        """Create runs."""
        names = [b"%d" % n for n in range(self._number, self._number + count)]
        self._number += count
        self._server.call([(CREATE, [WAKE, _run(name)], [name + b":0"]) for name in names])

    def ended(self) -> int:
        """Wait until runs end, fetch their results, and return how many there are."""
        news = next(self._ends)
        pipe = self._server.client.pipeline(transaction=False)
        for _, run in news:
            pipe.hget(_run(run), "v")
        return len(pipe.execute()) if news else 0

    def saturate(self, runs: int) -> None:
        """Have so many under way until all have ended."""
        started = done = 0
        while done < runs:
            if count := min(AT_ONCE - (started - done), runs - started):
                self.start(count)
                started += count
            done += self.ended()


def small_runs(runs: int) -> Numbers:
    """Measure rate, latency when idle, and processor time."""
    Server().client.xgroup_create(QUEUE, "w", id="0", mkstream=True)
    with (
        worker(sys.executable, __file__, "lead") as leads,
        worker(sys.executable, __file__, "work") as works,
    ):
        client = Client()
        client.saturate(WARM_UP_RUNS)
        idle = [_one(client) for _ in range(IDLE_RUNS)]
        before, began = _cpu_s(leads.pid, works.pid), time.perf_counter()
        client.saturate(runs)
        seconds = time.perf_counter() - began
        after = _cpu_s(leads.pid, works.pid)
    cpu = {f"{n}_cpu_us_per_run": (after[n] - before[n]) / runs * 1e6 for n in after}
    rate = {"runs_per_s": runs / seconds, "tasks": runs, "seconds": seconds}
    return {**rate, **latencies("idle", idle), **cpu}


def _one(client: Client) -> float:
    began = time.perf_counter()
    client.saturate(1)
    return time.perf_counter() - began


def _cpu_s(coordinator: int, works: int) -> dict[str, float]:
    import psutil

    info: Any = Server().client.info("cpu")
    found = {"server": info["used_cpu_user"] + info["used_cpu_sys"], "client": time.process_time()}
    for name, pid in (("coordinator", coordinator), ("worker", works)):
        times = psutil.Process(pid).cpu_times()
        found[name] = times.user + times.system
    return found


WORKS: dict[str, Work] = {"small_runs": small_runs}

if __name__ == "__main__":
    {"lead": lead, "work": work}[sys.argv[1]]()
