"""Finds the run that a person names: by its id, the beginning of one, or in words; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from astrum.errors import RunNotFoundError, listed, nearest

LAST, FAILED = "@last", "@failed"
WORDS = {LAST: "the newest run", FAILED: "the newest run that failed"}
"""What may stand for a run in place of its id."""
EXPIRED = "its record has expired (an ended run is kept for 24 h, or for its --result-ttl)"
_NAMED = 3


class KnownRun(NamedTuple):
    """A run that is stored: its id, and its state, "open" or how it ended."""

    run_id: str
    state: str


def is_meant(name: str, run: KnownRun) -> bool:
    """Return whether a name can stand for a run.

    >>> is_meant("2026", KnownRun("20260131-a1b2", "open"))
    True
    """
    if name in WORDS:
        return name == LAST or run.state == "failed"
    return bool(name) and run.run_id.startswith(name)


def chosen_run(name: str, runs: Sequence[KnownRun]) -> str:
    """Return the id of the run that is meant, of these, the newest first.

    Raises `RunNotFoundError`, with the nearest id there is, or with those that begin like this.

    >>> chosen_run("night", [KnownRun("hourly-7", "open"), KnownRun("nightly", "failed")])
    'nightly'
    """
    ids = [run.run_id for run in runs]
    if name in ids and name not in WORDS:
        return name
    found = [run.run_id for run in runs if is_meant(name, run)]
    if name in WORDS and not found:
        raise RunNotFoundError(f"{name} is {WORDS[name]}, and there is none; `runs` lists all")
    if not found:
        hint = nearest(name, [*ids, *WORDS])
        raise RunNotFoundError(f"no run has the id {name!r}, or {EXPIRED}{hint}")
    if name not in WORDS and len(found) > 1:
        raise RunNotFoundError(
            f"{name!r} begins the ids of {len(found):,} runs: {listed(found, _NAMED)}"
        )
    return found[0]
