"""The output of tasks comes out where they wrote it, also from local workers, and nothing else."""

from __future__ import annotations

import signal

import pytest

from tests.integration.cli.conftest import Cli, Write
from tests.processes import AstrumProcess
from tests.servers import Server

TALKING = """
    import logging, sys
    from astrum import task

    @task("talk")
    def talk() -> None:
        print("to standard output")
        print("to standard error", file=sys.stderr)
        logging.getLogger("mine").warning("a record of the user's own")
"""


@pytest.mark.parametrize("place", [["--local"], ["--workers", "1"]], ids=["local", "workers"])
def test_the_prints_and_logs_of_a_task_are_shown(write: Write, cli: Cli, place: list[str]) -> None:
    write("flow.py", TALKING)
    done = cli("run", "flow.py", "-q", *place)
    assert (done.returncode, done.stdout) == (0, "to standard output\n")
    printed, logged = done.stderr.splitlines()
    assert printed == "to standard error"
    assert " WARNING mine" in logged
    assert logged.endswith("task 'talk', attempt 1: a record of the user's own")


PRINTING = """
    from astrum import Each, Ref, task

    @task("items", namespace="whole_prints")
    def items() -> list[int]:
        return list(range(40))

    @task("tell", namespace="whole_prints")
    def tell(item: Ref[int, Each("items")]) -> None:
        for number in range(20):
            print("item", item, "line", number)
"""
WANTED = sorted(f"item {item} line {number}" for item in range(40) for number in range(20))
UNBUFFERED = {"PYTHONUNBUFFERED": "1"}  # as in containers
ON_A_PRIVATE_SERVER = ["--embedded", "--workers", "1"]


@pytest.mark.parametrize("env", [{}, UNBUFFERED], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("place", [["--local"], ON_A_PRIVATE_SERVER], ids=["local", "private"])
def test_what_many_threads_print_is_whole_lines(
    write: Write, cli: Cli, place: list[str], env: dict[str, str]
) -> None:
    write("flow.py", PRINTING)
    done = cli("run", "flow.py", "-q", *place, ASTRUM_THREADS="8", **env)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == WANTED


def test_what_workers_beside_the_run_print_is_whole_lines(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    write("flow.py", PRINTING)
    done = cli("run", "flow.py", "-q", "--redis", redis_server.url, "--workers", "2")
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == WANTED


def test_what_the_processes_of_a_worker_print_is_whole_lines(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    path = write("flow.py", PRINTING)
    options = ("--processes", "2", "--threads", "8", "--log-level", "error")
    command = ("astrum_worker", str(path), "--redis", redis_server.url, *options)
    with AstrumProcess(*command, environment=UNBUFFERED) as worker:
        done = cli("run", "flow.py", "-q", "--redis", redis_server.url)
        assert done.returncode == 0, done.stderr
        assert sorted(worker.output.splitlines()) == WANTED  # before it ends
        worker.send(signal.SIGTERM)
        worker.wait()


def test_a_worker_logs_each_attempt_that_fails(
    write: Write, cli: Cli, redis_server: Server
) -> None:
    path = write(
        "flow.py",
        """
        from astrum import task

        @task("boom", retry=1)
        def boom() -> None:
            raise RuntimeError("bad thing")
        """,
    )
    with AstrumProcess("astrum_worker", str(path), "--redis", redis_server.url) as worker:
        done = cli("run", "flow.py", "--redis", redis_server.url, "--run-id", "r1")
        assert done.returncode == 1
        for attempt in (1, 2):
            told = f"run r1: task 'boom' attempt {attempt} failed: RuntimeError: bad thing"
            assert told in worker.output
        worker.send(signal.SIGTERM)
        worker.wait()


def test_a_worker_that_cannot_start_prints_the_reason_once(write: Write, cli: Cli) -> None:
    write(
        "flow.py",
        """
        import sys
        from astrum import task

        if "astrum_worker" in sys.argv[0]:
            raise RuntimeError("not here")

        @task("a")
        def a() -> None: ...
        """,
    )
    done = cli("run", "flow.py", "--workers", "1")
    assert done.returncode == 1
    assert done.stderr.count("RuntimeError: not here\n") == 1
    assert "a local worker ended with exit code 2 before it served" in done.stderr
