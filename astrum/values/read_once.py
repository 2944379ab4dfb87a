"""Refuses results that can be read only once, or belong to one event loop, in every mode.

A run in process shares results. Of a generator the first reader would get everything and the
second nothing, without an error.
"""

from __future__ import annotations

import io
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from functools import lru_cache
from typing import Any

from astrum.values.refusals import refusal_error, refuse


def check_read_often(value: object, root: str = "result") -> None:
    """Raise `EncodeError`, as the codec does, for a generator, coroutine, iterator or open file.

    ``root`` is what the error calls the value. An iterator of a class of the user's own is fine
    here, since only its class knows whether it begins again.
    """
    kind: Any = type(value)
    if _is_read_once(kind):
        raise refusal_error(value, refuse(value), root)


@lru_cache(maxsize=1024)
def _is_read_once(kind: Any) -> bool:
    if issubclass(kind, (Awaitable, io.IOBase)):
        return True
    if not issubclass(kind, (Iterator, AsyncIterator)):
        return False
    return kind.__module__.partition(".")[0] in sys.stdlib_module_names
