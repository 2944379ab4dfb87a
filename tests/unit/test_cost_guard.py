"""The cost of a task must not grow with the number of tasks: ratios, never seconds.

A linear step measured at 1,000 and at 30,000 tasks costs each task about the same; a quadratic
one costs it thirty times as much. The absolute guard compares with a loop of plain Python.

A neighbour that empties the processor's caches can make one measurement of a linear step look
three times too large, and does so for seconds. So a step is measured until it is seen to be cheap,
the least cost of each size counts, and only one that is dear every time fails.

What a plain task costs in process as a whole is bounded in instructions of bytecode, which no
neighbour changes.
"""

from __future__ import annotations

import asyncio
import gc
import math
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass

import pytest

from astrum import DynamicScheduler, TaskOrder
from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution import task_reuse
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import BoundTask, Flow
from astrum.machine import (
    AttemptSettled,
    CancelRequested,
    Dispatch,
    Outcome,
    Revoke,
    Routes,
    RoutesChanged,
    RunState,
    RunTimes,
    build_report,
)
from astrum.planning import Plan, TaskSpec, build_plan
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.planning.planner import upstream_first
from astrum.values.arguments import pack_arguments
from astrum.values.codec import Codec
from astrum_coordinator.display.progress import RunProgress
from tests.instructions import instructions, shown

SMALL, LARGE = 1_000, 30_000
MAX_GROWTH = 3.5
ROUNDS = 12
LEAST_S = 0.02
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


def run_to_end(plan: Plan, length: int = 0) -> RunState:
    """Run the state machine: every attempt succeeds in the order of the dispatches.

    A list that the first task may return has that length.
    """
    state = RunState(plan, run_key="guard")
    commands = state.start()
    for command in commands:  # grows while it is walked
        if isinstance(command, Dispatch):
            settled = AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1, 1, 1)
            if length and not command.task:
                settled = settled._replace(seen=(length,))
            commands += state.handle(settled)
    assert state.finished == "completed"
    return state


def run_routed(plan: Plan, routes: Routes, capacity: int) -> RunState:
    """Run the state machine with several routes, and streams that are full most of the time."""
    state = RunState(plan, run_key="guard", capacity=capacity)
    state.handle(RoutesChanged(routes))
    commands = state.start()
    for command in commands:  # grows while it is walked
        if isinstance(command, Dispatch):
            settled = AttemptSettled(command.task, command.attempt, Outcome.SUCCEEDED, 1, 1, 1)
            commands += state.handle(settled)
    assert state.finished == "completed"
    return state


def run_cancelled(plan: Plan) -> RunState:
    """Cancel a run when all its ready tasks are outstanding."""
    state = RunState(plan, run_key="guard")
    state.start()
    for command in state.handle(CancelRequested(1.0)):
        if isinstance(command, Revoke):
            state.handle(AttemptSettled(command.task, command.attempt, Outcome.CANCELLED, 1, 1, 1))
    assert state.finished == "cancelled"
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


def think_routed(shape: Shape, tasks: int) -> Callable[[], object]:
    plan = plan_of(shape, tasks)
    routes = Routes(((1,), (2, 3), (3,)), ((4,),) * 3, [task % 3 for task in range(tasks)])
    return lambda: run_routed(Plan(plan.namespace, plan.tasks), routes, WIDTH)


def cancel(shape: Shape, tasks: int) -> Callable[[], object]:
    plan = plan_of(shape, tasks)
    return lambda: run_cancelled(Plan(plan.namespace, plan.tasks))


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


