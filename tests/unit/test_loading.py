"""Finding flows in modules and files, and errors that say why one cannot be loaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from astrum import AstrumConfig, DynamicScheduler, TaskOrder
from astrum.errors import FlowImportError, TaskRegistrationError
from astrum.flow.loading import Workflow, flows, load_workflows
from astrum.flow.registry import SchedulerRegistry, clear_registry

Write = Callable[[str, str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Writes modules into the current folder; afterwards they are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    clear_registry()

    def write(name: str, source: str) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]
    clear_registry()


REGISTRY = """
from astrum import SchedulerRegistry
billing = SchedulerRegistry({name!r})

@billing.task({task!r})
async def one() -> int:
    return 1
"""


def test_namespaces_registries_and_schedulers_are_found(write: Write) -> None:
    write(
        "found_flow.py",
        "from astrum import DynamicScheduler, SchedulerRegistry, TaskOrder, task\n"
        "@task('a', namespace='space')\nasync def a(): ...\n"
        "billing = SchedulerRegistry('bills')\n"
        "@billing.task('b')\nasync def b(): ...\n"
        "async def c(): ...\n"
        "hand_made = DynamicScheduler([('c', c)], [TaskOrder('c')])\n",
    )
    found = flows(["found_flow"])
    assert {name: list(w.servable()[0].tasks) for name, w in found.items()} == {
        "bills": ["b"],
        "hand_made": ["c"],
        "space": ["a"],
    }
    assert found["hand_made"].namespace == "default"
    assert all(spec.fingerprint for spec in found["bills"].servable()[0].plan.tasks)


def test_an_attribute_narrows_it_down(write: Write) -> None:
    write("narrow_flow.py", REGISTRY.format(name="x", task="t") + "other = SchedulerRegistry('y')")
    assert list(flows(["narrow_flow.py:billing"])) == ["x"]


def test_a_file_of_a_package_has_the_name_that_it_has_there(write: Write) -> None:
    write("pack/__init__.py", "")
    write("pack/inner.py", REGISTRY.format(name="x", task="t"))
    [by_path] = load_workflows(["pack/inner.py"])
    [by_name] = load_workflows(["pack.inner"])
    assert by_path.source is by_name.source
    assert "pack.inner" in sys.modules


def test_a_file_called_like_a_standard_module_is_loaded_all_the_same(write: Write) -> None:
    write("json.py", REGISTRY.format(name="x", task="t"))
    assert list(flows(["json.py"])) == ["x"]
    import json

    assert json.loads("1") == 1


def test_two_functions_at_one_address_are_refused(write: Write) -> None:
    write("first_flow.py", REGISTRY.format(name="x", task="t"))
    write("second_flow.py", REGISTRY.format(name="x", task="t"))
    with pytest.raises(TaskRegistrationError, match="'t' of namespace 'x' is declared by two"):
        load_workflows(["first_flow", "second_flow"])


def test_a_scheduler_built_from_a_registry_is_not_a_conflict(write: Write) -> None:
    source = REGISTRY.format(name="x", task="t") + "ready = billing.build_scheduler()\n"
    write("built_flow.py", source)
    assert len(load_workflows(["built_flow"])) == 2


def test_instance_methods_are_left_to_the_process_that_has_the_instance(write: Write) -> None:
    write(
        "method_flow.py",
        "from astrum import task, Ref, F\n"
        "class Shop:\n"
        "    @task('open')\n    async def open(self) -> dict: ...\n"
        "    @task('close')\n    @staticmethod\n"
        "    async def close(door: Ref[str, F('open', 'door')]) -> None: ...\n",
    )
    [workflow] = load_workflows(["method_flow"])
    flow, unbound = workflow.servable()
    assert unbound == ["open"]
    assert list(flow.tasks) == ["close"]
    assert flow.tasks["close"].inputs.bindings[0].source == "open"


def test_of_several_flows_the_one_that_cannot_be_served_is_named_with_its_file(
    write: Write,
) -> None:
    path = write(
        "odd_flow.py",
        REGISTRY.format(name="good", task="t")
        + "odd = SchedulerRegistry('odd')\n"
        + "@odd.task('g', depends_on=['g'])\nasync def g() -> None: ...\n",
    )
    [good, odd] = load_workflows(["odd_flow"])
    assert good.servable()
    with pytest.raises(FlowImportError) as caught:
        odd.servable()
    assert f"namespace 'odd' of {path} cannot be served" in str(caught.value)
    assert "g -> g" in str(caught.value)


@pytest.mark.parametrize(
    ("module", "message"),
    [
        ("flowz", "no module 'flowz'.*did you mean 'flows_here'"),
        ("flows_heer.py", "no file flows_heer.py; did you mean 'flows_here.py'"),
        ("flows_here:biling", "no 'biling'; did you mean 'billing'"),
        ("flows_here:SchedulerRegistry", "is a type, not a SchedulerRegistry"),
        ("nowhere.at.all", "no module 'nowhere.at.all'"),
    ],
)
def test_a_missing_name_is_reported_with_the_nearest_one(
    write: Write, module: str, message: str
) -> None:
    write("flows_here.py", REGISTRY.format(name="x", task="t"))
    with pytest.raises(FlowImportError, match=message):
        load_workflows([module])


@pytest.mark.parametrize("module", ["raising_flow", "raising_flow.py"])
def test_a_module_that_raises_shows_the_users_frames_only(write: Write, module: str) -> None:
    write("deeper.py", "def f():\n    raise OSError('no disk')\n")
    write("raising_flow.py", "import deeper\ndeeper.f()\n")
    with pytest.raises(FlowImportError, match="OSError: no disk") as caught:
        load_workflows([module])
    lines = [line for line in caught.value.user_traceback.splitlines() if "File " in line]
    assert ["raising_flow.py" in lines[0], "deeper.py" in lines[1], len(lines)] == [True, True, 2]
    assert "raising_flow" not in sys.modules


def test_a_missing_dependency_of_a_module_is_not_the_module_missing(write: Write) -> None:
    write("needy_flow.py", "import nobody_has_this\n")
    with pytest.raises(FlowImportError, match="No module named 'nobody_has_this'") as caught:
        load_workflows(["needy_flow"])
    assert "import nobody_has_this" in caught.value.user_traceback


def test_a_module_that_exits_is_an_import_error(write: Write) -> None:
    write("exiting_flow.py", "raise SystemExit(3)\n")
    with pytest.raises(FlowImportError, match="SystemExit: 3"):
        load_workflows(["exiting_flow"])


def test_a_worker_serves_the_other_tasks_beside_one_that_cannot_run() -> None:
    registry = SchedulerRegistry("beside")
    registry.task("good")(lambda: 1)
    registry.task("unfilled")(lambda number: number)
    flow, only_elsewhere = Workflow("beside", registry).servable()
    assert set(flow.tasks) == {"good", "unfilled"}
    assert only_elsewhere == []


def test_a_module_that_is_missing_is_named_where_the_current_folder_was_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(FlowImportError, match=r"no module 'nowhere_at_all'.*folder that was"):
        load_workflows(["nowhere_at_all"])


def test_a_run_without_type_checks_leaves_the_users_scheduler_as_it_is() -> None:
    def work() -> None: ...

    own = DynamicScheduler([("work", work)], [TaskOrder("work")])
    checked = own.flow()
    other = Workflow("own", own).scheduler(None, AstrumConfig(skip_type_check=True))
    assert not other.flow().plan.check_types
    assert not own.config.skip_type_check
    assert own.flow().plan is checked.plan
    assert checked.plan.check_types


def test_a_run_that_keeps_going_leaves_the_users_scheduler_as_it_is() -> None:
    def work() -> None: ...

    own = DynamicScheduler([("work", work)], [TaskOrder("work")])
    stopped = own.flow()
    going = Workflow("own", own).scheduler(None, AstrumConfig(on_failure="continue"))
    assert going.flow().plan.tasks[0].on_failure == "continue"
    assert own.flow().plan is stopped.plan
    assert stopped.plan.tasks[0].on_failure == "stop"
