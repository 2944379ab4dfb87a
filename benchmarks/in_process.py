"""Measures the cost per task of a run in this process: CPU time of plans of no-op tasks.

``python -m benchmarks.in_process --tasks 10000 --shape layered`` measures; ``--profile`` shows
where the time goes instead.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import pstats
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import click

from astrum.data_transport.bindings import Binding, TaskInputs
from astrum.execution.in_process import run_in_process
from astrum.execution.in_process_options import InProcessOptions
from astrum.execution.invoke import BoundTask, Flow
from astrum.machine import AttemptSettled, Dispatch, Outcome, RunState
from astrum.planning import Plan, TaskSpec

LAYER_WIDTH = 100
FAN_IN = 3
NO_INPUTS = TaskInputs()


@dataclass(frozen=True)
class Measurement:
    """One shape's CPU times in microseconds per task; ``brain_us``: the state machine alone."""

    shape: str
    median_us: float
    best_us: float
    brain_us: float


async def nothing(*_: object) -> None:
    """Do nothing, so that what is left is Astrum."""


def nothing_in_a_thread() -> None:
    """Do nothing in a thread."""


def wide(tasks: int) -> Iterator[TaskSpec]:
    """Yield tasks that need nothing."""
    for number in range(tasks):
        yield TaskSpec(task_id=f"t{number}")


def threads(tasks: int) -> Iterator[TaskSpec]:
    """Yield sync tasks that need nothing."""
    for number in range(tasks):
        yield TaskSpec(task_id=f"t{number}", lane="thread")


def chain(tasks: int) -> Iterator[TaskSpec]:
    """Yield tasks of which each needs the one before."""
    for number in range(tasks):
        yield TaskSpec(task_id=f"t{number}", needs=(f"t{number - 1}",) if number else ())


def layered(tasks: int) -> Iterator[TaskSpec]:
    """Yield layers of 100 tasks, each of which reads the results of 3 in the layer above."""
    for number in range(tasks):
        above = number - number % LAYER_WIDTH - LAYER_WIDTH
        places = [(number + step) % LAYER_WIDTH for step in range(FAN_IN)] if above >= 0 else []
        needs = tuple(f"t{above + place}" for place in places)
        bindings = tuple(Binding(position, need) for position, need in enumerate(needs))
        yield TaskSpec(task_id=f"t{number}", needs=needs, bindings=bindings)


SHAPES: dict[str, Callable[[int], Iterator[TaskSpec]]] = {
    "wide": wide,
    "chain": chain,
    "layered": layered,
    "threads": threads,
}


def flow_of(shape: str, tasks: int) -> Flow:
    """Build the flow of a shape."""
    plan = Plan("benchmark", tuple(SHAPES[shape](tasks)))
    bound = {spec.task_id: _bound(spec) for spec in plan.tasks}
    return Flow(plan, bound)


def _bound(spec: TaskSpec) -> BoundTask:
    function = nothing if spec.lane == "async" else nothing_in_a_thread
    inputs = TaskInputs(bindings=spec.bindings) if spec.bindings else NO_INPUTS
    return BoundTask(spec.task_id, function, inputs, spec.lane)


def measure(shape: str, tasks: int, repeats: int) -> Measurement:
    """Time ``repeats`` runs, each of a flow of its own."""
    times = [_timed(_run, flow_of(shape, tasks)) / tasks * 1e6 for _ in range(repeats)]
    brain = min(_timed(_think, flow_of(shape, tasks)) for _ in range(repeats))
    return Measurement(shape, statistics.median(times), min(times), brain / tasks * 1e6)


def _timed(action: Callable[[Flow], None], flow: Flow) -> float:
    gc.collect()
    began = time.process_time()
    action(flow)
    return time.process_time() - began


def _run(flow: Flow) -> None:
    report = asyncio.run(run_in_process(flow, InProcessOptions()))
    if report.execution_state != "completed":
        raise click.ClickException(f"the run {report.execution_state}: {report.error_summary}")


def _think(flow: Flow) -> None:
    """Run the state machine alone: every attempt succeeds as soon as it is dispatched."""
    state = RunState(flow.plan)
    orders = state.start()
    while orders:
        order = orders.pop()
        if isinstance(order, Dispatch):
            settled = AttemptSettled(order.task, order.attempt, Outcome.SUCCEEDED, 1.0, 1.0, 1.0)
            orders += state.handle(settled)


def profile(shape: str, tasks: int) -> None:
    """Print where one run spends its time."""
    flow = flow_of(shape, tasks)
    with cProfile.Profile() as profiler:
        _run(flow)
    pstats.Stats(profiler).sort_stats("tottime").print_stats(25)


@click.command()
@click.option("--tasks", default=10_000, show_default=True, help="Tasks per run.")
@click.option("--repeats", default=5, show_default=True, help="Runs per shape.")
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    type=click.Choice(list(SHAPES)),
    help="A shape to measure; may be repeated. Default: all.",
)
@click.option("--profile", "profiling", is_flag=True, help="Profile instead of measuring.")
def main(tasks: int, repeats: int, shapes: tuple[str, ...], profiling: bool) -> None:
    """Measure runs of no-op tasks in this process."""
    click.echo(f"{tasks} tasks, {repeats} runs each, Python {sys.version.split()[0]}")
    if not profiling:
        click.echo(f"{'shape':<10}{'median':>12}{'best':>12}{'brain alone':>14}")
    for shape in shapes or SHAPES:
        if profiling:
            profile(shape, tasks)
            continue
        m = measure(shape, tasks, repeats)
        columns = (f"{m.median_us:9.2f} µs", f"{m.best_us:9.2f} µs", f"{m.brain_us:11.2f} µs")
        click.echo(f"{shape:<10}" + "".join(columns) + "  per task")


if __name__ == "__main__":
    main()
