"""The versions of Astrum and of all else that is installed."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version

_METADATA = (".dist-info", ".egg-info")


@cache
def installed_version() -> str:
    """Return Astrum's version, "" if it runs without being installed.

    It is asked for at each submission, and reading the metadata takes half a millisecond.
    """
    try:
        return version("astrum-pool")
    except PackageNotFoundError:
        return ""


@cache
def environment_digest() -> str:
    """Return a digest of the distributions that are installed here, with their versions.

    Two processes with the same digest have the same packages. The names of the metadata folders
    have both. `importlib.metadata` reads each folder, which took 25 ms for 76 distributions; this
    takes less than 1 ms.
    """
    found = {name for folder in dict.fromkeys(sys.path) for name in _metadata_in(folder)}
    return hashlib.sha256("\n".join(sorted(found)).encode(errors="replace")).hexdigest()[:16]


def _metadata_in(folder: str) -> Iterator[str]:
    """Yield the names of the distributions in a folder of ``sys.path``, as ``name-version``."""
    try:
        names = os.listdir(folder or ".")
    except OSError:  # it need not exist, and may be an archive
        return
    for name in names:
        if name.endswith(_METADATA):
            yield name.rpartition(".")[0].lower()
