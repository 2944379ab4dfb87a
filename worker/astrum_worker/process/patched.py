"""Refuses a standard library that was patched in a way that workers cannot use."""

from __future__ import annotations

import sys
from typing import Any

_PARTS = ("socket", "thread", "_thread", "threading")


def why_unusable() -> str:
    """Say that gevent or eventlet replaced sockets or threads, and what to do; "" if none did.

    A worker renews its lease from a thread while its event loop is busy; with green threads it
    would seem dead, and could not be stopped.
    """
    gevent: Any = sys.modules.get("gevent.monkey")
    if gevent is not None and any(gevent.is_module_patched(part) for part in _PARTS):
        return _refusal("gevent", "monkey.patch_all(socket=False, thread=False)")
    eventlet: Any = sys.modules.get("eventlet.patcher")
    if eventlet is not None and any(eventlet.is_monkey_patched(part) for part in _PARTS):
        return _refusal("eventlet", "monkey_patch(socket=False, thread=False)")
    return ""


def _refusal(library: str, instead: str) -> str:
    return (
        f"{library} has patched sockets or threads in this process, and a worker cannot run with "
        f"that: leave the patching out of the modules that it serves, or use {instead}; async "
        "tasks and threads need no patching"
    )
