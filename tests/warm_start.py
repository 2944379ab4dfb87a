"""Starts of Astrum's programs without the time that an interpreter needs for its imports.

Half of the processor time of these tests would be imports, the same ones thousands of times. So
each test process keeps one interpreter that has imported Astrum (`tests.warm_interpreter`), and
processes are forked from it. They are real processes: own id, folder, environment, standard
streams, signals and end. What depends on the start of an interpreter is started as usual: other
commands than ``python -m MODULE``, and environments that Python itself reads. With
``ASTRUM_TEST_COLD_START=1``, or without Linux, all are.
"""

from __future__ import annotations

import atexit
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

COLD_VARIABLE = "ASTRUM_TEST_COLD_START"
_MODULES = ("astrum_worker", "astrum_coordinator")
_READ_BY_PYTHON = ("PYTHON", "LC_", "LANG")
_EXECUTE: inspect.Signature = inspect.signature(subprocess.Popen._execute_child)  # type: ignore[attr-defined]


class WarmInterpreter:
    """The interpreter of this process that forks, started when it is needed first."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._lock = threading.Lock()

    @property
    def pids(self) -> set[int]:
        """The process id of the interpreter, if it runs."""
        return {self._process.pid} if self._process else set()

    def start(self, program: dict[str, Any], streams: Sequence[int]) -> tuple[int, socket.socket]:
        """Start a program; return its process id, and the socket that will tell its status."""
        with self._lock:
            control = self._control or self._begin()
            answers, theirs = socket.socketpair()
            with theirs:
                message = json.dumps(program).encode()
                socket.send_fds(control, [message], [theirs.fileno(), *streams])
            return _number(answers), answers

    def _begin(self) -> socket.socket:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        number = theirs.fileno()
        script = Path(__file__).with_name("warm_interpreter.py")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, str(script), str(number)], pass_fds=[number]
            )
        atexit.register(self._end)
        return self._control

    def _end(self) -> None:
        assert self._control is not None
        assert self._process is not None
        self._control.close()
        self._process.wait()


INTERPRETER = WarmInterpreter()


class WarmProcess(subprocess.Popen[Any]):
    """A process that the warm interpreter forked; all else is as in the class above.

    The interpreter is its parent. So the end of the process comes from there, not from `waitpid`.
    """

    _answers: socket.socket

    def _execute_child(self, *values: Any) -> None:
        given = _EXECUTE.bind(self, *values).arguments
        streams = [given[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        program = {
            "module": given["args"][2],
            "arguments": [os.fspath(argument) for argument in given["args"][3:]],
            "folder": os.fspath(given["cwd"] or os.getcwd()),
            "environment": dict(given["env"] or os.environ),
            "new_session": given["start_new_session"],
        }
        try:
            self.pid, self._answers = INTERPRETER.start(
                program, [at if stream == -1 else stream for at, stream in enumerate(streams)]
            )
            self._child_created = True
        finally:
            pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
            self._close_pipe_fds(*(given[name] for name in pipes))  # type: ignore[attr-defined]

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """Return the id and the status, or 0 and 0 while it runs; the base class calls this."""
        self._answers.setblocking(not wait_flags & os.WNOHANG)
        try:
            status = _number(self._answers)
        except BlockingIOError:
            return 0, 0
        self._answers.close()
        return self.pid, status

    def _internal_poll(self, _deadstate: int | None = None, *_: Any) -> int | None:
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                if self.returncode is None:
                    pid, status = self._try_wait(os.WNOHANG)
                    if pid:
                        self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _number(answers: socket.socket) -> int:
    line = b""
    while not line.endswith(b"\n"):
        part = answers.recv(1)
        if not part:
            raise ChildProcessError("the warm interpreter has ended")
        line += part
    return int(line)


def start(command: Sequence[Any], **options: Any) -> subprocess.Popen[Any]:
    """Start a command as `subprocess.Popen` does, by the warm interpreter if that is the same."""
    kind = WarmProcess if _may_be_warm(command, options) else subprocess.Popen
    return kind(command, **options)


def run(
    command: Sequence[Any],
    *,
    timeout: float | None = None,
    check: bool = False,
    capture_output: bool = False,
    **options: Any,
) -> subprocess.CompletedProcess[Any]:
    """Run a command to its end, as `subprocess.run` does."""
    if capture_output:
        options |= {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with start(command, **options) as process:
        try:
            stdout, stderr = process.communicate(timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)
    if check:
        done.check_returncode()
    return done


def _may_be_warm(command: Sequence[Any], options: dict[str, Any]) -> bool:
    is_ours = [*command[:2]] == [sys.executable, "-m"] and command[2] in _MODULES
    environment = options.get("env") or os.environ
    others = {*options} - {"cwd", "env", "stdin", "stdout", "stderr", "text", "start_new_session"}
    return (
        is_ours
        and not others
        and sys.platform == "linux"
        and not os.environ.get(COLD_VARIABLE)
        and _read_at_start(environment) == _read_at_start(os.environ)
    )


def _read_at_start(environment: Any) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(_READ_BY_PYTHON)}
