"""Asks the server which run a person means."""

from __future__ import annotations

from astrum.protocol.keys import is_run_id
from astrum.redis.run_store import RunStore
from astrum.redis.scripts import chunks
from astrum.view.run_names import WORDS, KnownRun, chosen_run, is_meant
from astrum_coordinator.asking.past_runs import MOST_PAST

_COMPARED = 200
"""Of how many ids, the newest, the nearest to an unknown one is looked for."""


async def find_run(store: RunStore, name: str) -> str:
    """Return the id of the run with this id, or with the only id that begins so; or see `WORDS`.

    Runs of which only the chronicle is left are looked at where no other run is meant; whether
    they failed is not known here, so ``@failed`` is none of them.

    Raises `RunNotFoundError`, which names the nearest, or those that begin so.
    """
    if name not in WORDS and is_run_id(name) and await store.run_state(name) is not None:
        return name
    ids = await store.run_ids()
    if name in WORDS:
        found = await _newest(store, name, ids)
    else:
        found = await _stored(store, [one for one in ids if is_meant(name, KnownRun(one, ""))])
    if not found and is_run_id(name) and await store.has_chronicle(name):
        return name
    found = found or await _past(store, name)
    return chosen_run(name, found or await _stored(store, ids[:_COMPARED]))


async def _past(store: RunStore, name: str) -> list[KnownRun]:
    """Return the runs that a name may mean of which only the chronicle is left, newest first."""
    past = [KnownRun(run_id, "") for run_id in await store.chronicle_ids(MOST_PAST)]
    return [run for run in past if is_meant(name, run)]


async def _newest(store: RunStore, name: str, ids: list[str]) -> list[KnownRun]:
    """Return the newest run that a word means, nothing if there is none."""
    for part in chunks(ids, _COMPARED):
        for run in await _stored(store, list(part)):
            if is_meant(name, run):
                return [run]
    return []


async def _stored(store: RunStore, ids: list[str]) -> list[KnownRun]:
    states = await store.run_states(ids)
    return [KnownRun(run_id, state) for run_id, state in states.items()]
