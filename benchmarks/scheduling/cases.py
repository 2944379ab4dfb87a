"""The cases: each does a piece of work with the old checkout and with the new one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.case import Numbers, Samples, Setting, Verdict, at_least, at_most
from benchmarks.scheduling.checkout import Checkout
from tests.proxy import Proxy, target_of
from tests.servers import RedisServer

OLD, NEW = "old", "new"
ONE_WAY_S = 0.001
RATE = "tasks_per_s"
Work = Callable[[Checkout, Setting], Numbers]


@dataclass(frozen=True)
class Goal:
    """A bound of a metric: of its value, or of its percentage of the old value."""

    text: str
    metric: str
    limit: float
    unit: str = ""
    is_least: bool = False
    is_percent_of_old: bool = False

    def judge(self, samples: Samples) -> Verdict:
        """Judge what the new checkout did; not judged where something is missing."""
        missing = [name for name in self._needed() if not samples.values(name, self.metric)]
        if missing:
            return Verdict(self.text, f"not measured: {', '.join(missing)}", None)
        value = samples.median(NEW, self.metric)
        if self.is_percent_of_old:
            value = value / samples.median(OLD, self.metric) * 100
        judge = at_least if self.is_least else at_most
        return judge(self.text, value, self.limit, self.unit)

    def _needed(self) -> tuple[str, ...]:
        return (OLD, NEW) if self.is_percent_of_old else (NEW,)


@dataclass
class SideBySide:
    """One work, with each checkout in turn."""

    name: str
    title: str
    metric: str
    work: Work
    goals: Sequence[Goal]
    checkouts: Mapping[str, Checkout]

    def contestants(self, setting: Setting) -> list[str]:
        """Return the names of the checkouts, the old one first."""
        return list(self.checkouts)

    def measure(self, setting: Setting, contestant: str) -> Numbers:
        """Do the work once; raises `SystemFailedError`."""
        return self.work(self.checkouts[contestant], setting)

    def verdicts(self, samples: Samples) -> list[Verdict]:
        """Judge the new checkout."""
        return [goal.judge(samples) for goal in self.goals]


DURATIONS = {
    # of a task in seconds: (tasks of the long run, the same in a quick run)
    0.005: (12_000, 1_200),
    0.02: (6_000, 600),
    0.1: (1_200, 120),
    1.0: (160, 24),
}
SLOTS = 4
_SHARED = (5_000, 300)
"""Tasks of each of two runs."""
VERSIONS = {
    "body": "another body of all tasks",
    "added": "one task more",
    "parameter": "another parameter of another task",
}


def cases(checkouts: Mapping[str, Checkout]) -> dict[str, SideBySide]:
    """Return all cases by name."""
    found = [
        *(_newcomer(task_s, checkouts) for task_s in DURATIONS),
        _newcomer_priority(checkouts),
        *(_chain_beside(task_s, checkouts) for task_s in DURATIONS),
        *(_idle(what, checkouts) for what in ("queue", "lane")),
        _two_modules(checkouts),
        *(_two_versions(version, checkouts) for version in VERSIONS),
        *(_shape(shape, far, checkouts) for far in (False, True) for shape in _SIZES),
        _idle_cost(checkouts),
        _cancel(checkouts),
    ]
    return {case.name: case for case in found}


def _newcomer(task_s: float, checkouts: Mapping[str, Checkout]) -> SideBySide:
    limit_ms = max(2 * task_s * 1000, 50)
    goal = Goal(f"starts within {limit_ms:g} ms", "start_ms", limit_ms, " ms")
    name, text = f"newcomer_{task_s * 1000:g}ms", _tasks(task_s)
    work = _beside("newcomer", task_s)
    title = f"a run of one task behind a run {text}"
    return SideBySide(name, title, "start_ms", work, [goal], checkouts)


def _newcomer_priority(checkouts: Mapping[str, Checkout]) -> SideBySide:
    task_s = 0.1
    limit_ms = task_s * 1000
    goal = Goal(f"starts within {limit_ms:g} ms, the time of one task", "start_ms", limit_ms, " ms")
    work = _beside("newcomer", task_s, priority=5)
    title = f"a run of one task with priority 5 behind a run {_tasks(task_s)}"
    return SideBySide("newcomer_priority", title, "start_ms", work, [goal], checkouts)


def _chain_beside(task_s: float, checkouts: Mapping[str, Checkout]) -> SideBySide:
    goal = Goal("at most 3 times as long as alone", "times_alone", 3)
    name, text = f"chain_beside_{task_s * 1000:g}ms", _tasks(task_s)
    work = _beside("chain_beside", task_s)
    title = f"a chain of 5 such tasks beside a run {text}"
    return SideBySide(name, title, "times_alone", work, [goal], checkouts)


def _tasks(task_s: float) -> str:
    return f"of {DURATIONS[task_s][0]:,} tasks of {task_s * 1000:g} ms"


def _beside(work: str, task_s: float, **more: int) -> Work:
    def measure(checkout: Checkout, setting: Setting) -> Numbers:
        tasks = setting.size(*DURATIONS[task_s])
        arguments = {"tasks": tasks, "task_s": task_s, "slots": SLOTS, **more}
        return checkout.work(work, arguments, setting.timeout_s)

    return measure


def _idle(what: str, checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        arguments = {"tasks": 2_300, "task_s": 0.02, "slots": SLOTS}
        return checkout.work(f"idle_{what}", arguments, setting.timeout_s)

    title = f"5 tasks of an idle {what} behind 2,300 of a busy one of the same run"
    goal = Goal("the last starts within 100 ms", "last_start_ms", 100, " ms")
    return SideBySide(f"idle_{what}", title, "last_start_ms", work, [goal], checkouts)


SHARE_GOALS = (
    Goal("at least 80 % of the rate", "percent_of_equal", 80, " %", is_least=True),
    Goal("no hand-backs", "handed_back", 0),
)


def _two_modules(checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        arguments = {"tasks": setting.size(*_SHARED)}
        return checkout.work("two_modules", arguments, setting.timeout_s)

    title = "two modules on one queue, one worker each, beside equal workers"
    return SideBySide("two_modules", title, "percent_of_equal", work, SHARE_GOALS, checkouts)


def _two_versions(version: str, checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        arguments = {"tasks": setting.size(*_SHARED), "version": version}
        return checkout.work("two_versions", arguments, setting.timeout_s)

    title = f"old and new version on one queue ({VERSIONS[version]}), beside equal workers"
    name = f"versions_{version}"
    return SideBySide(name, title, "percent_of_equal", work, SHARE_GOALS, checkouts)


_SIZES = {"fan_out": (20_000, 2_000), "layered": (10_000, 1_000), "chain": (1_000, 200)}
"""Tasks near the server; at a round trip of 2 ms, a chain has a quarter of them."""


def _shape(shape: str, is_far: bool, checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        tasks = setting.size(*_SIZES[shape]) // (4 if is_far and shape == "chain" else 1)
        with RedisServer() as server, Proxy(target_of(server)) as proxy:
            proxy.delay(ONE_WAY_S)
            url = proxy.url if is_far else server.url
            numbers = checkout.drive(shape, tasks, url=url, timeout_s=setting.timeout_s)
        return {**numbers, RATE: numbers["tasks"] / numbers["seconds"]}

    text = "at least 95 % of the rate before"
    goal = Goal(text, RATE, 95, " %", is_least=True, is_percent_of_old=True)
    name, title = (f"{shape}_far", "2 ms away") if is_far else (shape, "near")
    return SideBySide(name, f"{shape}, server {title}", RATE, work, [goal], checkouts)


def _idle_cost(checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        extra = {"BENCH_IDLE_S": str(setting.size(30, 5))}
        with RedisServer() as server:
            return checkout.drive(
                "idle",
                100,
                url=server.url,
                timeout_s=setting.timeout_s,
                system="astrum_pool",
                extra=extra,
            )

    goals = [
        Goal("fewer than 100 commands per second", "commands_per_s", 100),
        Goal("busiest worker: less than 1 % of a processor", "worker_cpu_percent", 1, " %"),
        Goal("coordinator: less than 1 % of a processor", "coordinator_cpu_percent", 1, " %"),
    ]
    title = "100 waiting runs, 10 workers"
    return SideBySide("idle_cost", title, "commands_per_s", work, goals, checkouts)


def _cancel(checkouts: Mapping[str, Checkout]) -> SideBySide:
    def work(checkout: Checkout, setting: Setting) -> Numbers:
        arguments = {"tasks": setting.size(100_000, 10_000), "slots": SLOTS}
        return checkout.work("cancel", arguments, setting.timeout_s)

    goal = Goal("over within 1 s", "cancel_seconds", 1, " s")
    title = "cancel of a run with 100,000 tasks"
    return SideBySide("cancel", title, "cancel_seconds", work, [goal], checkouts)
