"""Values in one short line each, without reading more of a large one than is shown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from enum import Enum
from itertools import islice
from typing import Any

from astrum.runtime.visible_text import visible_name
from astrum_coordinator.display.json_values import parts_of, to_json

MAX_CHARS = 100
_READ = 2_000
"""The most characters, bytes or members of one set that are looked at."""


def short_text(value: Any, most: int = MAX_CHARS) -> str:
    """Return a value as JSON, as `to_json` converts it, cut after so many characters.

    A table is its size and its columns. The result is one line without control characters.

    >>> short_text({"a": (1, 2.5), "b": None}), short_text(list(range(1000)), 20)
    ('{"a": [1, 2.5], "b": null}', '[0, 1, 2, 3, 4, 5...')
    """
    text = ""
    try:
        for piece in _pieces(value, most):
            text += piece
            if len(text) > most:
                break
    except Exception:  # a value of the user's own class may raise at any access
        text = f"<{type(value).__name__}, which cannot be shown>"
    text = visible_name(text)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _pieces(value: Any, depth: int) -> Iterator[str]:
    """Yield the text of a value piece by piece; deeper than ``depth`` it would be cut anyway."""
    if depth <= 0:
        yield "..."
        return
    if isinstance(value, Enum):
        yield from _pieces(value.value, depth - 1)
    elif isinstance(value, (str, bytes, bytearray)):
        yield json.dumps(to_json(value[:_READ]), ensure_ascii=False)
    elif (size := _table_text(value)) is not None:
        yield size
    elif isinstance(value, AbstractSet) and len(value) > _READ:
        yield from _list_pieces(islice(value, _READ), depth)  # too many to put them in order
    else:
        parts = parts_of(value)
        if isinstance(parts, Mapping):
            yield from _mapping_pieces(parts, depth)
        elif parts is not None:
            yield from _list_pieces(iter(parts), depth)
        else:
            yield _leaf(value)


def _mapping_pieces(parts: Mapping[Any, Any], depth: int) -> Iterator[str]:
    gap = "{"
    for key, item in parts.items():
        name = key if isinstance(key, str) else str(to_json(key))
        yield f"{gap}{json.dumps(name[:_READ], ensure_ascii=False)}: "
        yield from _pieces(item, depth - 1)
        gap = ", "
    yield "}" if gap == ", " else "{}"


def _list_pieces(items: Iterator[Any], depth: int) -> Iterator[str]:
    gap = "["
    for item in items:
        yield gap
        yield from _pieces(item, depth - 1)
        gap = ", "
    yield "]" if gap == ", " else "[]"


def _table_text(value: Any) -> str | None:
    """Return the size of a table of pandas, polars or pyarrow, `None` for anything else."""
    shape, columns = getattr(value, "shape", None), getattr(value, "columns", None)
    if not isinstance(shape, tuple) or len(shape) != 2 or columns is None:
        return None
    names = getattr(value, "column_names", columns)  # the columns of pyarrow are their values
    listed = ", ".join(map(str, islice(names, _READ)))
    return f"{type(value).__name__} of {shape[0]:,} rows: {listed}"


def _leaf(value: Any) -> str:
    plain = to_json(value)
    # The repr of an object may have several lines.
    plain = " ".join(plain.split()) if isinstance(plain, str) else plain
    return json.dumps(plain, ensure_ascii=False)
