"""Refuses a standard library that was patched in a way that Astrum's processes cannot use."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import Any

from astrum.runtime.exit_codes import ExitCode

_PARTS = ("socket", "thread", "_thread", "threading")


def why_unusable() -> str:
    """Say that gevent or eventlet replaced sockets or threads, and what to do; "" if none did.

    A worker renews its lease from a thread while its event loop is busy; with green threads it
    would seem dead, and could not be stopped. A run in this process waits for its threads.
    """
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and any(gevent.is_module_patched(part) for part in _PARTS):
        return _refusal("gevent", "monkey.patch_all(socket=False, thread=False)")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(eventlet.is_monkey_patched(part) for part in _PARTS):
        return _refusal("eventlet", "monkey_patch(socket=False, thread=False)")
    return ""


def refuse_patched_library() -> None:
    """End this process if it cannot run tasks; no thread and no lock may be needed for that."""
    why = why_unusable()
    if why:
        with suppress(OSError):
            os.write(2, f"error: {why}\n".encode())
        os._exit(ExitCode.WRONG_USAGE)


def _refusal(library: str, instead: str) -> str:
    return (
        f"{library} has patched sockets or threads in this process, and tasks cannot run with "
        f"that here: leave the patching out of the modules of the flow, or use {instead}; async "
        "tasks and threads need no patching"
    )
