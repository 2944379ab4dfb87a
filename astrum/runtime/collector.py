"""Sets the pace of the garbage collector, in Astrum's own processes only."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def slow_down_collector() -> None:
    """Collect cycles less often, and never examine imported objects again.

    Astrum's processes hold many small, long-lived objects (tasks, results, journal rows) and make
    hardly any cycles; at the default pace the search for cycles takes a quarter of the time per
    task. For command lines only: a library must not decide this for its users' process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the collection of cycles: for short work that makes many objects, all long-lived."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
