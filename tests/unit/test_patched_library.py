"""Workers and ``run --local`` refuse modules that replace the sockets and threads they need."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

GEVENT = "def is_module_patched(name):\n    return name in ('_thread', 'socket')\n"
EVENTLET = "def is_monkey_patched(name):\n    return name in ('thread', 'socket')\n"
HARMLESS = "def is_module_patched(name):\n    return name == 'time'\n"


WORKER = ("-m", "astrum_worker", "flow.py", "--redis", "unix:///nowhere.sock")
LOCAL = ("-m", "astrum_coordinator", "run", "--local", "flow.py")


def start(
    folder: Path, library: str, part: str, code: str, command: tuple[str, ...] = WORKER
) -> subprocess.CompletedProcess[str]:
    """Start a command for a flow that imports a library with this code."""
    (folder / library).mkdir()
    (folder / library / "__init__.py").touch()
    (folder / library / f"{part}.py").write_text(code)
    flow = f"import {library}.{part}\nfrom astrum import task\n@task('a')\ndef a(): pass\n"
    (folder / "flow.py").write_text(flow)
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("library", "part", "code"), [("gevent", "monkey", GEVENT), ("eventlet", "patcher", EVENTLET)]
)
def test_patched_sockets_and_threads_are_refused_in_one_sentence(
    tmp_path: Path, library: str, part: str, code: str
) -> None:
    done = start(tmp_path, library, part, code)
    assert done.returncode == 2
    assert f"error: {library} has patched sockets or threads in this process" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_run_in_this_process_refuses_a_library_that_replaces_its_threads(tmp_path: Path) -> None:
    done = start(tmp_path, "gevent", "monkey", GEVENT, LOCAL)
    assert done.returncode == 2
    assert "error: gevent has patched sockets or threads" in done.stderr.splitlines()[-1]


def test_a_library_that_patched_neither_is_served(tmp_path: Path) -> None:
    done = start(tmp_path, "gevent", "monkey", HARMLESS)
    assert done.returncode == 1
    assert "cannot be reached" in done.stderr
