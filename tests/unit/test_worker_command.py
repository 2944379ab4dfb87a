"""Options that `astrum-worker` refuses at once, and signals that come at its end."""

from __future__ import annotations

import asyncio
import signal

import pytest
from click.testing import CliRunner

from astrum_worker.cli import main
from astrum_worker.process.signals import Signals


@pytest.mark.parametrize("queue", ["", "cpu,gpu", "cpu:big"])
def test_a_queue_without_a_name_or_with_two_is_refused(queue: str) -> None:
    done = CliRunner().invoke(main, ["flow.py", "--queue", "default", "--queue", queue])
    assert done.exit_code == 2
    assert f"{queue!r} is not a queue name; repeat the option to serve several" in done.output


def test_several_processes_without_a_supervisor_are_refused() -> None:
    done = CliRunner().invoke(main, ["flow.py", "--processes", "2", "--no-supervisor"])
    assert done.exit_code == 2
    assert "--processes needs the supervisor; drop --no-supervisor" in done.output


def test_a_signal_that_comes_once_the_loop_has_ended_is_ignored(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def handlers() -> Signals:
        return Signals(lambda code: None)

    signals = asyncio.run(handlers())
    signals._signals.take(signal.SIGTERM)
    assert capfd.readouterr().err == ""
