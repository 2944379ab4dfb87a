"""One simulated installation: coordinators, workers, a server, and the faults that happen to them.

Everything is drawn from one seed. The coordinators and workers are the product's own, unmodified;
only their heartbeat thread is a loop, since the seed could not control a thread. For a
while faults happen, then it grows calm, and every run must end as it was asked to.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any

from astrum.config import AstrumConfig
from astrum.errors import AstrumError
from astrum.machine.report import ExecutionReport
from astrum.planning.plan import DEFAULT_QUEUE
from astrum.protocol.pauses import PauseKind, PauseTarget
from astrum.redis import RedisSettings, RunStore
from astrum_coordinator.app import Coordinator
from astrum_coordinator.config import CoordinatorConfig
from astrum_worker.app import Worker
from astrum_worker.config import WorkerConfig
from tests.contract.model import State
from tests.simulation.asked import draw
from tests.simulation.asker import Asker
from tests.simulation.flows import Book, catalog_of
from tests.simulation.growing import draw_growing
from tests.simulation.heartbeat import Line, LoopLease
from tests.simulation.loop import OUTSIDE, Process, StuckError, VirtualLoop, current_process
from tests.simulation.promises import Promises
from tests.simulation.retries import Retries
from tests.simulation.server import Network, Weather
from tests.simulation.strikes import Strikes

BEGIN_S = 1_700_000_000.0
ROUGH_S = 30.0
PATIENCE_S = 400.0
SETTLES_S = 20.0
"""Until then those are back that the last faults hit, and runs have leaders again."""
REST_S = 30.0
"""After the last end: time for what still runs to be noticed and dropped."""
SETTINGS = RedisSettings(url="unix:///simulated")
LEASE_S = 6.0
MOST_LOST_S = 1.9
"""Seconds of writes that a crash of the server may lose."""


Main = Callable[[Process], Coroutine[Any, Any, None]]


class Violation(AssertionError):
    """A promise was not kept."""


class World:
    """The installation of one seed; ``show`` gets each line of its story.

    ``is_growing``: its runs have children, and producers' ends are struck by faults. ``asks``: a
    process more asks why runs and tasks are as they are, and checks the answers.
    """

    def __init__(
        self,
        seed: int,
        show: Callable[[str], None] | None = None,
        *,
        is_growing: bool = False,
        asks: bool = False,
    ) -> None:
        self.rng = rng = random.Random(seed)
        self.loop = VirtualLoop(random.Random(rng.random()), BEGIN_S)  # type: ignore[abstract] # has what is called
        self._show = show
        self.story: list[str] = []
        self.network = Network(self.loop, random.Random(rng.random()), self.say)
        self.promises = Promises(self)
        book = Book(random.Random(rng.random()), self.promises.entry, self.promises.check)
        self.book = book
        self.is_growing = is_growing
        self.asked = draw_growing(rng, book) if is_growing else draw(rng, book)
        self.flows = {run_id: run.flow for run_id, run in self.asked.runs.items()}
        # A crowd has to wait for slots alone: so only the share lets a small run in.
        self.outstanding_limit = 50 if self.asked.has_crowd else rng.choice((2, 5, 50))
        self.slots = 1 if self.asked.has_crowd else rng.choice((1, 2, 4))
        self.reports: dict[str, ExecutionReport] = {}
        self.last_reports: dict[str, ExecutionReport] = {}
        self.workers: dict[Process, Worker] = {}
        self.deployed = list(range(len(self.asked.editions)))
        self.edition_of: dict[Process, int] = {}
        self.coordinators: dict[Process, Coordinator] = {}
        self.roles: dict[Process, Callable[[], None]] = {}
        self.snapshots: list[tuple[float, State]] = []
        self.rolled_back_at = 0.0
        self.reported_at: dict[str, float] = {}
        self.retries = Retries(self, random.Random(f"retries of {seed}"))
        self.asker = Asker(self, random.Random(f"questions of {seed}")) if asks else None
        self.supervisor = random.Random(f"reports of {seed}")
        self.strikes = Strikes(self, random.Random(f"strikes of {seed}"))
        self.is_calm = self.is_over = False
        self.counts = self.network.counts
        self.errors: list[str] = []
        self._serial: Counter[str] = Counter()

    def say(self, text: str) -> None:
        """Add a line to the story."""
        line = f"{self.loop.time() - BEGIN_S:9.3f} {current_process()!r:6} {text}"
        self.story.append(line)
        if self._show is not None:
            self._show(line)

    # --- processes --------------------------------------------------------------------------

    def _start(self, kind: str, main: Main, again: Callable[[], None]) -> Process:
        self._serial[kind] += 1
        process = self.loop.new_process(f"{kind}{self._serial[kind]}")
        self.roles[process] = again
        task = self.loop.run_in(process, main(process))
        task.add_done_callback(lambda done: self._ended(process, done), context=process.context)
        return process

    def _ended(self, process: Process, task: asyncio.Task[Any]) -> None:
        again = self.roles.pop(process, None)
        self.workers.pop(process, None)
        self.coordinators.pop(process, None)
        if task.cancelled() or again is None:
            return
        error = task.exception()
        self.say(f"ends: {error!r}" if error else "ends")
        if error is not None and not isinstance(error, AstrumError):
            self.errors.append(f"{process}: {error!r}")
        if error is not None or again in (self.add_worker, self.add_server):
            self.later(1.0, again)

    def later(self, delay_s: float, call: Callable[..., None], *args: Any) -> None:
        """Call something of the world's own after a while."""
        self.loop.call_in(OUTSIDE, self.loop.time() + delay_s, call, *args)

    def add_worker(self, edition: int | None = None) -> None:
        """Start a worker with any version of the code, as after a deploy, or with one."""
        if edition is None:
            edition = self.rng.choice(self.deployed)
        self.edition_of[self._start("w", self._work, self.add_worker)] = edition

    def live_editions(self) -> set[int]:
        """Return the versions of the code that live workers have."""
        return {self.edition_of[process] for process in self.workers}

    async def _work(self, process: Process) -> None:
        config = WorkerConfig(
            modules=("simulated",),
            redis=SETTINGS,
            concurrency=self.slots,
            threads=1,
            lease_s=LEASE_S,
            block_s=1.0,
            grace_s=3.0,
            reconcile_every_s=8.0,
        )
        line: Any = Line(self.network)
        worker = Worker(
            config,
            catalog_of(self.asked.editions[self.edition_of[process]]),
            lambda _: None,
            lease_type=lambda worker_id, client, *rest: LoopLease(worker_id, line, *rest),
        )
        self.workers[process] = worker
        await worker.run()

    def add_server(self) -> None:
        """Start a coordinator that adopts whatever it finds."""
        self._start("c", self._serve, self.add_server)

    async def _serve(self, process: Process) -> None:
        async with self._coordinator() as coordinator:
            self.coordinators[process] = coordinator
            await coordinator.serve()

    def add_runner(self, run_id: str) -> None:
        """Start a coordinator that sees one run through."""
        again = lambda: self.add_runner(run_id)  # noqa: E731
        self._start("r", lambda process: self._see_through(process, run_id), again)

    async def _see_through(self, process: Process, run_id: str) -> None:
        asked = self.asked.runs[run_id]
        async with self._coordinator() as coordinator:
            self.coordinators[process] = coordinator
            report = await coordinator.run_flow(
                asked.flow,
                AstrumConfig(),
                run_id=run_id,
                timeout_s=asked.timeout_s,
                versions=asked.versions,
                priority=asked.priority,
            )
            self.reports[run_id] = report
            self.reported_at[run_id] = self.loop.time()

    def _coordinator(self) -> Coordinator:
        config = CoordinatorConfig(
            lease_s=4.0,
            renew_every_s=1.2,
            step_down_after_s=3.2,
            reap_every_s=2.0,
            journal_block_s=2.0,
            outstanding_limit=self.outstanding_limit,
            timeout_grace_s=2.0,
            history_s=0.0,
        )
        return Coordinator(SETTINGS, config=config)

    def add_canceller(self, run_id: str) -> None:
        """Start a process that asks for a run's end."""
        again = lambda: self.add_canceller(run_id)  # noqa: E731
        self._start("x", lambda process: self._cancel(run_id), again)

    async def _cancel(self, run_id: str) -> None:
        async with self._coordinator() as coordinator:
            await coordinator.cancel(run_id, "simulated")

    def add_operator(self, target: PauseTarget, for_s: float) -> None:
        """Start a process that pauses something for a while."""
        self.counts["held back"] += 1
        again = lambda: self.add_operator(target, for_s)  # noqa: E731
        self._start("o", lambda process: self._hold(target, for_s), again)

    async def _hold(self, target: PauseTarget, for_s: float) -> None:
        async with RunStore.open(SETTINGS) as store:
            await store.pause([target], by="simulated")
            self.say(f"{target} is paused")
            await asyncio.sleep(for_s)
            await store.unpause([target])
            self.say(f"{target} is not paused any more")

    def _a_target(self) -> PauseTarget:
        flow = self.rng.choice(list(self.flows.values()))
        namespace, task = flow.plan.namespace, self.rng.choice(flow.plan.tasks)
        return self.rng.choice(
            (
                PauseTarget(PauseKind.QUEUE, task.queue),
                PauseTarget(PauseKind.NAMESPACE, namespace),
                PauseTarget.of_task(namespace, task.task_id),
            )
        )

    def add_retrier(self, run_id: str, names: Sequence[str], *, now: bool) -> None:
        """Start a process that asks for a run to be tried again."""
        again = lambda: self.add_retrier(run_id, names, now=now)  # noqa: E731
        self._start("t", lambda process: self._retry(run_id, names, now), again)

    async def _retry(self, run_id: str, names: Sequence[str], now: bool) -> None:
        async with self._coordinator() as coordinator:
            await self.retries.ask(coordinator, run_id, names, now=now)

    def add_reader(self, run_id: str) -> None:
        """Start a process that asks for the report of a run that is over."""
        again = lambda: self.add_reader(run_id)  # noqa: E731
        self._start("q", lambda process: self._read(run_id), again)

    async def _read(self, run_id: str) -> None:
        async with self._coordinator() as coordinator:
            self.last_reports[run_id] = await coordinator.report(run_id)

    def add_asker(self) -> None:
        """Start a process that asks why all runs are as they are."""
        self._start("a", self._ask, self.add_asker)

    async def _ask(self, process: Process) -> None:
        assert self.asker is not None
        async with self._coordinator() as coordinator:
            await self.asker.ask(coordinator)

    # --- faults -----------------------------------------------------------------------------

    def plan_faults(self) -> None:
        """Draw what will happen, and when."""
        rng = self.rng
        if rng.random() < 0.7:
            likely = rng.choice((0.002, 0.01, 0.03))
            self.network.weather = Weather(
                *(likely * rng.choice((0, 1)) * share for share in (3.0, 1.0, 0.3))
            )
        for kind in ("kill", "pause", "cut", "crash", "drain"):
            for _ in range(rng.choice((0, 0, 1, 2, 4))):
                at_s = rng.uniform(0.3, ROUGH_S)
                if kind == "crash":
                    self.later(at_s - rng.uniform(0.0, MOST_LOST_S), self.remember)
                self.later(at_s, getattr(self, kind))
        if rng.random() < 0.5:
            self.later(rng.uniform(1.0, ROUGH_S / 2), self.deploy)
        for _ in range(rng.choice((0, 0, 1, 2))):
            at_s, for_s = rng.uniform(0.3, ROUGH_S), rng.choice((1.0, 4.0, 10.0))
            self.later(at_s, self.add_operator, self._a_target(), for_s)
        if self.asked.has_crowd and rng.random() < 0.5:
            queue = PauseTarget(PauseKind.QUEUE, DEFAULT_QUEUE)
            self.later(ROUGH_S + SETTLES_S + 3.0, self.add_operator, queue, 8.0)
        for run_id, run in self.asked.runs.items():
            if run.ending == "cancel":
                self.later(rng.uniform(1.0, ROUGH_S), self.add_canceller, run_id)
        self.retries.plan()

    def _victim(self, *kinds: str) -> Process | None:
        alive = [p for p in self.roles if not p.is_paused and p.name[0] in kinds]
        return self.rng.choice(alive) if alive else None

    @property
    def settled_from(self) -> float:
        """From then on no fault has any effect."""
        return BEGIN_S + ROUGH_S + SETTLES_S

    def kill(self) -> None:
        """End a process as kill -9 does."""
        victim = self._victim("w", "c", "r")
        if victim is not None:
            self.kill_process(victim)

    def kill_process(self, victim: Process) -> None:
        """End one process as kill -9 does; it comes back."""
        self.say(f"kill {victim}")
        self.counts[f"killed {victim.name[0]}"] += 1
        again = self.roles.pop(victim)
        worker = self.workers.pop(victim, None)
        self.coordinators.pop(victim, None)
        victim.is_dead = True
        victim.ready.clear()
        self.network.disconnect(victim)
        if worker is not None and self.supervisor.random() < 0.5:
            delay_s = self.supervisor.choice((0.05, 0.5, 3.0))
            self.later(delay_s, self.report_dead, worker.worker_id)
        self.later(self.rng.choice((0.1, 2.0, 8.0)), again)

    def report_dead(self, worker_id: str) -> None:
        """Do as the supervisor of a worker that was killed; a server that is down hears nothing."""
        if not self.network.is_down and self.network.model.end_lease(worker_id):
            self.say(f"reported dead: {worker_id}")
            self.counts["reported dead w"] += 1

    def pause(self) -> None:
        """Stop a process for a while, perhaps longer than its lease."""
        victim = self._victim("w", "c", "r")
        if victim is None:
            return
        for_s = self.rng.choice((0.5, 3.0, 7.0, 14.0))
        self.say(f"pause {victim} for {for_s:g} s")
        self.counts[f"paused {victim.name[0]}"] += 1
        victim.is_paused = True
        self.later(for_s, self._resume, victim)

    def _resume(self, victim: Process) -> None:
        self.say(f"resume {victim}")
        victim.is_paused = False

    def cut(self) -> None:
        """Let no message of a process through for a while."""
        victim = self._victim("w", "c", "r")
        if victim is None:
            return
        for_s = self.rng.choice((0.5, 3.0, 7.0, 14.0))
        self.say(f"cut {victim} off for {for_s:g} s")
        self.counts[f"cut off {victim.name[0]}"] += 1
        self.network.cut_off.add(victim)
        self.later(for_s, self._connect, victim)

    def _connect(self, victim: Process) -> None:
        self.say(f"{victim} is connected again")
        self.network.cut_off.discard(victim)
        self.network.disconnect(victim)

    def remember(self) -> None:
        """Keep the server's state for a crash that is to come."""
        if not self.network.is_down:
            self.snapshots.append((self.loop.time(), self.network.model.snapshot()))

    def crash(self) -> None:
        """Stop the server; it comes back with or without its last writes."""
        if self.network.is_down:
            return
        down_s = self.rng.choice((0.05, 0.5, 3.0, 8.0))
        oldest = self.loop.time() - MOST_LOST_S
        kept = [state for at, state in self.snapshots if at >= oldest]
        lost = kept[0] if kept and self.rng.random() < 0.7 else None
        self.snapshots.clear()
        if lost:
            self.rolled_back_at = self.loop.time()
        self.say(f"the server crashes for {down_s:g} s{', losing writes' if lost else ''}")
        self.counts["server rolled back" if lost else "server restarted"] += 1
        self.network.stop()
        self.later(down_s, self._come_back, lost)

    def _come_back(self, lost: State | None) -> None:
        self.say("the server is back")
        if lost:
            self.rolled_back_at = self.loop.time()
        self.network.start(lost)

    def drain(self) -> None:
        """Ask a worker to end in order."""
        victim = self._victim("w")
        if victim is None:
            return
        self.say(f"drain {victim}")
        self.counts["drained w"] += 1
        worker = self.workers.get(victim)
        if worker is not None:
            self.loop.call_in(victim, self.loop.time(), worker.request_stop)

    def grow_calm(self) -> None:
        """No more faults."""
        self.is_calm = True
        self.network.weather = Weather()
        self.say("it grows calm")
        self.add_server()  # a run that the server had forgotten to be over needs a leader
        self.deploy()
        for run_id, run in self.asked.runs.items():
            is_known = run_id in self.network.model.state.runs or run_id not in self.reports
            if run.ending == "cancel" and is_known:
                self.add_canceller(run_id)  # the server may have forgotten that it was asked
            if run.after_calm_s is not None:
                self.later(run.after_calm_s, self.add_runner, run_id)
        self.later(SETTLES_S, self._settle_down)

    def deploy(self) -> None:
        """Leave only workers with versions that are needed, and one of each at least."""
        self.counts["deployed"] += len(self.deployed) > 1
        self.deployed = self.asked.sufficient(self.rng.sample(self.deployed, len(self.deployed)))
        for edition in self.deployed:
            self.add_worker(edition)
        for process, worker in self.workers.items():
            if self.edition_of[process] not in self.deployed:
                self.say(f"drain {process}: its version is not needed any more")
                self.loop.call_in(process, self.loop.time(), worker.request_stop)

    def _settle_down(self) -> None:
        # A server that was taken back may have forgotten that a pause had ended.
        self.network.model.state.paused.clear()
        self.later(SETTLES_S / 10, self.promises.look_at_turns)

    # --- the course of events ---------------------------------------------------------------

    def live(self) -> None:
        """Run until all is over; raises `Violation` if it does not end."""
        for _ in range(self.rng.choice((1, 2, 3))):
            self.add_worker()
        for _ in range(self.rng.choice((0, 1, 2))):
            self.add_server()
        for run_id, run in self.asked.runs.items():
            if run.after_calm_s is None:
                self.add_runner(run_id)
        self.promises.watch()
        if self.asker is not None:
            self.add_asker()
        if self.is_growing:
            self.strikes.watch()
        self.plan_faults()
        self.later(ROUGH_S, self.grow_calm)
        end = BEGIN_S + ROUGH_S + PATIENCE_S
        if not self.loop.run_until(self._is_over, end):
            raise Violation(f"no end after {PATIENCE_S:g} calm seconds: {self._state_of_runs()}")
        self.is_over = True
        for run_id in self.network.model.state.runs:
            self.add_reader(run_id)
        self.loop.run_until(lambda: False, self.loop.time() + REST_S)

    def _is_over(self) -> bool:
        runs = self.network.model.state.runs
        return (
            self.is_calm
            and not self.retries.are_under_way
            and not self.network.is_down
            and len(self.reports) == len(self.flows)
            and all(run.state != "open" for run in runs.values())
        )

    def _state_of_runs(self) -> str:
        runs = self.network.model.state.runs
        return ", ".join(f"{name}: {run.state} {run.attempts}" for name, run in runs.items())

    def tear_down(self) -> None:
        """End every task, so that none gives a warning when it is deleted."""
        self.network.is_down = True
        self._show = None
        self.roles.clear()
        for process in self.loop._processes:
            process.is_dead = process.is_paused = False
        for _ in range(20):
            self.loop.steps = 0
            tasks = list(self.loop.tasks)  # asyncio's own list misses those that workers hide
            for task in tasks:
                task.cancel()
            with suppress(StuckError):
                is_over = not tasks or self.loop.run_until(self._is_empty, self.loop.time() + 20)
                if is_over:
                    break
        self.loop.close()

    def _is_empty(self) -> bool:
        return not self.loop.tasks
