"""Creates runs, with their plans where the server does not have them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress

from astrum.errors import (
    PlanNotFoundError,
    RunConflictError,
    RunError,
    StoreError,
    StoreUnavailableError,
    TakeOverRefusedError,
)
from astrum.protocol.keys import is_run_id
from astrum.protocol.run_header import NewRun, SeedPart, StagedSeeds
from astrum.redis import scripts
from astrum.redis.scripts import Creation, Seeding, chunks
from astrum.redis.store import Store

NO_PLANS: Mapping[str, bytes] = {}


def _check_id(run_id: str) -> None:
    if not is_run_id(run_id):
        raise RunError(f"{run_id!r} is not a run id: use 1 to 200 letters, digits and . _ @ + -")


class CreationStore(Store):
    """A store that creates runs."""

    async def create_run(self, run: NewRun, plan: bytes = b"") -> bool:
        """Create an open run without a leader; repeatable.

        ``plan`` is stored if the server does not have it. ``False``: the run exists already with
        the same identity. Raises `RunConflictError` if it exists with another one,
        `PlanNotFoundError` if the server has no plan of this digest and none is given, and
        `RunError` for an id that cannot be a run's.
        """
        (reply,) = await self.create_runs([run], {run.plan_digest: plan})
        if reply is Creation.CONFLICT:
            raise RunConflictError(
                f"run {run.run_id!r} exists already, with another flow or other inputs: take "
                "another run id"
            )
        if reply is Creation.SEEDS_GONE:
            raise StoreUnavailableError(
                f"run {run.run_id!r} was not created: what it takes over was removed meanwhile"
            )
        if reply is Creation.PLAN_UNKNOWN:
            raise PlanNotFoundError(f"the server has no plan {run.plan_digest}: send it again")
        return bool(reply)

    async def create_seeded_run(
        self, run: NewRun, plan: bytes, old_run_id: str, parts: Sequence[SeedPart]
    ) -> bool:
        """Create a run whose journal begins with seeds from an earlier run, as a whole or not.

        Upstream tasks come first. Big values are copied at the server. Before the run is there, its
        seeds have a short life of their own. Returns and raises as `create_run`; raises
        `TakeOverRefusedError` if a value of the earlier run is gone, and `RunError` while another
        process creates the same run. Call `RunStore.prolong` next.
        """
        if not parts:
            return await self.create_run(run, plan)
        _check_id(run.run_id)
        token = secrets.token_hex(8)
        try:
            exists = await self._write_seeds(run.run_id, token, old_run_id, parts)
            staged = StagedSeeds() if exists else StagedSeeds(token, len(parts))
            return await self.create_run(run._replace(seeds=staged), plan)
        finally:
            await self._remove_seeds(run.run_id, token)

    async def _write_seeds(
        self, run_id: str, token: str, old_run_id: str, parts: Sequence[SeedPart]
    ) -> bool:
        """Write seeds one part after the other; return whether the run is there already."""
        for number, part in enumerate(parts):
            is_first = not number
            call = scripts.seed(self.keys, run_id, token, old_run_id, part, is_first=is_first)
            reply = Seeding(await self.bulk.call(call))
            if reply is Seeding.RUN_EXISTS:
                return True
            if reply is Seeding.VALUE_GONE:
                raise TakeOverRefusedError(
                    f"results of run {old_run_id!r} have just expired, so they cannot be taken "
                    "over: start the run without them"
                )
            if reply is Seeding.BUSY:
                raise RunError(
                    f"run {run_id!r} is being created by another process just now: wait for it, or "
                    "take another run id"
                )
        return False

    async def _remove_seeds(self, run_id: str, token: str) -> None:
        """Remove what was written for a run that was not created; else there is nothing left."""
        with suppress(StoreError):  # it expires by itself
            while await self.bulk.call(scripts.unseed(self.keys, run_id, token)):
                pass

    async def create_runs(
        self, runs: Sequence[NewRun], plans: Mapping[str, bytes] = NO_PLANS
    ) -> list[Creation]:
        """Create runs, as `create_run` does, and return what became of each.

        ``plans`` are stored by digest if the server does not have them.
        """
        for run in runs:
            _check_id(run.run_id)
        replies = await self._create([(run, b"") for run in runs])
        unknown = [n for n, reply in enumerate(replies) if reply is Creation.PLAN_UNKNOWN]
        # One plan goes with the first run that needs it.
        sent: set[str] = set()
        again = []
        for n in unknown:
            digest = runs[n].plan_digest
            again.append((runs[n], b"" if digest in sent else plans.get(digest, b"")))
            sent.add(digest)
        for n, reply in zip(unknown, await self._create(again), strict=True):
            replies[n] = reply
        return replies

    async def _create(self, runs: Sequence[tuple[NewRun, bytes]]) -> list[Creation]:
        replies: list[Creation] = []
        for part in chunks(runs):
            calls = [scripts.create(self.keys, *pair) for pair in part]
            replies += map(Creation, await self.bulk.call_all(calls))
        return replies
