"""The commands of operators, against a real server and real processes."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from pathlib import Path
from typing import Any

import redis

from astrum.protocol.keys import Keys
from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess, wait_until
from tests.servers import Server

FLOW = """
    from astrum import task

    @task("load", queue="cpu", namespace="etl")
    def load() -> int:
        return 1
"""


def test_what_is_paused_is_shown_wherever_one_would_look(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("submit", "flow.py", "--run-id", "r", **env).returncode == 0
    done = cli("pause", "--queue", "cpu", "--task", "etl/load", "--reason", "disk is full", **env)
    assert done.returncode == 0, done.stderr
    [queue, task] = json.loads(cli("pause", "--list", "--json", **env).stdout)
    assert (queue["kind"], queue["name"], queue["reason"]) == ("queue", "cpu", "disk is full")
    assert (task["kind"], task["name"]) == ("task", "etl/load")
    [shown] = json.loads(cli("queues", "--json", **env).stdout)
    assert "is paused by" in shown["paused"]
    assert "unpause --queue cpu" in cli("queues", **env).stdout
    assert "unpause --task etl/load" in cli("runs", **env).stderr
    assert "unpause --queue cpu" in cli("workers", **env).stderr
    [unfinished] = json.loads(cli("show", "r", "--json", **env).stdout)["unfinished_tasks"]
    assert (unfinished["state"], "disk is full" in unfinished["text"]) == ("paused", True)
    again = cli("unpause", "--queue", "cpu", "--namespace", "etl", **env)
    assert (again.returncode, again.stderr) == (1, "namespace 'etl' was not paused\n")
    assert cli("unpause", "--all", **env).stdout == "nothing is paused\n"


def test_a_pause_of_what_nothing_has_names_the_nearest(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("submit", "flow.py", "--run-id", "r", **env).returncode == 0
    for option, wrong, right in (
        ("--queue", "cpus", "cpu"),
        ("--namespace", "elt", "etl"),
        ("--task", "etl/lod", "etl/load"),
    ):
        done = cli("pause", option, wrong, **env)
        assert (done.returncode, f"did you mean '{right}'?" in done.stderr) == (2, True), done
        assert "--anyway" in done.stderr
    assert cli("pause", "--task", "load", **env).returncode == 2
    assert cli("pause", **env).returncode == 2
    impossible = cli("pause", "--queue", "a:b", "--anyway", **env)
    assert (impossible.returncode, "no queue can have the name" in impossible.stderr) == (2, True)
    assert cli("pause", "--queue", "later", "--anyway", **env).returncode == 0


HELD = """
    import asyncio, os
    from astrum import task

    @task("hold", namespace="etl")
    async def hold() -> str:
        open("FOLDER/hold.began", "w").close()
        while not os.path.exists("FOLDER/hold.end"):
            await asyncio.sleep(0.02)
        return "done"
