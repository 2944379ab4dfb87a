"""The coordinator of Astrum: plans runs, leads them, and reports on them.

`app` and `parts` compose it; each folder does one part. May import `astrum`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator
    from astrum_coordinator.config import CoordinatorConfig

__all__ = ["Coordinator", "CoordinatorConfig"]


def __getattr__(name: str) -> Any:
    # The command line must answer --help without importing a Redis client.
    if name == "Coordinator":
        from astrum_coordinator.app import Coordinator

        return Coordinator
    if name == "CoordinatorConfig":
        from astrum_coordinator.config import CoordinatorConfig

        return CoordinatorConfig
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
