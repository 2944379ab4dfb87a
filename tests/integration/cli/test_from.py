"""New runs that take over results of earlier ones, with real workers and fixed code."""

from __future__ import annotations

import json
from pathlib import Path

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FLOW = """
    import hashlib, pathlib, time
    from astrum import F, Input, Ref, task

    FOLDER = pathlib.Path(__file__).parent

    def note(name: str) -> None:
        with open(FOLDER / "ran", "a") as file:
            file.write(name + "\\n")

    @task("load")
    def load(day: Ref[str, Input()]) -> str:
        note("load")
        return day + "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(4_000))

    @task("count")
    def count(text: Ref[str, F("load")]) -> int:
        note("count")
        return len(text)

    @task("price")
    def price(count: Ref[int, F("count")], each: Ref[int, Input()] = 10) -> int:
        note("price")
        raise ValueError("not written yet")

    @task("send")
    def send(total: Ref[int, F("price")], text: Ref[str, F("load")]) -> str:
        note("send")
        return f"{text[:6]}: {total}"
"""
ORDERS = """
    import pathlib
    from typing import Any
    from astrum import Each, F, Input, Ref, task

    FOLDER = pathlib.Path(__file__).parent

    def note(name: str) -> None:
        with open(FOLDER / "ran", "a") as file:
            file.write(name + "\\n")

    @task("charge")
    def charge(order: Ref[dict[str, Any], Each(Input("orders"), key="id")]) -> str:
        note(order["id"])
        return f"{order['id']}: {order['amount']}"

    @task("total")
    def total(charges: Ref[list[str], F("charge")]) -> int:
        note("total")
        return len(charges)
"""
FIXED = FLOW.replace('raise ValueError("not written yet")', "return each * count")
SLOW = FIXED.replace(
    "return each", 'while not (FOLDER / "go").exists(): time.sleep(0.01)\n        return each'
)


def ran(folder: Path) -> list[str]:
    path = folder / "ran"
    lines = path.read_text().split()
    path.unlink()
    return lines


def reused(cli: Cli, run_id: str, **env: str) -> dict[str, str]:
    report = json.loads(cli("show", run_id, "--json", **env).stdout)
    stats = report["task_statistics"]
    assert report["reused_tasks"] == sum(bool(stat["reused_from"]) for stat in stats)
    return {stat["task_name"]: stat["reused_from"] for stat in stats}


