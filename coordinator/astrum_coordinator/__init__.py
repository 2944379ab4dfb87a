"""The coordinator of Astrum: plans runs, leads them, and reports on them.

`app` and `parts` compose it; each folder does one part. May import `astrum`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.asking.taking_over import FromRun, TakeOver
    from astrum_coordinator.client.client import Client
    from astrum_coordinator.client.handle import RunHandle
    from astrum_coordinator.client.run_events import RunEvent
    from astrum_coordinator.client.sync import SyncClient, SyncRunHandle
    from astrum_coordinator.config import CoordinatorConfig

__all__ = [
    "Client",
    "Coordinator",
    "CoordinatorConfig",
    "FromRun",
    "RunEvent",
    "RunHandle",
    "SyncClient",
    "SyncRunHandle",
    "TakeOver",
]

_PLACES = {
    "Client": "client.client",
    "Coordinator": "app",
    "CoordinatorConfig": "config",
    "FromRun": "asking.taking_over",
    "RunEvent": "client.run_events",
    "RunHandle": "client.handle",
    "SyncClient": "client.sync",
    "SyncRunHandle": "client.sync",
    "TakeOver": "asking.taking_over",
}


def __getattr__(name: str) -> Any:
    # The command line must answer --help without importing a Redis client.
    if name in _PLACES:
        return getattr(import_module(f"astrum_coordinator.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
