"""The checks of growing runs that have come to rest: each child ran and counted once, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from astrum.data_transport.bindings import Binding
from astrum.machine.events import CancelRequested, Finish, Outcome, Reopened
from astrum.machine.state import RunState
from astrum.machine.task_state import CANCELLED, ENDED, FAILED, SKIPPED, SUCCEEDED, TaskState
from astrum.planning.alignment import aligned
from astrum.planning.axes import ListSource
from astrum.planning.plan import Plan
from astrum.protocol.messages import Record, decode_entry
from astrum.values.codec import Codec
from tests.contract.model import Run
from tests.simulation.world import Violation, World
from tests.unit.machine.reference import End, Reference, Tree

Index: TypeAlias = tuple[int, ...]
MEANS = {"halted": ("skipped", "blocked")}


def audit_growing(world: World, run_id: str, run: Run) -> None:
    """Raise `Violation` unless every promise about a growing run was kept."""
    grown = Grown(run_id, world.flows[run_id].plan)
    for entry in run.journal.values():
        for item in decode_entry(entry):
            grown.take_in(item)
    grown.audit_end(run)
    grown.audit_values()
    grown.audit_ends()
    grown.audit_cleanup()
    is_final = run_id not in world.retries.reopened
    if is_final and world.reported_at[run_id] > world.rolled_back_at:
        grown.audit_report(world.reports[run_id], run)
    grown.audit_report(world.last_reports[run_id], run)
    world.counts["children"] += len(grown.state.states) - len(grown.plan.tasks)
    world.counts["cleanups of stopped runs"] += grown.state.stopping and any(
        grown.state.attempts[task] for task, spec in enumerate(grown.plan.tasks) if spec.always
    )


class Grown:
    """A run as its journal tells it; ``values`` are those that count, by task and index."""

    def __init__(self, run_id: str, plan: Plan) -> None:
        self.run_id, self.plan = run_id, plan
        self.state = RunState(plan, run_key=run_id)
        self.values: dict[tuple[str, Index], Any] = {}
        self.orders: list[Any] = []
        self.is_reopened = False
        self._codec = Codec()

    def fail(self, text: str) -> None:
        raise Violation(f"{self.run_id}: {text}")

    # --- the journal --------------------------------------------------------------------

    def take_in(self, item: Any) -> None:
        """Take in the next item of the journal."""
        if isinstance(item, Record):
            self._record(item)
            return
        self.state.handle(item)
        if isinstance(item, Reopened):
            self.is_reopened = True
            self.orders = []
            for name in [name for name in self.values if not self._stands(*name)]:
                del self.values[name]
        else:
            self.orders.append(item)

    def _stands(self, task_id: str, index: Index) -> bool:
        number = self.state.tasks.find(self.plan.index[task_id], index)
        return number is not None and self.state.states[number] == SUCCEEDED

    def _record(self, record: Record) -> None:
        state, task = self.state, record.task
        if task >= len(state.states):
            self.fail(f"number {task} is not a task of it")
        if record.attempt != state.attempts[task] + 1:
            self.fail(f"attempt {record.attempt} of task {task} follows {state.attempts[task]}")
        name, before = state.tasks.name(task), state.states[task]
        if record.outcome is Outcome.SUCCEEDED and before in (SUCCEEDED, SKIPPED, FAILED):
            self.fail(f"{name} succeeded after it had ended")
        state.handle(record.to_event(1.0))
        if record.outcome is Outcome.SUCCEEDED:
            value = self._codec.decode(record.value or b"\xc0")
            if value["who"] != name:
                self.fail(f"the end of {value['who']} counts for {name}")
            self.values[state.tasks.spec(task).task_id, state.tasks.index(task)] = value

    # --- what must follow ---------------------------------------------------------------

    def audit_end(self, run: Run) -> None:
        """The run ended as its journal says, and it had a reason to."""
        if run.outstanding:
            self.fail(f"it ended with attempts outstanding: {run.attempts}")
        commands = self.state.start()
        if commands != [Finish(run.state)]:
            self.fail(f"it is {run.state}, but what follows from its journal is {commands}")
        kinds = {type(order) for order in self.orders}
        if run.state == "cancelled" and CancelRequested not in kinds:
            self.fail("it was not cancelled by a user")

    def audit_values(self) -> None:
        """Every value was made of those that count, in the order of the children."""
        for (task_id, index), value in self.values.items():
            spec = self.plan.tasks[self.plan.index[task_id]]
            for binding in spec.bindings:
                wanted = self._wanted(spec.task_id, binding, index)
                if value["read"].get(binding.parameter) != wanted:
                    self.fail(
                        f"{task_id}{list(index)} read {value['read']}, and {wanted} of "
                        f"{binding.source} count"
                    )

    def _wanted(self, task_id: str, binding: Binding, index: Index) -> Any:
        axes = self.plan.tasks[self.plan.index[task_id]].axes
        source = self.plan.tasks[self.plan.index[binding.source]]
        at = tuple(index[place] for place in aligned(axes, source.axes))
        if binding.item is not None:
            one = ListSource(binding.source, binding.path)
            place = next(n for n, axis in enumerate(axes) if one in axis.lists)
            return self.values[binding.source, at]["items"][index[place]]
        return self._nested(binding.source, at, binding.holes)

    def _nested(self, task_id: str, index: Index, holes: str) -> Any:
        axes = self.plan.tasks[self.plan.index[task_id]].axes
        if len(index) == len(axes):
            value = self.values.get((task_id, index))
            return None if value is None else value["serial"]
        one = axes[len(index)].lists[0]
        owner = self.plan.tasks[self.plan.index[one.source]]
        owned_by = tuple(index[place] for place in aligned(axes[: len(index)], owner.axes))
        made = self.values.get((one.source, owned_by))
        count = 0 if made is None else len(made["items"])  # without a list nothing is gathered
        items = [self._nested(task_id, (*index, i), holes) for i in range(count)]
        return [item for item in items if item is not None or holes != "drop"]

    def audit_ends(self) -> None:
        """All tasks and children ended as plain Python says."""
        if self.is_reopened:
            return  # what was skipped before stays so, and limits count only what ran again
        reference = Reference(self.plan, self._attempt, {})
        for task, spec in enumerate(self.plan.tasks):
            for text in self._disagreements(task, (), reference.trees[spec.task_id]):
                self.fail(text)

    def _attempt(self, task_id: str, index: Index) -> End:
        number = self.state.tasks.find(self.plan.index[task_id], index)
        if number is None:
            return End("missing")
        value = self.values.get((task_id, index))
        watches = self.plan.tasks[self.plan.index[task_id]].watches
        seen = () if value is None else tuple(_seen(value, watch.kind) for watch in watches)
        return End(TaskState(self.state.states[number]).name.lower(), seen)

    def _disagreements(self, task: int, index: Index, tree: Tree) -> Iterator[str]:
        tasks, states = self.state.tasks, self.state.states
        if isinstance(tree, list):
            for i, below in enumerate(tree):
                yield from self._disagreements(task, (*index, i), below)
            return
        number = tasks.find(task, index)
        if tree.state in ("?", "torn") or (self.state.stopping and number is None):
            return
        if number is None:
            if not index:
                number = task
            elif tree.state == "succeeded":
                yield f"{self.plan.tasks[task].task_id}{list(index)} never was there"
                return
            else:
                return
        state = TaskState(states[number]).name.lower()
        is_stopped = self.state.stopping and states[number] == CANCELLED
        if state not in MEANS.get(tree.state, (tree.state,)) and not is_stopped:
            yield f"{tasks.name(number)} is {state}, not {tree.state}"

    def audit_cleanup(self) -> None:
        """Tasks that clean up ran, unless values that they require are missing."""
        if self.state.attempt_log.cleanup_stopped:
            return
        for number, spec in enumerate(self.plan.tasks):
            if not spec.always or spec.max_failed is not None:
                continue
            units = self.state.tasks.children(number) if spec.axes else [number]
            for unit in units:
                name, state = self.state.tasks.name(unit), self.state.states[unit]
                if state not in ENDED or state == CANCELLED:
                    self.fail(f"{name} cleans up, and is {TaskState(state).name}")
                if not set(spec.needs) - set(spec.tolerant) and not self.state.attempts[unit]:
                    self.fail(f"{name} cleans up, and never ran")

    def audit_report(self, report: Any, run: Run) -> None:
        """The report tells what the journal does."""
        if report.execution_state != run.state:
            self.fail(f"it is {run.state}, and is reported as {report.execution_state}")
        for spec in self.plan.tasks:
            told = report.task_return_set.get(spec.task_id)
            wanted = self._nested(spec.task_id, (), "")
            if _serials(told) != wanted and spec.task_id in report.task_return_set:
                self.fail(f"the report has {told} of {spec.task_id}, and {wanted} count")
            if wanted is not None and not spec.axes and told is None:
                self.fail(f"the report lacks {spec.task_id}")


def _seen(value: Any, kind: str) -> int:
    return len(value["items"]) if kind == "length" else int(value["ok"])


def _serials(told: Any) -> Any:
    if isinstance(told, list):
        return [_serials(one) for one in told]
    return None if told is None else told["serial"]
