"""Asks the server which run a person means."""

from __future__ import annotations

from astrum.errors import RunNotFoundError
from astrum.protocol.keys import is_run_id
from astrum.redis.run_store import RunStore
from astrum.redis.scripts import chunks
from astrum.view.run_names import WORDS, KnownRun, chosen_run, is_meant

_COMPARED = 200
"""Of how many ids, the newest, the nearest to an unknown one is looked for."""


async def find_run(store: RunStore, name: str) -> str:
    """Return the id of the run with this id, or with the only id that begins so; or see `WORDS`.

    A run of which only the chronicle is left has to be named in full.

    Raises `RunNotFoundError`, which names the nearest, or those that begin so.
    """
    if name not in WORDS and is_run_id(name) and await store.run_state(name) is not None:
        return name
    ids = await store.run_ids()
    if name in WORDS:
        found = await _newest(store, name, ids)
    else:
        found = await _stored(store, [one for one in ids if is_meant(name, KnownRun(one, ""))])
    try:
        return chosen_run(name, found or await _stored(store, ids[:_COMPARED]))
    except RunNotFoundError:
        if is_run_id(name) and await store.has_chronicle(name):
            return name
        raise


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
