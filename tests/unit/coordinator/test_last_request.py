"""The second signal ends the command in a bounded time, whatever its last request does."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import asyncio, os, signal, sys, time
    from astrum.runtime.cli import signals
    from astrum_coordinator.cli import interrupts

    interrupts.LAST_REQUEST_S = float(sys.argv[2])
    signals.SAME_FOR_S = interrupts.SAME_FOR_S = 0.0
    REQUESTS = {"never ends": 3600.0, "ends": 0.0}

    def interrupt():
        os.kill(os.getpid(), signal.SIGINT)

    async def request():
        print("asked", flush=True)
        await asyncio.sleep(REQUESTS.get(sys.argv[1], 0.0))

    async def work(received):
        received.on_first(lambda: None)
        received.before_leaving(request)
        interrupt()
        await asyncio.sleep(0.01)
        interrupt()
        if sys.argv[1] == "the loop is blocked":
            time.sleep(3600)
        await asyncio.sleep(3600)

    interrupts.Interrupts().run(work)
"""


@pytest.mark.parametrize(
    ("case", "limit_s", "said"),
    [
        ("ends", 3600.0, "asked\n"),
        ("never ends", 0.2, "asked\n"),
        ("the loop is blocked", 0.2, ""),
    ],
)
def test_the_last_request_is_waited_for_but_not_for_long(
    case: str, limit_s: float, said: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), case, str(limit_s)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert (done.returncode, done.stdout) == (130, said), done.stderr
    assert "ending the clean-up" in done.stderr


LATE = """
    import os, signal
    from astrum_coordinator.cli import main

    class SignalsLate:
        def __init__(self):
            self.signal = os.kill, os.getpid(), signal.SIGINT

        def __del__(self):  # the names of the module are gone then
            kill, *arguments = self.signal
            kill(*arguments)

    late = SignalsLate()
    signal.signal(signal.SIGINT, lambda number, frame: None)
    main(["--version"])
"""


def test_a_signal_while_the_interpreter_ends_changes_no_exit_code() -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(LATE)], capture_output=True, timeout=20, check=False
    )
    assert done.returncode == 0, done.stderr
