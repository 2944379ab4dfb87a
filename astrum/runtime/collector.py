"""The garbage collector's pace in processes that are ours alone."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


def slow_down_collector() -> None:
    """Collect cycles less often, and never look at what was imported again.

    Our processes hold many small, long-lived objects (tasks, results, journal rows) and make
    hardly any cycles; at the default pace a quarter of the time per task goes into looking for
    them. For command lines only: a library must not decide this for its users' process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Collect no cycles within: for short work that makes many objects, all of them to stay."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()