def fan_out(_: Shape, tasks: int) -> Callable[[], object]:
    """A list, a child for each of its elements, one more for each of these, and all together."""
    axes = (Axis((ListSource("list"),)),)
    specs = (
        TaskSpec("list", watches=(Watch("length"),)),
        TaskSpec("first", ("list",), axes=axes, on_failure="continue"),
        TaskSpec("second", ("list", "first"), axes=axes, at_once=WIDTH, max_failed=0.5),
        TaskSpec("total", ("second",)),
    )
    return lambda: run_to_end(Plan("guard", specs), tasks // 2)


Step = Callable[[Shape, int], Callable[[], object]]

# Turns of a plain loop that one task may cost at most; about four times what it costs now.
LIMITS: list[tuple[Step, tuple[Shape, ...], float]] = [
    (think, SHAPES, 350),
    (fan_out, (wide,), 500),
    (think_routed, SHAPES, 1_000),
    (cancel, (wide,), 400),
    (watch, SHAPES, 550),
    (report, SHAPES, 500),
    (plan, SHAPES, 700),
    (build, SHAPES, 250),
    (encode, (wide,), 260),
    (splice, (wide,), 20),
]


@dataclass
class Cost:
    """The least processor seconds seen so far: of a task by their number, and of a loop's turn."""

    small: float = float("inf")
    large: float = float("inf")
    turn: float = float("inf")

    @property
    def growth(self) -> float:
        return self.large / self.small

    @property
    def turns(self) -> float:
        return self.large / self.turn


def measured(step: Step, shape: Shape) -> Iterator[Cost]:
    """Yield what is known after each of some rounds: the least of all that was measured."""
    small, large = step(shape, SMALL), step(shape, LARGE)
    cost = Cost()
    for _ in range(ROUNDS):
        cost.large = min(cost.large, cpu_s(large) / LARGE)
        cost.small = min(cost.small, cpu_s(small) / SMALL)
        cost.turn = min(cost.turn, cpu_s(plain_loop) / CALIBRATION_STEPS)
        yield cost


def cpu_s(action: Callable[[], object]) -> float:
    """Return the least processor time of some runs, without garbage collection."""
    times: list[float] = []
    while sum(times) < LEAST_S:
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


def plain_loop() -> None:
    seen: dict[int, int] = {}
    for number in range(CALIBRATION_STEPS):
        seen[number & 255] = number


@pytest.mark.parametrize(
    ("step", "shape", "limit"),
    [(step, shape, limit) for step, shapes, limit in LIMITS for shape in shapes],
)
def test_a_task_costs_the_same_in_a_large_run_and_not_much(
    step: Step, shape: Shape, limit: float
) -> None:
    for cost in measured(step, shape):
        if cost.growth < MAX_GROWTH and cost.turns < limit:
            return
    pytest.fail(
        f"always {cost.growth:.1f} times as much in a large run, {cost.turns:.0f} turns of a loop"
    )


# --- instructions of bytecode -----------------------------------------------------------------

# By Python version, of a task in a run in process: about 1 % more than it is.
MOST_INSTRUCTIONS: dict[tuple[int, int], dict[Shape, int]] = {
    (3, 11): {wide: 1_445, chain: 1_735, layered: 1_810},
    (3, 12): {wide: 1_375, chain: 1_645, layered: 1_720},
    (3, 13): {wide: 1_300, chain: 1_565, layered: 1_645},
}


def flow_of(shape: Shape, tasks: int) -> Flow:
    """Return a flow of tasks that do nothing with the results of all that they need."""

    async def nothing(*_: object) -> None: ...

    specs, bound = [], {}
    for spec in plan_of(shape, tasks).tasks:
        bindings = tuple(Binding(place, need) for place, need in enumerate(spec.needs))
        specs.append(spec._replace(bindings=bindings))
        bound[spec.task_id] = BoundTask(spec.task_id, nothing, TaskInputs(bindings), "async")
    return Flow(Plan("guard", tuple(specs)), bound)


def run_flow(flow: Flow) -> None:
    run = run_in_process(flow, InProcessOptions())
    report = Context().run(asyncio.run, run)  # the tests' own context variables cost something
    assert report.execution_state == "completed"


def added_instructions(shape: Shape) -> Counter[str]:
    """Return what two hundred more tasks execute, by the name of the function."""
    small, large = (flow_of(shape, tasks) for tasks in (WIDTH, 3 * WIDTH))
    more = instructions(lambda: run_flow(large))
    more.subtract(instructions(lambda: run_flow(small)))
    return more


@pytest.mark.parametrize("shape", SHAPES)
def test_a_plain_task_executes_no_more_bytecode_in_process_than_it_has_to(
    shape: Shape, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = MOST_INSTRUCTIONS.get(sys.version_info[:2])
    if most is None:
        pytest.skip("nothing is known of this Python version")
    monkeypatch.setattr(task_reuse, "TURN_S", math.inf)  # counting takes time
    run_flow(flow_of(shape, 2))  # caches are filled
    more = added_instructions(shape)
    cost = more.total() / (2 * WIDTH)
    assert cost < most[shape], f"{cost:.0f}, of which\n{shown(more, 2 * WIDTH)}"
