"""A short name for a function's source, so that two hosts can tell whether they run the same."""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Callable
from types import CodeType
from typing import Any

_DEFINITION = re.compile(r"^([ \t]*)(?:async\s+def|def)\b", re.MULTILINE)
_cache: dict[tuple[str, CodeType], str] = {}
MAX_CACHED = 100_000


def fingerprint(function: Callable[..., Any]) -> str:
    """Return 16 hex digits of the function's source, without its decorators and indentation.

    The same source gives the same text on every Python version and from whatever path it was
    loaded. A function without source is told apart by its name and parameters only.
    """
    code = _code_of(function)
    if code is None:
        return _digest(f"{type(function).__qualname__}:{getattr(function, '__name__', '')}")
    key = (code.co_filename, code)
    known = _cache.get(key)
    if known is None:
        if len(_cache) >= MAX_CACHED:
            _cache.clear()
        known = _cache[key] = _digest(_text_of(code))
    return known


def _code_of(function: Any) -> CodeType | None:
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    code = getattr(function, "__code__", None)
    if code is None and not inspect.isclass(function):
        code = getattr(function.__call__, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _text_of(code: CodeType) -> str:
    try:
        source = inspect.getsource(code)
    except (OSError, TypeError, SyntaxError):
        parameters = code.co_argcount + code.co_kwonlyargcount
        return f"{code.co_name}({', '.join(code.co_varnames[:parameters])})"
    return _normalize(source)


def _normalize(source: str) -> str:
    found = _DEFINITION.search(source)
    if found is None:
        return source.strip()
    indent = found.group(1)
    lines = source[found.start() :].splitlines()
    return "\n".join(line.removeprefix(indent).rstrip() for line in lines).strip()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
