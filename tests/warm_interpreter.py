"""An interpreter that has imported Astrum and forks into its programs; see `tests.warm_start`.

It gets the number of a socket. Each message there is a program to start, with four descriptors:
a socket for the answers (the process id, later the wait status) and the standard streams.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import Any, NamedTuple, NoReturn

_PACKAGES = ("astrum", "astrum_worker", "astrum_coordinator")
_LONGEST_MESSAGE = 1 << 20


def import_all() -> None:
    """Import each module of Astrum, and so whatever they need."""
    for package in map(importlib.import_module, _PACKAGES):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)


class Running(NamedTuple):
    """A process that was forked, and the socket of the one who waits for its end."""

    pid: int
    answers: socket.socket

    def tell_end(self) -> None:
        """Take the status of the process, which has ended, and tell it."""
        _, status = os.waitpid(self.pid, 0)
        with self.answers, suppress(OSError):  # the waiting process may have ended
            self.answers.sendall(b"%d\n" % status)


def serve(control: socket.socket) -> dict[str, Any]:
    """Fork for each message, and return it in the new process; ends when its parent does."""
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if isinstance(key.data, Running):
                selector.unregister(key.fd)
                os.close(key.fd)
                key.data.tell_end()
                continue
            message, descriptors, _, _ = socket.recv_fds(control, _LONGEST_MESSAGE, 4)
            if not message:
                sys.exit()
            answers, streams = socket.socket(fileno=descriptors[0]), descriptors[1:]
            pid = os.fork()
            if pid == 0:
                answers.close()
                control.close()
                _forget_others(selector)
                _take_streams(streams)
                program: dict[str, Any] = json.loads(message)
                return program
            for descriptor in streams:
                os.close(descriptor)
            answers.sendall(b"%d\n" % pid)
            selector.register(os.pidfd_open(pid), selectors.EVENT_READ, Running(pid, answers))


def _forget_others(selector: selectors.BaseSelector) -> None:
    """Close, in a new process, what its parent knows of the others."""
    for key in selector.get_map().values():
        if isinstance(key.data, Running):
            os.close(key.fd)
            key.data.answers.close()
    selector.close()


def _take_streams(descriptors: list[int]) -> None:
    """Make these the standard streams, opened as an interpreter does at its start."""
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
        os.close(descriptor)
    for name, mode, number in (("stdin", "r", 0), ("stdout", "w", 1), ("stderr", "w", 2)):
        old = getattr(sys, name)
        lines = 1 if name == "stderr" else -1
        new = open(number, mode, lines, old.encoding, old.errors, closefd=False)  # noqa: SIM115
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)


def become(program: dict[str, Any]) -> None:
    """Be the interpreter that ``python -m MODULE`` starts, in its folder and environment."""
    if program["new_session"]:
        os.setsid()
    os.environ.clear()
    os.environ.update(program["environment"])
    time.tzset()
    os.chdir(program["folder"])
    sys.path[0] = os.getcwd()
    importlib.invalidate_caches()
    sys.argv = ["-m", *program["arguments"]]
    try:
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        _end(end.code)
    except BaseException:
        traceback.print_exc()
        _end(1)
    _end(0)


def _end(code: Any) -> NoReturn:
    """End as the interpreter does, but do not free all that is imported, which takes long."""
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):
            stream.flush()
    os._exit((code or 0) & 0xFF)


if __name__ == "__main__":
    import_all()
    gc.collect()
    gc.freeze()
    become(serve(socket.socket(fileno=int(sys.argv[1]))))
