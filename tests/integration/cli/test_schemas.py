"""What commands print for programs in several states of a real pool, against ``docs/schemas``."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from click.testing import CliRunner

from astrum_coordinator.cli import main
from tests.processes import AstrumProcess, wait_until
from tests.schemas import SCHEMAS, check
from tests.servers import RedisServer

FLOW = """
    import pathlib, time
    from astrum import Each, F, Input, Ref, RetryPolicy, task, use_namespace
    from typing import Annotated

    GATE = pathlib.Path(__file__).with_name("gate")
    with use_namespace("schemas_open"):
        @task("numbers")
        def numbers(count: Annotated[int, Input()] = 3) -> list[int]:
            return list(range(count))

        @task("double")
        def double(n: Annotated[int, Each(F("numbers"))]) -> int: return 2 * n

        @task("waits", retry=RetryPolicy(max_retries=2))
        def waits() -> int:
            while not GATE.exists():
                time.sleep(0.01)
            return 1

        @task("fails", retry=RetryPolicy(max_retries=3, delay=300.0))
        def fails() -> int: raise ValueError("\\x1b[31m</script>")

        @task("elsewhere", queue="nowhere")
        def elsewhere() -> int: return 1
"""
DONE = """
    import dataclasses, datetime, math
    from astrum import task, use_namespace

    @dataclasses.dataclass
    class Order:
        count: int
        at: datetime.date

    with use_namespace("schemas_done"):
        @task("order")
        def order() -> Order: return Order(3, datetime.date(2026, 1, 2))

        @task("odd")
        def odd() -> dict: return {"nan": math.nan, "bytes": b"x", 1: {2, 3}, "none": None}

    with use_namespace("schemas_failed"):
        @task("bad")
        def bad() -> int: raise ValueError("no row")

        @task("later", depends_on=["bad"])
        def later() -> int: return 1
