"""The version of Astrum that is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """Return Astrum's version, "" if it runs without being installed."""
    try:
        return version("astrum-pool")
    except PackageNotFoundError:
        return ""
