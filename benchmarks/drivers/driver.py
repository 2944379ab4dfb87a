"""Shared by all drivers: one piece of work per process, its numbers as JSON on standard output.

A driver runs in the environment of the system that it drives, so this module needs the standard
library only. ``python driver.py SYSTEM WORK TASKS`` starts the system's own worker process, warms
it up, measures once and ends everything. The server's address comes in ``BENCH_REDIS_URL``.
"""

from __future__ import annotations

import importlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:6379/0")
HERE = Path(__file__).parent
WARM_UP_TASKS = 200
WARM_UP_HOPS = 10
LAYER_WIDTH = 100
FAN_IN = 3
VALUE = b"v" * 1024
WAIT_S = 570

Numbers = dict[str, float]
Work = Callable[[int], Numbers]


def main(system: str, work: str, tasks: int) -> None:
    """Do a piece of work and print its numbers."""
    # Imported by name, also here: workers look tasks up under the name of their module.
    works: Mapping[str, Work] = importlib.import_module(f"drive_{system}").WORKS
    print("\n" + json.dumps(works[work](tasks)), flush=True)


def timed(tasks: int, action: Callable[[], object], expected: object = None) -> Numbers:
    """Run ``action`` once; its result must be ``expected`` (`None`: anything goes)."""
    began = time.perf_counter()
    found = action()
    seconds = time.perf_counter() - began
    if expected is not None and found != expected:
        raise SystemExit(f"wrong result: {found!r} instead of {expected!r}")
    return {"seconds": seconds, "tasks": tasks}


@contextmanager
def worker(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a worker's command in this directory; it and what it started ends with the block."""
    path = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        command,
        cwd=HERE,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=sys.stderr,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        _end(process)


def script(name: str) -> str:
    """Return the path of a command of this environment."""
    return str(Path(sys.executable).parent / name)


def layered(tasks: int) -> Iterator[tuple[int, list[int]]]:
    """Yield each task's number and the three tasks of the layer above that it reads."""
    draw = random.Random(7)
    for number in range(tasks):
        above = number - number % LAYER_WIDTH - LAYER_WIDTH
        chosen = draw.sample(range(above, above + LAYER_WIDTH), FAN_IN) if above >= 0 else []
        yield number, chosen


def last_layer(tasks: int) -> range:
    """Return the numbers of the tasks that no other task reads."""
    return range(tasks - tasks % LAYER_WIDTH - LAYER_WIDTH, tasks)


class CountDown:
    """Notifies the driver once all tasks of a batch have run in this worker process.

    For systems without a fan-in of their own. It costs them next to nothing, so that they look
    better than with any way of waiting that they recommend.
    """

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._lock = threading.Lock()

    def tick(self, batch: str, total: int) -> None:
        """Count one task that has run."""
        with self._lock:
            self._seen[batch] += 1
            done = self._seen[batch] == total
        if done:
            say_done(batch)


def say_done(batch: str) -> None:
    """Tell the driver that a batch is done."""
    with _connection() as server:
        server.sendall(f"RPUSH bench:done:{batch} 1\r\n".encode())
        server.recv(64)


def wait_done(batch: str) -> None:
    """Wait until a worker has said that a batch is done."""
    with _connection() as server:
        server.sendall(f"BLPOP bench:done:{batch} {WAIT_S}\r\n".encode())
        if not server.recv(64).startswith(b"*2"):
            raise SystemExit(f"batch {batch!r} was not done in {WAIT_S} s")


def _connection() -> socket.socket:
    place = urlsplit(URL)
    return socket.create_connection((place.hostname or "127.0.0.1", place.port or 6379))


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
        except ProcessLookupError:
            break
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            continue
    process.wait()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
