"""Crashes of a run's own workers: the parent knows at once, and says what happened."""

from __future__ import annotations

import pytest

from tests.integration.cli.conftest import Cli, Write

CRASH = """
    import os, signal
    from astrum import task

    @task("crash", namespace="SIGSEGV")
    def by_fault() -> None:
        os.kill(os.getpid(), signal.SIGSEGV)

    @task("crash", namespace="SIGKILL")
    async def by_kill() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    @task("crash", namespace="SIGABRT")
    def by_abort() -> None:
        os.abort()

    @task("crash", namespace="exit")
    def by_exit() -> None:
        os._exit(9)
"""


@pytest.mark.parametrize(
    ("namespace", "how"),
    [
        ("SIGSEGV", "signal 11 (SIGSEGV)"),
        ("SIGKILL", "signal 9 (SIGKILL)"),
        ("SIGABRT", "signal 6 (SIGABRT)"),
        ("exit", "exit code 9"),
    ],
)
def test_a_crash_is_settled_without_waiting_for_the_lease_and_named_in_the_report(
    write: Write, cli: Cli, namespace: str, how: str
) -> None:
    write("crash.py", CRASH)
    done = cli("run", "crash.py", "-n", namespace, "--workers", "2")
    assert done.returncode == 1
    assert "quarantined after its worker died 3 times while running it" in done.stderr
    assert f"its process ended with {how}" in done.stderr
    assert "its lease ended" not in done.stderr


def test_a_worker_that_its_task_blocks_for_too_long_is_replaced_until_the_task_is_quarantined(
    write: Write, cli: Cli
) -> None:
    write(
        "block.py",
        """
        import time
        from astrum import task

        @task("block")
        async def block() -> None:
            while True:
                time.sleep(0.1)
        """,
    )
    done = cli("run", "block.py", "--workers", "2", ASTRUM_BLOCKED_LIMIT="1")
    assert done.returncode == 1
    assert "quarantined after its worker died 3 times while running it" in done.stderr
    assert "ended because the task blocked its event loop" in done.stderr
    assert "before it served" not in done.stderr
