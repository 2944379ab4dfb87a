"""Runs of any size for tests of reports: real plans, led by the real state machine in virtual time.

Workers lose attempts, fail, retry and hand back as on a pool; only the work itself is left out.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from random import Random

from astrum.machine import (
    AttemptSettled,
    Command,
    Dispatch,
    Failure,
    Finish,
    Outcome,
    RetryFellDue,
    Revoke,
    RunState,
    RunTimes,
    ScheduleRetry,
)
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.planning.axes import Axis, Condition, ListSource, Watch
from astrum.view.report.run_head import RunHead

BEGIN = 1_790_000_000.0
CHILDREN = 0.8
"""The share of all tasks that are children of one mapped task."""
_TRACE = """Traceback (most recent call last):
  File "/srv/app/astrum/execution/invoke.py", line 88, in _call
    return await function(**arguments)
  File "/srv/app/flows/pages.py", line {line}, in parse
    raise ValueError(f"no column {{name!r}} in row {{row}}")
ValueError: no column 'a{row}' in row {row}
"""


def made_plan(tasks: int) -> Plan:
    """Return a plan with about so many tasks and children, of all kinds that reports show."""
    retry = RetryPolicy(max_retries=2, delay=0.5, jitter=0.2)
    each = (Axis((ListSource("list_pages"),)),)
    specs = [
        TaskSpec("load_settings"),
        TaskSpec("list_pages", ("load_settings",), watches=(Watch("length"), Watch("truth"))),
        TaskSpec("parse", ("list_pages",), axes=each, retry=retry, on_failure="continue"),
        TaskSpec("merge", ("parse",), tolerant=("parse",), queue="big", lane="thread"),
        TaskSpec(
            "notify", ("list_pages",), conditions=(Condition("list_pages", 1, 1),), queue="mail"
        ),
        TaskSpec("notify_again", ("notify",)),
        TaskSpec("check", ("load_settings",), on_failure="continue"),
        TaskSpec("publish", ("check",)),
    ]
    plain = tasks - round(tasks * CHILDREN) - len(specs)
    for number in range(max(plain // 2, 1)):
        specs.append(TaskSpec(f"fetch_{number}", ("load_settings",), retry=retry, queue="net"))
        specs.append(TaskSpec(f"store_{number}", (f"fetch_{number}",), queue="net"))
    specs.append(TaskSpec("finish", ("merge", specs[-1].task_id)))
    return Plan("nightly", tuple(specs))


class MadeRun:
    """Leads a run of a plan on ``workers`` with ``slots`` each, in virtual time from `BEGIN` on.

    ``children`` is the length of every list. It is over when `lead` returns.
    """

    def __init__(
        self, plan: Plan, *, children: int, workers: int = 8, slots: int = 4, seed: int = 7
    ) -> None:
        self.plan = plan
        self.random = Random(seed)
        self.children = children
        self.now = BEGIN
        self.state = RunState(plan, run_key="made", capacity=2 * workers * slots)
        self._free = [f"host-{n % 4}.{100 + n}.{n:08x}" for n in range(workers)] * slots
        self._waiting: list[tuple[Dispatch, float]] = []
        self._events: list[tuple[float, int, object]] = []
        self._serial = 0
        self._revoked: set[tuple[int, int]] = set()
        self.finished_at = 0.0

    def lead(self) -> MadeRun:
        """Lead the run to its end."""
        self._obey(self.state.start())
        while self.state.finished is None:
            self._step()
        return self

    def lead_until(self, share: float) -> MadeRun:
        """Lead the run until a share of the tasks of the plan and the children has ended."""
        self._obey(self.state.start())
        while self.state.finished is None:
            if len(self.state.attempt_log.settled) >= share * len(self.state.states):
                break
            self._step()
        return self

    def head(self, **changed: object) -> RunHead:
        """Return the head of the run."""
        end = self.finished_at or self.now
        known: dict[str, object] = {
            "run_id": "20260921-131320-made",
            "state": self.state.finished or "running",
            "times": RunTimes(BEGIN, BEGIN, end),
            "taken_at": end,
            "is_over": self.state.finished is not None,
            "version": "0.1.0",
            "labels": {"team": "search"},
            "submitted_by": "ann@host-0:812",
        }
        return RunHead(**{**known, **changed})  # type: ignore[arg-type]

    def _step(self) -> None:
        self.now, _, event = heapq.heappop(self._events)
        if isinstance(event, AttemptSettled):
            if event.worker_id:
                self._free.append(event.worker_id)
            if (event.task, event.attempt) in self._revoked:
                event = event._replace(outcome=Outcome.CANCELLED, failure=None, seen=())
            self._obey(self.state.handle(event))
        elif isinstance(event, RetryFellDue):
            self._obey(self.state.handle(event))
        self._assign()

    def _obey(self, commands: Iterable[Command]) -> None:
        for command in commands:
            match command:
                case Dispatch():
                    self._waiting.append((command, self.now))
                case ScheduleRetry(task, attempt, due_at, _):
                    self._later(max(due_at, self.now), RetryFellDue(task, attempt))
                case Revoke(task, attempt):
                    self._revoked.add((task, attempt))
                case Finish():
                    self.finished_at = self.now + 0.004
        self._assign()

    def _assign(self) -> None:
        while self._waiting and self._free:
            place = self.random.randrange(len(self._free))
            self._begin(*self._waiting.pop(0), self._free.pop(place))

    def _begin(self, dispatch: Dispatch, sent_at: float, worker: str) -> None:
        spec, draw = self.state.tasks.spec(dispatch.task), self.random.random
        prepared_s, took_s = 0.001 + 0.01 * draw(), 0.02 + 0.3 * draw() ** 3
        claimed_at = self.now + 0.001
        outcome, failure = self._outcome(dispatch, spec)
        if outcome is Outcome.LOST:
            took_s += 5.0
        start = claimed_at + prepared_s
        end = start + took_s
        seen: tuple[int, ...] = ()
        if outcome is Outcome.SUCCEEDED:
            seen = tuple(self.children if one.kind == "length" else 0 for one in spec.watches)
        event = AttemptSettled(
            dispatch.task,
            dispatch.attempt,
            outcome,
            claimed_at if outcome is Outcome.LOST else start,
            0.0 if outcome is Outcome.LOST else end,
            end + 0.001,
            worker,
            failure,
            queued_s=claimed_at - sent_at,
            prepared_s=0.0 if outcome is Outcome.LOST else prepared_s,
            seen=seen,
            blocked="blocked the event loop for 1.2 s at pages.py:9 in parse" * (draw() < 0.002),
        )
        self._later(end + 0.001, event)

    def _outcome(self, dispatch: Dispatch, spec: TaskSpec) -> tuple[Outcome, Failure | None]:
        draw, task = self.random.random(), dispatch.task
        if spec.task_id == "check":
            return Outcome.FAILED, Failure(("builtins.KeyError",), "'settings'")
        if spec.task_id not in ("parse",) and not spec.task_id.startswith("fetch_"):
            return Outcome.SUCCEEDED, None
        if draw < 0.004:
            return Outcome.LOST, Failure(("astrum.WorkerLost",), "its worker died")
        if draw < 0.006:
            return Outcome.HANDED_BACK, None
        if draw < 0.03 or (spec.task_id == "parse" and task % 997 == 13):
            line = 40 + task % 5
            text = f"no column 'a{task}' in row {task}"
            types = ("builtins.ValueError", "builtins.Exception")
            return Outcome.FAILED, Failure(types, text, _TRACE.format(line=line, row=task))
        return Outcome.SUCCEEDED, None

    def _later(self, at: float, event: object) -> None:
        self._serial += 1
        heapq.heappush(self._events, (at, self._serial, event))


def made_run(tasks: int, *, seed: int = 7) -> MadeRun:
    """Return a run of about so many tasks that is over."""
    children = max(round(tasks * CHILDREN), 2)
    return MadeRun(made_plan(tasks), children=children, seed=seed).lead()
