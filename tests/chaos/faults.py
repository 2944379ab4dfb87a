"""The faults that the chaos driver injects, and how long the system takes to recover."""

from __future__ import annotations

import asyncio
import random
import shutil
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from astrum.errors import StoreError
from tests.chaos.deploys import Deploys
from tests.chaos.injection import Injection
from tests.chaos.pool import ChaosPool, Member
from tests.flows.chaos import name_of, obstacle_of

FAILOVER = "failover"
REOPENED = "run reopened under kill -9"
LEADER_LEASE_S = 10.0
DELAY_S = 0.05
PAUSE_S = 6.0
QUIET_AFTER_S = 4.0
"""Until then what was claimed before a pause may begin: leaders look for pauses every 2 s."""
PAUSED_TASK = name_of(7, 7)
PAUSED = (
    ("--queue", "default"),
    ("--namespace", "grid"),
    ("--task", f"grid/{PAUSED_TASK}"),
)


class Faults:
    """All faults by name. ``worker_lease_s`` is what pauses and cuts must outlast."""

    def __init__(self, pool: ChaosPool, worker_lease_s: float, rng: random.Random) -> None:
        self._pool = pool
        self._lease_s = worker_lease_s
        self._rng = rng
        self._deploys = Deploys(pool)
        self.by_name: Mapping[str, Callable[[], Awaitable[Injection]]] = {
            "worker kill -9": self.worker_killed,
            "worker SIGSTOP > lease": self.worker_stopped,
            "worker SIGTERM": self.worker_terminated,
            "worker drained": self.worker_drained,
            "rolling deploy": self._deploys.roll,
            "pause and unpause": self.paused,
            REOPENED: self.reopened_under_kills,
            "worker link cut": self.worker_cut,
            "worker link half-open": self.worker_half_open,
            "coordinator kill -9": self.coordinator_killed,
            "coordinator SIGSTOP > lease": self.coordinator_stopped,
            "coordinator link half-open": self.coordinator_half_open,
            "server kill -9 (AOF)": self.server_killed,
            "server restart": self.server_restarted,
            "server rolled back": self.server_rolled_back,
            "server's memory full > leases": self.memory_full,
            FAILOVER: self.failed_over,
            "all links cut": self.all_cut,
            "all links slow": self.all_slow,
        }

    # --- workers ----------------------------------------------------------------------------

    async def worker_killed(self) -> Injection:
        member = self._any("worker")
        pid, at = member.process.pid, time.time()
        self._pool.kill(member)
        return Injection("", at, at, pid)

    async def worker_stopped(self) -> Injection:
        member = self._any("worker")
        return await self._stopped(member, 1.5 * self._lease_s)

    async def worker_terminated(self) -> Injection:
        member = self._any("worker")
        pid, at = member.process.pid, time.time()
        member.is_ending = True
        member.process.send(signal.SIGTERM)
        await asyncio.to_thread(member.process.wait)
        self._pool.replace(member)
        return Injection("", at, time.time(), pid)

    async def worker_cut(self) -> Injection:
        return await self._link_fault(self._any("worker"), 1.5 * self._lease_s, _cut)

    async def worker_half_open(self) -> Injection:
        return await self._link_fault(self._any("worker"), 1.5 * self._lease_s, _freeze)

    # --- coordinators -----------------------------------------------------------------------

    async def coordinator_killed(self) -> Injection:
        member = await self._leading()
        pid, at = member.process.pid, time.time()
        led = await self._led_by(pid)
        self._pool.kill(member)
        return await self._until_led_by_others(led, Injection("", at, at, pid))

    async def coordinator_stopped(self) -> Injection:
        member = await self._leading()
        led = await self._led_by(member.process.pid)
        injection = await self._stopped(member, 1.2 * LEADER_LEASE_S)
        return await self._until_led_by_others(led, injection)

    async def coordinator_half_open(self) -> Injection:
        member = await self._leading()
        led = await self._led_by(member.process.pid)
        injection = await self._link_fault(member, 1.2 * LEADER_LEASE_S, _freeze)
        return await self._until_led_by_others(led, injection)

    # --- operators --------------------------------------------------------------------------

    async def worker_drained(self) -> Injection:
        member = self._any("worker")
        pid, at = member.process.pid, time.time()
        await self._pool.drain(member)
        self._pool.replace(member)
        return Injection("", at, time.time(), pid)

    async def paused(self) -> Injection:
        """Pause the queue, the namespace or a task that all runs have, and end that."""
        what = self._rng.choice(PAUSED)
        await self._order("pause", *what, "--reason", "chaos")
        at = time.time()  # on a busy machine the command alone takes a second
        await asyncio.sleep(PAUSE_S)
        injection = Injection("", at, time.time())
        injection.quiet_from = at + QUIET_AFTER_S
        injection.quiet_task = PAUSED_TASK if "--task" in what else ""
        await self._order("unpause", *what)
        return injection

    async def reopened_under_kills(self) -> Injection:
        """Let a run fail and reopen it; then kill a worker and the leader of most runs."""
        run_id = f"reopened-{self._rng.getrandbits(40)}"
        obstacle = obstacle_of(run_id, self._pool.folder / "tokens")
        obstacle.touch()
        assert await asyncio.to_thread(self._pool.submit, run_id, self._rng)
        self._pool.reopened.append(run_id)
        states: dict[str, str] = {}
        while states.get(run_id) != "failed":
            await asyncio.sleep(0.1)
            states = {run.run_id: run.state for run in await self._runs()}
        obstacle.unlink()
        await self._order("retry", run_id)
        await self.worker_killed()
        return await self.coordinator_killed()

    async def _order(self, *arguments: str) -> None:
        done = await asyncio.to_thread(self._pool.command, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stderr}"

    # --- the server and the network ---------------------------------------------------------

    async def server_killed(self) -> Injection:
        at = time.time()
        await asyncio.to_thread(self._pool.server.restart)
        return Injection("", at, time.time())

    async def server_restarted(self) -> Injection:
        at = time.time()
        await asyncio.to_thread(self._restart_in_order)
        return Injection("", at, time.time())

    async def server_rolled_back(self) -> Injection:
        """Take the server's disk back to what it was two seconds ago."""
        server = self._pool.server
        copy = server.directory / "aof-copy"
        shutil.rmtree(copy, ignore_errors=True)
        at = time.time()
        await asyncio.to_thread(_copy_while_written, server.directory / "appendonlydir", copy)
        await asyncio.sleep(2.0)
        await asyncio.to_thread(server.kill)
        shutil.rmtree(server.directory / "appendonlydir")
        copy.rename(server.directory / "appendonlydir")
        await asyncio.to_thread(server.start)
        return Injection("", at, time.time())

    async def failed_over(self) -> Injection:
        """Kill the master, of a pool that has a Sentinel; the other server takes its place."""
        at = time.time()
        await asyncio.to_thread(self._pool.watched.fail_over)
        injection = Injection("", at, time.time())
        await asyncio.to_thread(self._pool.watched.mend)
        return injection

    async def memory_full(self) -> Injection:
        """Have the server refuse whatever may need memory, for longer than all leases."""
        at = time.time()
        with self._pool.server.client() as client:
            client.config_set("maxmemory", 1)
            await asyncio.sleep(1.2 * max(LEADER_LEASE_S, self._lease_s))
            client.config_set("maxmemory", 0)
        return Injection("", at, time.time())

    async def all_cut(self) -> Injection:
        return await self._network_fault(lambda member: member.link.cut(), 2.0)

    async def all_slow(self) -> Injection:
        return await self._network_fault(lambda member: member.link.delay(DELAY_S), 3.0)

    # --- how --------------------------------------------------------------------------------

    def _any(self, kind: str) -> Member:
        return self._rng.choice(self._pool.of(kind))

    async def _leading(self) -> Member:
        """Return the coordinator that leads most runs."""
        counts: dict[int, int] = {}
        for run in await self._runs():
            if run.is_open and run.lease_s > 0:
                pid = _pid_of(run.owner)
                counts[pid] = counts.get(pid, 0) + 1
        members = self._pool.of("coordinator")
        return max(members, key=lambda member: counts.get(member.process.pid, 0))

    async def _led_by(self, pid: int) -> set[str]:
        return {r.run_id for r in await self._runs() if r.is_open and _pid_of(r.owner) == pid}

    async def _until_led_by_others(self, led: set[str], injection: Injection) -> Injection:
        while led:
            for run in await self._runs():
                others = run.lease_s > 0 and _pid_of(run.owner) != injection.victim_pid
                if run.run_id in led and (not run.is_open or others):
                    led.discard(run.run_id)
                    injection.recovered_s = time.time() - injection.began_at
            await asyncio.sleep(0.05)
        return injection

    async def _runs(self) -> list[Any]:
        while True:
            try:
                return list(await self._pool.runs())
            except StoreError:
                await asyncio.sleep(0.1)

    async def _stopped(self, member: Member, seconds: float) -> Injection:
        at = time.time()
        member.process.send(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        member.process.send(signal.SIGCONT)
        return Injection("", at, time.time(), member.process.pid)

    async def _link_fault(
        self, member: Member, seconds: float, harm: Callable[[Member], None]
    ) -> Injection:
        at = time.time()
        harm(member)
        await asyncio.sleep(seconds)
        member.link.heal()
        return Injection("", at, time.time(), member.process.pid)

    async def _network_fault(self, harm: Callable[[Member], None], seconds: float) -> Injection:
        at = time.time()
        for member in self._pool.members:
            harm(member)
        await asyncio.sleep(seconds)
        for member in self._pool.members:
            member.link.heal()
        return Injection("", at, time.time())

    def _restart_in_order(self) -> None:
        server = self._pool.server
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        server.process.wait()
        server.restart()


def _cut(member: Member) -> None:
    member.link.cut()


def _freeze(member: Member) -> None:
    member.link.freeze()


def _pid_of(owner: str) -> int:
    parts = owner.split(":")
    return int(parts[1]) if len(parts) == 3 else 0


def _copy_while_written(source: Any, target: Any) -> None:
    # A copy in the middle of a write ends in half a command, which the server cuts off.
    shutil.copytree(source, target)
