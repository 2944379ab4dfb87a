"""Passing data between tasks: annotations, and explicit TaskData."""

import pytest


async def test_annotation_driven_data_transport() -> None:
    from astrum import AstrumConfig, F, Ref, run, task

    @task("load_order")
    async def load_order() -> dict:
        return {"order_id": "A-001", "amount": 128}

    @task("format_order")
    async def format_order(
        order_id: Ref[str, F("load_order", "order_id")],
        amount: Ref[int, F("load_order", "amount")],
    ) -> dict:
        return {"message": f"order {order_id}: ${amount}"}

    report = await run(
        target_tasks=["format_order"],
        config=AstrumConfig(skip_type_check=True),
    )

    assert report.task_return_set["format_order"] == {"message": "order A-001: $128"}


async def test_common_locators() -> None:
    from astrum import F, Ref, run, task

    @task("source")
    async def source() -> dict:
        return {"name": "Alice", "rows": [7, 8]}

    @task("rows")
    async def rows(found: Ref[list, F("source", "rows")]) -> list:
        return found

    @task("read")
    async def read(
        name: Ref[str, F("source", "name")],
        first: Ref[int, F("rows", 0)],
        everything: Ref[dict, F("source")],
    ) -> list:
        return [name, first, everything]

    report = await run(target_tasks=["read"])

    assert report.task_return_set["read"] == ["Alice", 7, {"name": "Alice", "rows": [7, 8]}]


async def test_explicit_task_data(capsys: pytest.CaptureFixture[str]) -> None:
    from astrum import AstrumConfig, run, task
    from astrum.data_transport import DataItem, DTRela, TaskData

    @task("load_user", data=TaskData())
    async def load_user() -> dict:
        return {"name": "Alice"}

    @task(
        "greet",
        data=TaskData(
            input_data_item=[
                DataItem(
                    allow_data_model=str,
                    from_relation=DTRela(key="name", related_task="load_user"),
                    to_relation=DTRela(key="name", related_task="greet"),
                )
            ]
        ),
    )
    async def greet(name: str) -> None:
        print(f"hello {name}")

    report = await run(
        target_tasks=["greet"],
        config=AstrumConfig(skip_type_check=True),
    )

    assert report.execution_state == "completed"
    assert capsys.readouterr().out == "hello Alice\n"
