"""What tests compare of exported runs."""

from __future__ import annotations

from typing import Any


def without_logs(exported: dict[str, Any]) -> dict[str, Any]:
    """Return what a chronicle keeps of an export: logs end with the record of their run."""
    return {name: part for name, part in exported.items() if not name.startswith("logs")}