def test_a_run_with_fixed_code_takes_over_what_is_still_valid(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    module = str(tmp_path / "flow.py")
    with AstrumProcess("astrum_worker", module, environment=env):
        first = cli("run", "flow.py", "--run-id", "july", "--input", "day=monday", **env)
        assert first.returncode == 1
    assert ran(tmp_path) == ["load", "count", "price"]
    write("flow.py", FIXED)
    planned = cli("plan", "flow.py", "--from", "july", "--format", "json", **env)
    assert json.loads(planned.stdout)["from"] == {
        "run_id": "july",
        "state": "failed",
        "inputs": ["day", "each"],
        "tasks": [
            {"task": "load", "taken_over": True, "reason": None},
            {"task": "count", "taken_over": True, "reason": None},
            {"task": "price", "taken_over": False, "reason": "it failed in run july"},
            {"task": "send", "taken_over": False, "reason": "it did not run in run july"},
        ],
    }
    text = cli("plan", "flow.py", "--from", "july", **env)
    assert (text.returncode, "it failed in run july" in text.stdout) == (0, True)
    other = cli("plan", "flow.py", "--from", "july", "--input", "day=tuesday", **env)
    assert "the input 'day' has another value" in other.stdout
    assert "it needs 'load', which runs" in other.stdout
    with AstrumProcess("astrum_worker", module, environment=env):
        done = cli("run", "flow.py", "--run-id", "new", "--from", "july", **env)
        assert done.returncode == 0, done.stderr
        assert "2 of 4 tasks are taken over from run july" in done.stderr
        assert "inputs from run july: 'day', 'each'" in done.stderr
        assert "task 'price' runs: it failed in run july" in done.stderr
        assert cli("forget", "july", "--yes", **env).returncode == 0
    assert ran(tmp_path) == ["price", "send"]
    names = {"load": "july", "count": "july", "price": "", "send": ""}
    assert reused(cli, "new", **env) == names
    shown = cli("show", "new", **env)
    assert "from run july" in shown.stdout, shown.stdout
    assert "(2 taken over)" in done.stderr, done.stderr
    report = json.loads(cli("show", "new", "--json", **env).stdout)
    assert report["task_return_set"]["send"] == "monday: 2560060"
    assert len(report["task_return_set"]["load"]) == 256_006


def test_a_new_run_outlives_its_leader_and_the_earlier_run(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    module = str(tmp_path / "flow.py")
    with AstrumProcess("astrum_worker", module, environment=env):
        assert cli("run", "flow.py", "--run-id", "july", "--input", "day=monday", **env).returncode
    ran(tmp_path)
    write("flow.py", SLOW)
    with AstrumProcess("astrum_worker", module, environment=env):
        with AstrumProcess("astrum_coordinator", "serve", environment=env) as first:
            done = cli("submit", "flow.py", "--run-id", "new", "--from", "july", **env)
            assert (done.stdout, done.returncode) == ("new\n", 0), done.stderr
            wait_until(lambda: (tmp_path / "ran").exists(), "the first task to run")
            first.kill()
        assert cli("forget", "july", "--yes", **env).returncode == 0
        gone = cli("run", "flow.py", "--from", "july", **env)
        assert (gone.returncode, "no run has the id 'july'" in gone.stderr) == (2, True), (
            gone.stderr
        )
        (tmp_path / "go").touch()
        with AstrumProcess("astrum_coordinator", "serve", environment=env):
            assert cli("wait", "new", "--timeout", "40", **env).returncode == 0
    assert ran(tmp_path) == ["price", "send"]
    report = json.loads(cli("show", "new", "--json", **env).stdout)
    assert report["task_return_set"]["send"] == "monday: 2560060"


def test_of_a_changed_list_only_new_and_changed_elements_run(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", ORDERS)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    with AstrumProcess("astrum_worker", str(tmp_path / "flow.py"), environment=env):
        first = cli("run", "flow.py", "--run-id", "one", "--input", orders(A=1, B=2, C=3), **env)
        assert first.returncode == 0, first.stderr
        assert sorted(ran(tmp_path)) == ["A", "B", "C", "total"]
        changed = ["--input", orders(D=4, C=3, B=20, A=1)]
        planned = cli("plan", "flow.py", "--from", "one", *changed, "--format", "json", **env)
        reasons = {
            row["task"]: row["reason"] for row in json.loads(planned.stdout)["from"]["tasks"]
        }
        assert reasons["charge"].startswith("2 of its 4 children run; of 'charge[0]': its element")
        second = cli("run", "flow.py", "--run-id", "two", "--from", "one", *changed, **env)
        assert second.returncode == 0, second.stderr
        assert sorted(ran(tmp_path)) == ["B", "D", "total"]
        report = json.loads(cli("show", "two", "--json", **env).stdout)
        assert report["task_return_set"]["charge"] == ["D: 4", "C: 3", "B: 20", "A: 1"]
        again = ["--from", "two", "--again", "charge[A]"]
        assert cli("run", "flow.py", "--run-id", "three", *again, **env).returncode == 0
        assert sorted(ran(tmp_path)) == ["A", "total"]
        unknown = cli("run", "flow.py", "--from", "two", "--again", "charge[X]", **env)
        assert unknown.returncode == 2
        assert "has no task 'charge[X]': task 'charge' has 4 children" in unknown.stderr


def orders(**amounts: int) -> str:
    rows = [{"id": name, "amount": amount} for name, amount in amounts.items()]
    return f"orders={json.dumps(rows)}"


def test_what_cannot_be_taken_over_is_one_sentence_and_starts_nothing(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    write("flow.py", FLOW)
    write("other.py", FLOW.replace('@task("', '@task(namespace="other", task_id="'))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert (
        cli("submit", "flow.py", "--run-id", "july", "--input", "day=monday", **env).returncode == 0
    )

    def refused(*arguments: str) -> str:
        done = cli("submit", *arguments, **env)
        assert (done.returncode, done.stdout) == (2, ""), done.stderr
        return done.stderr.strip()

    assert "did you mean 'july'" in refused("flow.py", "--from", "jluy")
    assert "of flow 'default' and this is 'other'" in refused("other.py", "--from", "july")
    trust = refused("flow.py", "--from", "july", "--trust", "cont")
    assert "trust: this flow has no task 'cont'; did you mean 'count'" in trust
    again = refused("flow.py", "--from", "july", "--again", "prise")
    assert "again: this flow has no task 'prise'; did you mean 'price'" in again
    both = refused("flow.py", "--from", "july", "--again", "price", "--trust", "price")
    assert "'price' is both" in both
    assert "name it by --from" in refused("flow.py", "--again", "price", "--input", "day=x")
    wrong = refused("flow.py", "--from", "july", "--input", "each=x", "--input", "dey=y")
    assert "expected int" in wrong
    assert "did you mean 'day'" in wrong
    local = cli("run", "flow.py", "--from", "july", "--local", **env)
    assert (local.returncode, "--local" in local.stderr) == (2, True)
    private = cli("run", "flow.py", "--from", "july")
    assert (private.returncode, "name that server" in private.stderr) == (2, True)
    assert cli("plan", "flow.py", "--from", "july").returncode == 2
    runs = json.loads(cli("runs", "--json", **env).stdout)
    assert [run["run_id"] for run in runs] == ["july"]
    with redis_server.client() as client:
        assert not [key for key in client.scan_iter() if b"seeds" in key]