"""


def test_a_drained_worker_finishes_ends_with_0_and_is_not_started_again(
    write: Write, cli: Cli, redis_server: Server, tmp_path: Path
) -> None:
    flow = write("held.py", HELD.replace("FOLDER", str(tmp_path)))
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    options = (str(flow), "--lease", "1", "--redis", redis_server.url)
    serve = AstrumProcess("astrum_coordinator", "serve", environment=env)
    worker = AstrumProcess("astrum_worker", *options, supervised=True)
    with serve, worker:
        assert cli("submit", str(flow), "--run-id", "r", **env).returncode == 0
        wait_until((tmp_path / "hold.began").exists, "the task's begin")

        def seen() -> dict[str, Any]:
            [live] = json.loads(cli("workers", "--json", **env).stdout)
            return dict(live)

        wait_until(lambda: bool(seen()["status"]["running"]), "the task in the worker's status")
        live = seen()
        [run] = json.loads(cli("runs", "--json", **env).stdout)
        assert run["needs"] == {**live["versions"]["etl"], "versions": "compatible"}
        assert (run["paused"], live["drain"]) == ("", None)
        wrong = cli("drain", "x" + live["worker_id"], **env)
        assert (wrong.returncode, live["worker_id"] in wrong.stderr) == (2, True), wrong
        done = cli("drain", live["worker_id"][:-4], **env)
        assert (done.returncode, "runs 1 attempt" in done.stderr) == (0, True), done
        wait_until(lambda: "this worker drains, as" in worker.output, "the drain")
        (tmp_path / "hold.end").touch()
        assert worker.wait() == 0
        report = json.loads(cli("wait", "r", "--json", **env).stdout)
        assert "another one starts" not in worker.output
    assert report["task_return_set"] == {"hold": "done"}


def test_dead_letters_are_listed_shown_and_cleared(cli: Cli, redis_server: Server) -> None:
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("dead", **env).stdout.startswith("no dead letters")
    with redis.Redis.from_url(redis_server.url, protocol=2) as client:
        told = {"d": b"\xff\x00\x1b[2J", "s": b"", "reason": "why", "stream": "q", "entry": "9-0"}
        letter = client.xadd(Keys().dead_letters, told).decode()
        client.pexpire(Keys().dead_letters, 60_000)
    assert letter in cli("dead", **env).stdout
    shown = cli("dead", letter, **env).stdout
    assert "ff 00 1b 5b 32 4a" in shown
    assert "q, entry 9-0" in shown
    assert "\x1b" not in shown
    wrong = cli("dead", "1-0", "--clear", **env)
    assert (wrong.returncode, "no dead letter has the id" in wrong.stderr) == (2, True)
    [told_json] = json.loads(cli("dead", "--clear", "--json", **env).stdout)
    assert (told_json["letter_id"], told_json["reason"]) == (letter, "why")
    assert json.loads(cli("dead", "--json", **env).stdout) == []


def test_a_run_is_forgotten_only_after_its_end(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("submit", "flow.py", "--run-id", "open", **env).returncode == 0
    ran = cli("run", "flow.py", "--workers", "1", "--run-id", "over", ASTRUM_QUEUE="cpu", **env)
    assert ran.returncode == 0, ran.stderr
    refused = cli("forget", "over", "open", **env)
    assert (refused.returncode, "`cancel open` ends it" in refused.stderr) == (1, True), refused
    assert "no coordinator leads it" in refused.stderr
    unknown = cli("forget", "ovr", **env)
    assert (unknown.returncode, "did you mean 'over'?" in unknown.stderr) == (2, True)
    [told] = json.loads(cli("forget", "over", "--json", **env).stdout)
    assert (told["run_id"], told["state"]) == ("over", "completed")
    assert [run["run_id"] for run in json.loads(cli("runs", "--json", **env).stdout)] == ["open"]
    with redis.Redis.from_url(redis_server.url, protocol=2) as client:
        assert list(client.scan_iter("*over*")) == []


def get(address: str) -> Any:
    with urllib.request.urlopen(address, timeout=10) as answer:
        return json.load(answer)


def test_an_autoscaler_reads_the_demand_of_a_queue_without_any_worker(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", FLOW)
    env = {"ASTRUM_REDIS_URL": redis_server.url}
    assert cli("submit", "flow.py", "--run-id", "r", **env).returncode == 0
    options = ("serve", "--http", "127.0.0.1:0")
    with AstrumProcess("astrum_coordinator", *options, environment=env) as serve:
        wait_until(lambda: "answering on " in serve.output, "the address")
        [address] = re.findall(r"answering on (\S+)/queues", serve.output)
        wait_until(lambda: get(f"{address}/queues/cpu")["demand"] == 1, "the backlog")
        assert get(f"{address}/queues/cpu")["backlog"] == 1
        assert get(f"{address}/queues/other")["demand"] == 0
        [listed] = get(f"{address}/queues")
        [printed] = json.loads(cli("queues", "--json", **env).stdout)
        assert listed.keys() == printed.keys()
        assert (printed["backlog"], printed["demand"]) == (1, 1)
        taken = cli("serve", "--http", address.removeprefix("http://"), **env)
        assert taken.returncode == 2, taken
        assert "address already in use; give a free port" in taken.stderr
        serve.send(signal.SIGTERM)
        assert serve.wait() == 0
    assert cli("serve", "--http", "8080", **env).returncode == 2


def test_a_run_is_kept_for_its_own_time_or_for_that_of_the_serving_coordinator(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    flow = str(write("flow.py", FLOW))
    env = {"ASTRUM_REDIS_URL": redis_server.url, "ASTRUM_QUEUE": "cpu"}
    assert cli("submit", flow, "--run-id", "own", "--result-ttl", "2h", **env).returncode == 0
    assert cli("submit", flow, "--run-id", "theirs", **env).returncode == 0
    serve = AstrumProcess("astrum_coordinator", "serve", "--result-ttl", "15m", environment=env)
    with serve, AstrumProcess("astrum_worker", flow, environment=env):
        for run_id in ("own", "theirs"):
            assert cli("wait", run_id, **env).returncode == 0
    ran = cli("run", flow, "--workers", "1", "--run-id", "ran", "--result-ttl", "3h", **env)
    assert ran.returncode == 0, ran.stderr
    with redis.Redis.from_url(redis_server.url, protocol=2) as client:
        lives = {run_id: client.ttl(Keys().run(run_id)) for run_id in ("own", "theirs", "ran")}
    for run_id, life_s in {"own": 7200, "theirs": 900, "ran": 10_800}.items():
        assert life_s - 60 < lives[run_id] <= life_s, lives
    assert cli("run", flow, "--local", "--result-ttl", "1h").returncode == 2
    assert cli("submit", flow, "--result-ttl", "soon", **env).returncode == 2
