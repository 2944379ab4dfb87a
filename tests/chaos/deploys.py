"""Deploys of other code while runs are under way, as an operator does them."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from astrum.errors import StoreError
from tests.chaos.audit import Planned
from tests.chaos.injection import Injection
from tests.chaos.pool import ChaosPool, Member
from tests.flows.chaos import CODES, EXTENDED, has_same_parameters
from tests.processes import wait_until

OLD_RUNS_TIMEOUT_S = 180.0


class Deploys:
    """Replaces the workers of a pool by workers with other code, one by one."""

    def __init__(self, pool: ChaosPool) -> None:
        self._pool = pool

    async def roll(self) -> Injection:
        """Replace the oldest code by the next: a worker of it stays while a run needs it.

        Runs that may go on with the new code are under way when the last worker leaves.
        """
        at = time.time()
        old = self._pool.codes()[0]
        new = CODES[(CODES.index(old) + 1) % len(CODES)]
        first, *others, last = (m for m in self._pool.of("worker") if m.code == old)
        await self._replace(first, new)
        self._pool.retired = {old}
        for member in others:
            await self._replace(member, new)
        await self._until_all_runs_fit(new)
        await self._replace(last, new)
        self._pool.retired = set()
        return Injection("", at, time.time())

    async def _replace(self, member: Member, code: str) -> None:
        await self._pool.drain(member)
        self._pool.replace(member, code)
        await asyncio.to_thread(wait_until, self._pool.all_serve, "the new worker serves")

    async def _until_all_runs_fit(self, code: str) -> None:
        deadline = time.monotonic() + OLD_RUNS_TIMEOUT_S
        while others := [r for r in await self._open() if not self._fits(r, code)]:
            assert time.monotonic() < deadline, f"runs that {code} cannot end: {others}"
            await asyncio.sleep(0.1)

    def _fits(self, run_id: str, code: str) -> bool:
        """Tell whether workers with this code can run all tasks of a run."""
        plan: Planned = self._pool.planned[run_id][-1]
        if plan.is_exact:
            return plan.code == code
        return all(has_same_parameters(name, plan.code, code) for name in EXTENDED)

    async def _open(self) -> list[str]:
        while True:
            arriving = set(self._pool.arriving)  # first: what arrives meanwhile is in the other
            with suppress(StoreError):
                return [*arriving, *(r.run_id for r in await self._pool.runs() if r.is_open)]
            await asyncio.sleep(0.1)
