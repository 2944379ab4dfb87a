"""``run --local``: tasks that fork, stop the loop or raise in it end by name, as on workers."""

from __future__ import annotations

import pytest

from tests.integration.cli.conftest import Cli, Write

TROUBLE = """
    import asyncio, multiprocessing, os, signal, sys, time
    from astrum import task

    def sleep_long() -> None:
        time.sleep(600)

    @task("terminate", namespace="fork")
    def terminate() -> None:
        child = multiprocessing.get_context("fork").Process(target=sleep_long)
        child.start()
        child.terminate()
        child.join(20)
        print("ended with", child.exitcode)

    @task("terminate_on_loop", namespace="fork_on_loop")
    async def terminate_on_loop() -> None:
        terminate()

    @task("scrapes", namespace="helper")
    async def scrapes() -> None:
        async def leave() -> None:
            sys.exit(0)
        async with asyncio.TaskGroup() as group:
            group.create_task(leave())

    @task("scrapes", namespace="callback")
    async def calls_back() -> None:
        asyncio.get_running_loop().call_soon(sys.exit, 0)
        await asyncio.sleep(600)

    @task("scrapes", namespace="interrupt")
    async def interrupts() -> None:
        raise KeyboardInterrupt("from a library")

    @task("waits", namespace="interrupt_beside_another")
    async def waits() -> None:
        await asyncio.sleep(0.5)

    @task("scrapes", namespace="interrupt_beside_another")
    async def interrupts_too() -> None:
        await asyncio.sleep(0)
        raise KeyboardInterrupt("from a library")

    @task("scrapes", namespace="alarm")
    async def is_late() -> None:
        def hit(*_):
            raise LookupError("the query took too long")
        signal.signal(signal.SIGALRM, hit)
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        await asyncio.sleep(600)

    @task("daemonizes", namespace="closes")
    async def daemonizes() -> None:
        os.closerange(3, 256)
        await asyncio.sleep(600)

    @task("scrapes", namespace="stop")
    async def stops() -> None:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.1)
"""


@pytest.mark.parametrize("namespace", ["fork", "fork_on_loop"])
def test_a_forked_child_of_a_task_ends_when_it_is_terminated(
    write: Write, cli: Cli, namespace: str
) -> None:
    write("flow.py", TROUBLE)
    done = cli("run", "flow.py", "--local", "-n", namespace)
    assert (done.returncode, done.stdout) == (0, "ended with -15\n")
    assert "completed: 1 of 1 task succeeded" in done.stderr


@pytest.mark.parametrize(
    ("namespace", "failure"),
    [
        ("helper", "SystemExit: 0"),
        ("callback", "SystemExit: 0"),
        ("interrupt", "KeyboardInterrupt: from a library"),
        ("interrupt_beside_another", "KeyboardInterrupt: from a library"),
        ("alarm", "LookupError: the query took too long"),
        ("stop", "RuntimeError: a task cannot stop the event loop"),
    ],
)
def test_an_error_that_a_task_raises_in_the_event_loop_fails_that_task(
    write: Write, cli: Cli, namespace: str, failure: str
) -> None:
    write("flow.py", TROUBLE)
    done = cli("run", "flow.py", "--local", "-n", namespace)
    assert done.returncode == 1
    assert f"task 'scrapes' failed: {failure}" in done.stderr
    assert " failed: 0 of " in done.stderr.splitlines()[-1]


def test_a_task_that_closes_the_descriptors_of_the_loop_ends_the_command_with_a_message(
    write: Write, cli: Cli
) -> None:
    write("flow.py", TROUBLE)
    done = cli("run", "flow.py", "--local", "-n", "closes")
    assert done.returncode == 1
    assert "error: the event loop cannot run any more (OSError" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr.split("error: the event loop")[1]
