"""The program of the guard in `process_guard`: waits for the owner's end, then cleans up.

Run as a file, in isolated mode and without site-packages, so that it starts at once and stays
small; it must import nothing outside the standard library. The one argument, if any, is the
directory to remove.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time

REMOVAL_ATTEMPTS = 50
REMOVAL_PAUSE_S = 0.1


def main(directory: str | None) -> None:
    """Block until standard input ends, then kill the process group and remove the directory."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    sys.stdin.buffer.read()
    group = os.getpgrp()
    if os.fork():
        signal.pause()  # the child kills the group, this process included
    os.setpgid(0, 0)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    if directory is not None:
        remove(directory)


def remove(directory: str) -> None:
    """Remove a directory into which processes that are just dying may still write."""
    for _ in range(REMOVAL_ATTEMPTS):
        shutil.rmtree(directory, ignore_errors=True)
        if not os.path.exists(directory):
            return
        time.sleep(REMOVAL_PAUSE_S)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
