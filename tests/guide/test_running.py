"""Looking at a plan before it runs, failures and retries, configuration."""

import pytest

from astrum import task


@pytest.fixture
def greeting() -> None:
    @task("load_user")
    async def load_user() -> dict:
        return {"name": "Alice"}

    @task("greet", depends_on=["load_user"])
    async def greet() -> str:
        return "hello"


@pytest.mark.usefixtures("greeting")
async def test_inspect_the_execution_plan(capsys: pytest.CaptureFixture[str]) -> None:
    from astrum import build_scheduler

    scheduler = build_scheduler(target_tasks=["greet"])
    plan = scheduler.get_execute_timeline()
    print(plan.get_visualization_table())

    report = await scheduler.execute()

    assert [stage.start_tasks for stage in plan.stages] == [["load_user"], ["greet"]]
    assert "load_user" in capsys.readouterr().out
    assert report.execution_state == "completed"


async def test_retries_and_failures(capsys: pytest.CaptureFixture[str]) -> None:
    from astrum import run, task

    attempts = []

    @task("flaky", retry=2)
    async def flaky() -> None:
        attempts.append(1)
        if len(attempts) < 3:
            raise ConnectionError("not yet")

    report = await run(target_tasks=["flaky"])
    for stat in report.task_statistics:
        print(stat.task_name, stat.status, stat.attempt_count)

    assert capsys.readouterr().out == "flaky completed 3\n"


async def test_a_task_that_ultimately_fails_is_explained_in_the_error_summary() -> None:
    from astrum import run, task

    @task("flaky", retry=2)
    async def flaky() -> None:
        raise ConnectionError("never")

    report = await run(target_tasks=["flaky"])

    assert report.execution_state == "failed"
    assert [stat.attempt_count for stat in report.task_statistics] == [3]
    text = "\n".join(report.error_summary)
    assert "flaky" in text
    assert "ConnectionError: never" in text


@pytest.mark.usefixtures("greeting")
async def test_configuration() -> None:
    from astrum import AstrumConfig, run

    report = await run(
        target_tasks=["greet"],
        config=AstrumConfig(
            concurrency_limit=4,
            silence=True,
            visualize=False,
            skip_type_check=True,
        ),
    )

    assert report.task_return_set["greet"] == "hello"
