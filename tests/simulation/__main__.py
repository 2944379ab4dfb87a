"""``python -m tests.simulation SEED`` prints the events of a seed; ``FROM TO`` simulates many.

``--without SAFEGUARD`` takes a safeguard away; ``--growing`` simulates runs with children.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter

from tests.simulation.ablations import ABLATIONS, GROWING
from tests.simulation.run import simulate
from tests.simulation.world import Violation


def main() -> int:
    """Simulate what the arguments ask for; return 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("first", type=int)
    parser.add_argument("last", type=int, nargs="?")
    parser.add_argument("--without", choices=sorted({**ABLATIONS, **GROWING}))
    parser.add_argument("--growing", action="store_true")
    asked = parser.parse_args()
    if asked.last is None:
        return _tell(asked.first, asked.without, asked.growing)
    return _many(range(asked.first, asked.last), asked.without, asked.growing)


def _tell(seed: int, without: str | None, is_growing: bool) -> int:
    try:
        simulate(seed, without=without, show=print, is_growing=is_growing)
    except Violation as violation:
        print(f"VIOLATION: {violation}")
        return 1
    return 0


def _many(seeds: range, without: str | None, is_growing: bool) -> int:
    began = time.monotonic()
    counts: Counter[str] = Counter()
    failed = []
    for seed in seeds:
        try:
            counts += simulate(seed, without=without, is_growing=is_growing)
        except Violation as violation:
            failed.append(seed)
            print(violation)
    print(dict(sorted(counts.items())))
    print(f"{len(seeds)} seeds, {time.monotonic() - began:.1f} s, failed: {failed}")
    return int(bool(failed))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # else sets would not keep their order
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    sys.exit(main())
