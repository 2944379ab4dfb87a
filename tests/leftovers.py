"""Checks that a test leaves nothing behind that was not there before."""

from __future__ import annotations

import os
import tempfile
import threading
import time
import uuid
from pathlib import Path

import psutil

END_TIMEOUT_S = 5.0

MARK = "ASTRUM_TEST_SESSION"
"""The environment variable of those that must end with their test."""
_OUR_THREADS = "astrum"


def mark_descendants() -> None:
    """Make all processes that this one starts from now on known as ours, orphans included."""
    os.environ[MARK] = uuid.uuid4().hex


def move_temporary_files(directory: Path) -> None:
    """Let all temporary files of this process and its descendants be made there."""
    os.environ["TMPDIR"] = tempfile.tempdir = str(directory)


class Leftovers:
    """A snapshot of what there is; `problems` lists what was added since."""

    def __init__(self) -> None:
        self._processes = _processes()
        self._threads = set(threading.enumerate())
        self._files = _files()

    def problems(self, allowed_processes: set[int], allowed_files: set[str]) -> list[str]:
        """Return what does not go away by itself within some seconds."""
        processes = _processes() - self._processes - allowed_processes
        threads = [thread for thread in _our_threads() if thread not in self._threads]
        return [
            *_still_running(processes),
            *_still_alive(threads),
            *_still_there(_files() - self._files - allowed_files),
        ]


def _processes() -> set[int]:
    mark = f"{MARK}={os.environ[MARK]}".encode()
    found = set()
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark in environment.read_bytes():
                found.add(int(environment.parent.name))
        except OSError:  # it ended just now
            continue
    return found


def _our_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if _OUR_THREADS in thread.name.lower()]


def _files() -> set[str]:
    return set(os.listdir(tempfile.gettempdir()))


def _still_running(pids: set[int]) -> list[str]:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=END_TIMEOUT_S)
    return [f"process {process} still runs" for process in alive]


def _still_alive(threads: list[threading.Thread]) -> list[str]:
    deadline = time.monotonic() + END_TIMEOUT_S
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return [f"thread {thread.name} is still alive" for thread in threads if thread.is_alive()]


def _still_there(names: set[str]) -> list[str]:
    folder = Path(tempfile.gettempdir())
    return [f"{folder / name} is still there" for name in sorted(names) if (folder / name).exists()]
