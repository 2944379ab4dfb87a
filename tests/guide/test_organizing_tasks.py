"""Organizing tasks: decorators, namespaces, explicit registries, hand-made graphs."""

import pytest


async def test_module_level_task(capsys: pytest.CaptureFixture[str]) -> None:
    from astrum import run, task

    @task("extract")
    async def extract() -> dict:
        return {"rows": 100}

    @task("load", depends_on=["extract"])
    async def load() -> None:
        print("loaded")

    report = await run(target_tasks=["load"])

    assert report.execution_state == "completed"
    assert report.task_return_set == {"extract": {"rows": 100}, "load": None}
    assert capsys.readouterr().out == "loaded\n"


async def test_direct_namespace() -> None:
    from astrum import clear_registry, get_registry, run, task

    @task("extract", namespace="daily_report")
    async def extract() -> None: ...

    @task("load", depends_on=["extract"], namespace="daily_report")
    async def load() -> None: ...

    report = await run(target_tasks=["load"], namespace="daily_report")
    clear_registry("daily_report")

    assert report.successful_tasks == 2
    assert get_registry("daily_report").get_all_tasks() == {}


async def test_with_use_namespace() -> None:
    from astrum import run, task, use_namespace

    with use_namespace("analytics"):

        @task("load_csv")
        async def load_csv() -> None: ...

        @task("clean_csv", depends_on=["load_csv"])
        async def clean_csv() -> None: ...

    report = await run(target_tasks=["clean_csv"], namespace="analytics")

    assert list(report.original_tasks) == ["load_csv", "clean_csv"]
    assert report.execution_state == "completed"


async def test_scheduler_registry(capsys: pytest.CaptureFixture[str]) -> None:
    from astrum import SchedulerRegistry

    workflow = SchedulerRegistry("billing")

    @workflow.task("fetch_invoice")
    async def fetch_invoice() -> dict:
        return {"invoice_id": "INV-001"}

    @workflow.task("send_invoice", depends_on=["fetch_invoice"])
    async def send_invoice() -> None:
        print("sent")

    report = await workflow.run(target_tasks=["send_invoice"])

    assert report.execution_state == "completed"
    assert capsys.readouterr().out == "sent\n"


async def test_manual_dags() -> None:
    from astrum import DynamicScheduler, TaskOrder

    async def extract() -> None: ...

    async def load() -> None: ...

    extract_order = TaskOrder("extract")
    load_order = TaskOrder("load", dependencies=[extract_order])

    scheduler = DynamicScheduler(
        tasks=[("extract", extract), ("load", load)],
        task_order=[extract_order, load_order],
    )

    report = await scheduler.execute()

    assert report.execution_state == "completed"
    assert report.original_tasks == {"extract": [], "load": ["extract"]}


async def test_a_coroutine_object_instead_of_a_function_is_refused() -> None:
    from astrum import DynamicScheduler, TaskOrder

    async def extract() -> None: ...

    with pytest.raises(TypeError, match="without calling it"):
        DynamicScheduler(
            tasks=[("extract", extract())],  # type: ignore[list-item] # the mistake
            task_order=[TaskOrder("extract")],
        )
