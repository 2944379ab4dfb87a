"""What a task costs must not grow with their number, on any machine: ratios, never seconds.

A linear step measured at 2,000 and at 20,000 tasks costs each task about the same; a quadratic
one costs it ten times as much. The absolute guard compares with a loop of plain Python.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from astrum import DynamicScheduler, TaskOrder
from astrum.machine import AttemptSettled, Dispatch, Outcome, RunState, RunTimes, build_report
from astrum.planning import Plan, TaskSpec, build_plan
from astrum.planning.planner import upstream_first
from astrum.wire.arguments import pack_arguments
from astrum.wire.codec import Codec
from astrum_coordinator.progress import RunProgress

SMALL, LARGE = 2_000, 20_000
MAX_GROWTH = 3.0
REPEATS = 3
LEAST_S = 0.05
"""Short actions are repeated for so long: on a busy machine most of their runs are disturbed."""
WIDTH, FAN_IN = 100, 3
CALIBRATION_STEPS = 100_000


def wide(tasks: int) -> Iterator[list[int]]:
    """Yield nothing to wait for, and at the end everything."""
    yield from ([] for _ in range(tasks - 1))
    yield list(range(tasks - 1))


def chain(tasks: int) -> Iterator[list[int]]:
    yield from ([number - 1] if number else [] for number in range(tasks))


def layered(tasks: int) -> Iterator[list[int]]:
    for number in range(tasks):
        above = number - number % WIDTH - WIDTH
        yield [above + (number + step) % WIDTH for step in range(FAN_IN)] if above >= 0 else []


SHAPES = (wide, chain, layered)
Shape = Callable[[int], Iterator[list[int]]]


def plan_of(shape: Shape, tasks: int) -> Plan:
    specs = (
        TaskSpec(task_id=f"t{number}", needs=tuple(f"t{need}" for need in needs))
        for number, needs in enumerate(shape(tasks))
    )
    return Plan("guard", tuple(specs))


def orders_of(shape: Shape, tasks: int) -> list[TaskOrder]:
    orders: list[TaskOrder] = []
    for number, needs in enumerate(shape(tasks)):
        orders.append(TaskOrder(f"t{number}", [orders[need] for need in needs]))
    return orders


def run_to_end(plan: Plan) -> RunState:
    """Run the state machine: every attempt succeeds in the order of the dispatches."""
    state = RunState(plan, run_key="guard")
    commands = state.start()
    for command in commands:  # grows while it is walked
        if isinstance(command, Dispatch):
            settled = AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1, 1, 1)
            commands += state.handle(settled)
    assert state.finished == "completed"
    return state


def run_watched(plan: Plan) -> RunProgress:
    """Run the state machine with the live view's picture of it kept up to date."""
    state, progress = RunState(plan, run_key="guard"), RunProgress()
    commands = state.start()
    progress.observe(state, None, commands)
    for command in commands:  # grows while it is walked
        if isinstance(command, Dispatch):
            settled = AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1, 1, 1)
            followed = state.handle(settled)
            progress.observe(state, settled, followed)
            commands += followed
    assert progress.succeeded == len(plan.tasks)
    return progress


def think(shape: Shape, tasks: int) -> Callable[[], object]:
    plan = plan_of(shape, tasks)
    return lambda: run_to_end(Plan(plan.namespace, plan.tasks))


def report(shape: Shape, tasks: int) -> Callable[[], object]:
    state = run_to_end(plan_of(shape, tasks))
    return lambda: build_report(state, RunTimes(0.0, 0.0, 1.0), {})


def plan(shape: Shape, tasks: int) -> Callable[[], object]:
    async def nothing() -> None: ...

    orders = orders_of(shape, tasks)
    functions = [(order.task_name, nothing) for order in orders]
    return lambda: DynamicScheduler(functions, orders).flow()


def build(shape: Shape, tasks: int) -> Callable[[], object]:
    async def nothing() -> None: ...

    needs = {
        f"t{number}": tuple(f"t{need}" for need in above)
        for number, above in enumerate(shape(tasks))
    }
    functions = dict.fromkeys(needs, nothing)
    return lambda: build_plan("guard", upstream_first(needs), functions, {}, options={})


def watch(shape: Shape, tasks: int) -> Callable[[], object]:
    plan = plan_of(shape, tasks)
    return lambda: run_watched(Plan(plan.namespace, plan.tasks))


def encode(_: Shape, tasks: int) -> Callable[[], object]:
    rows = [{"name": f"row {number}", "values": (number, 1.5, None)} for number in range(tasks)]
    codec = Codec()
    return lambda: codec.decode(codec.encode(rows))


def splice(_: Shape, tasks: int) -> Callable[[], object]:
    values = [(f"p{number}", b"\xc0") for number in range(tasks)]
    return lambda: pack_arguments(values)


Step = Callable[[Shape, int], Callable[[], object]]

# Plain loop iterations that one task may cost at most; about four times what it costs now.
STEPS: list[tuple[Step, float]] = [
    (think, 400),
    (watch, 800),
    (report, 700),
    (plan, 1_300),
    (build, 300),
]


def cpu_s(action: Callable[[], object]) -> float:
    """Return the least processor time of some runs, without garbage collection."""
    times: list[float] = []
    while len(times) < REPEATS or sum(times) < LEAST_S:
        with no_collection():
            began = time.process_time()
            action()
            times.append(time.process_time() - began)
    return min(times)


@contextmanager
def no_collection() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def plain_loop_s() -> float:
    """Return what one turn of a plain loop costs on this machine at the moment."""

    def loop() -> None:
        seen: dict[int, int] = {}
        for number in range(CALIBRATION_STEPS):
            seen[number & 255] = number

    return cpu_s(loop) / CALIBRATION_STEPS


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("step", "limit"), STEPS)
def test_a_task_costs_the_same_in_a_large_run_and_not_much(
    step: Step, limit: float, shape: Shape
) -> None:
    large = cpu_s(step(shape, LARGE)) / LARGE
    small = cpu_s(step(shape, SMALL)) / SMALL
    assert large / small < MAX_GROWTH
    assert large / plain_loop_s() < limit, "turns of a plain loop"


@pytest.mark.parametrize("step", [encode, splice])
def test_a_row_costs_the_same_in_a_large_value(step: Step) -> None:
    growth = (cpu_s(step(wide, LARGE)) / LARGE) / (cpu_s(step(wide, SMALL)) / SMALL)
    assert growth < MAX_GROWTH