"""

Ask = Callable[..., Any]


def invoke(url: str, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, [*arguments, "--redis", url])
    assert done.exit_code == code, (arguments, done.output, done.exception)
    return done.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("schemas")
    (folder / "schemas_open.py").write_text(textwrap.dedent(FLOW))
    (folder / "schemas_done.py").write_text(textwrap.dedent(DONE))
    return folder


@pytest.fixture(scope="module")
def url(folder: Path) -> Iterator[str]:
    """A pool with a worker and a coordinator; one run that goes on, one that completed, failed,
    waits for its time, each, and a dead letter.
    """
    flow, done = str(folder / "schemas_open.py"), str(folder / "schemas_done.py")
    with ExitStack() as stack:
        server = stack.enter_context(RedisServer())
        environment = {"ASTRUM_REDIS_URL": server.url, "PYTHONPATH": str(folder)}
        start = [("astrum_worker", flow, done), ("astrum_coordinator", "serve")]
        for module, *arguments in start:
            stack.enter_context(AstrumProcess(module, *arguments, environment=environment))
        submit = ("submit", flow, "-n", "schemas_open", "--label", "team=data")
        invoke(server.url, *submit, "--run-id", "open", "--unserved-limit", "none")
        invoke(server.url, *submit, "--run-id", "delayed", "--delay", "1h")
        for name in ("done", "failed"):
            invoke(server.url, "submit", done, "-n", f"schemas_{name}", "--run-id", name)
        invoke(server.url, "publish", done, "-n", "schemas_done")
        invoke(server.url, "pause", "--task", "schemas_open/elsewhere", "--reason", "why")

        def is_under_way() -> bool:
            runs = json.loads(invoke(server.url, "runs", "--json"))
            shown = json.loads(invoke(server.url, "show", "open", "--json"))
            states = {one["task_id"]: one["state"] for one in shown["unfinished_tasks"]}
            return (
                {run["run_id"]: run["state"] for run in runs}
                == {"open": "open", "delayed": "open", "done": "completed", "failed": "failed"}
                and (states.get("waits"), states.get("fails")) == ("running", "retrying")
                and any(run["is_retrying"] for run in runs)
            )

        wait_until(is_under_way, "the runs being in their states")
        with server.client() as client:
            stream = next(iter(client.scan_iter("*:q:default:t:*")))
            client.xadd(stream, {"d": b"\xc1 no message"})
        wait_until(lambda: "[]" not in invoke(server.url, "dead", "--json"), "a dead letter")
        yield server.url
        (folder / "gate").touch()


@pytest.fixture
def ask(url: str) -> Ask:
    def answer(*arguments: str, code: int = 0) -> Any:
        return json.loads(invoke(url, *arguments, code=code))

    return answer


def test_every_schema_is_valid_and_linked() -> None:
    outputs = (SCHEMAS.parent / "outputs.md").read_text()
    for path in SCHEMAS.glob("*.json"):
        jsonschema.Draft202012Validator.check_schema(json.loads(path.read_text()))
        assert f"schemas/{path.name}" in outputs


def test_questions_about_the_pool(ask: Ask) -> None:
    for name in ("workers", "queues", "coordinators", "flows", "dead"):
        answer = ask(name, "--json")
        check(name, answer)
        assert answer, name
    check("pause", ask("pause", "--list", "--json"))
    with pytest.raises(jsonschema.ValidationError):
        check("workers", [{**ask("workers", "--json")[0], "new": 1}])


def test_the_list_of_runs(ask: Ask) -> None:
    answer = ask("runs", "--json")
    check("runs", answer)
    found = {run["run_id"]: run for run in answer if not run["run_id"].startswith("own-")}
    assert {run_id: run["status"] for run_id, run in found.items()} == {
        "open": "running",
        "delayed": "delayed",
        "done": "completed",
        "failed": "failed",
    }
    assert found["open"]["is_retrying"]
    assert found["open"]["labels"] == {"team": "data"}
    chosen = {
        ("--state", "retrying"): ["open"],
        ("--state", "failed", "--state", "delayed", "--label", "team=data"): ["delayed"],
        ("--label", "team=data"): ["delayed", "open"],
        ("--flow", "schemas_done"): ["done"],
        ("--older", "1h"): [],
        ("--since", "1h", "--state", "completed"): ["done"],
    }
    for options, ids in chosen.items():
        found_ids = [run["run_id"] for run in ask("runs", "--json", *options)]
        assert sorted(found_ids) == sorted(ids), options


@pytest.mark.parametrize("run_id", ["open", "delayed", "done", "failed"])
def test_reports(ask: Ask, run_id: str) -> None:
    check("show", ask("show", run_id, "--json"))
    check("show", ask("show", run_id, "--json", "--failed"))
    if run_id in ("done", "failed"):
        code = int(run_id == "failed")
        check("show", ask("wait", run_id, "--json", code=code))
        check("watch", ask("show", run_id, "--watch", "--json"))


def test_one_task_and_one_attempt(ask: Ask) -> None:
    for task in ("fails", "double", "double[1]", "waits"):
        answer = ask("show", "open", task, "--json")
        check("show", answer)
        assert [stat["task_name"] for stat in answer["task_statistics"]] == [task]
    answer = ask("show", "open", "fails", "--attempt", "1", "--json")
    [stat] = answer["task_statistics"]
    assert [row["attempt_number"] for row in stat["attempt_statistics"]] == [1]


def test_plans(ask: Ask, folder: Path) -> None:
    for name in ("schemas_open", "schemas_done"):
        plan = ("plan", str(folder / f"{name}.py"), "-n", name, "--format", "json")
        check("plan", ask(*plan))
    answer = ask(*plan, "--from", "done")
    check("plan", answer)
    assert answer["from"]["run_id"] == "done"


def test_requests(ask: Ask, url: str, folder: Path) -> None:
    done = str(folder / "schemas_done.py")
    submit = ("submit", done, "-n", "schemas_failed", "--label", "own=1", "--run-id")
    invoke(url, *submit, "own-1")
    invoke(url, *submit, "own-2", "--delay", "1h")
    invoke(url, "wait", "own-1", code=1)
    answer = ask("cancel", "own-1", "--json", code=1)
    check("cancel", answer)
    assert answer == [{"run_id": "own-1", "is_asked": False}]
    answer = ask("retry", "own-1", "--json")
    check("retry", answer)
    assert answer["tasks"] == ["bad", "later"]
    invoke(url, "wait", "own-1", code=1)
    check("cancel", ask("cancel", "--label", "own=1", "--json"))
    invoke(url, "wait", "own-2", code=1)
    answer = ask("retry", "--label", "own=1", "--json")
    check("retry", answer)
    assert sorted(one["run_id"] for one in answer) == ["own-1", "own-2"]
    for run_id in ("own-1", "own-2"):
        invoke(url, "wait", run_id, code=1)
    assert ask("cancel", "--label", "own=1", "--json") == []
    answer = ask("forget", "--label", "own=1", "--json")
    check("forget", answer)
    assert sorted(run["run_id"] for run in answer) == ["own-1", "own-2"]
    check("pause", ask("pause", "--queue", "spare", "--anyway", "--json"))
    check("pause", ask("unpause", "--queue", "spare", "--json"))


def test_what_drains_is_described_as_the_list_of_workers_has_it(ask: Ask) -> None:
    workers = ask("workers", "--json")
    for worker in workers:
        del worker["versions"]
    check("drain", workers)


@pytest.mark.parametrize("command", ["cancel", "retry", "forget"])
def test_runs_are_named_or_chosen_and_not_both(url: str, command: str) -> None:
    assert "which runs?" in CliRunner().invoke(main, [command, "--redis", url]).stderr
    both = CliRunner().invoke(main, [command, "done", "--label", "a=b", "--redis", url])
    assert (both.exit_code, "or choose them by --label a=b, not both" in both.stderr) == (2, True)
    kinds = {"cancel": "open", "retry": "failed or cancelled", "forget": "ended"}
    none = CliRunner().invoke(main, [command, "--label", "a=b", "--redis", url])
    assert none.exit_code == 0
    assert f"no {kinds[command]} runs with --label a=b" in none.stderr
