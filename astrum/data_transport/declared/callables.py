"""Finds, through wrappers of every kind, the function that runs and the one that is annotated."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

CACHED: type = type(functools.cache(lambda: None))
"""The class of what `functools.cache` and `functools.lru_cache` make."""

_MAX_LAYERS = 100
YIELDS = inspect.CO_GENERATOR | inspect.CO_ASYNC_GENERATOR
"""The flags of code that yields."""
_TRANSPARENT: dict[type, str] = {
    MethodType: "__func__",
    staticmethod: "__func__",
    classmethod: "__func__",
    functools.partial: "func",
    functools.partialmethod: "func",
    CACHED: "__wrapped__",
}
"""Classes that call what they hold with the same names, by the attribute that holds it."""


def source_function(function: Callable[..., Any]) -> FunctionType | None:
    """Return the function whose annotations and source describe a callable, None if there is none.

    Any ``__wrapped__`` is followed, as `inspect.signature` does.
    """
    if type(function) is FunctionType and not function.__dict__:
        return function
    best: FunctionType | None = None
    layer: Any = function
    for _ in range(_MAX_LAYERS):
        if isinstance(layer, FunctionType):
            best = layer
            if "__wrapped__" not in layer.__dict__:
                return best
        inner = _inner(layer) or _wrapped(layer)
        if inner is None:
            return _called_by(layer) or best
        layer = inner
    return best


def called_function(function: Callable[..., Any]) -> FunctionType | None:
    """Return the function whose code runs when a callable is called: the outermost wrapper."""
    layer: Any = function
    for _ in range(_MAX_LAYERS):
        if isinstance(layer, FunctionType):
            return layer
        inner = _inner(layer)
        if inner is None:
            return None if isinstance(layer, type) else _called_by(layer)
        layer = inner
    return None


def is_cached(function: Callable[..., Any]) -> bool:
    """Return whether `functools.cache` or `functools.lru_cache` keeps a callable's results."""
    layer: Any = function
    for _ in range(_MAX_LAYERS):
        if layer is None or isinstance(layer, CACHED):
            return layer is not None
        layer = _inner(layer)
    return False


def is_generator_function(function: Callable[..., Any]) -> bool:
    """Return whether a call gives a generator, sync or async, and runs none of the code.

    A generator that ``types.coroutine`` makes awaitable does not count.
    """
    if type(function) is FunctionType:
        flags = function.__code__.co_flags
    else:
        called = called_function(function)
        flags = 0 if called is None else called.__code__.co_flags
    return bool(flags & YIELDS) and not flags & inspect.CO_ITERABLE_COROUTINE


def is_unbound_method(function: Callable[..., Any], first_parameter: str) -> bool:
    """Return whether a function of a class body still needs its ``self`` or ``cls``."""
    if first_parameter not in ("self", "cls") or not isinstance(function, (FunctionType, CACHED)):
        return False
    scopes = getattr(function, "__qualname__", "").split(".")
    return len(scopes) > 1 and scopes[-2] != "<locals>"


def _inner(layer: Any) -> Any:
    for kind, attribute in _TRANSPARENT.items():
        if isinstance(layer, kind):
            return getattr(layer, attribute)
    return None


def _wrapped(layer: Any) -> Any:
    wrapped = None if isinstance(layer, type) else getattr(layer, "__wrapped__", None)
    return wrapped if callable(wrapped) else None


def _called_by(layer: Any) -> FunctionType | None:
    """Return the function that runs when an object or a class is called."""
    owner, name = (layer, "__init__") if isinstance(layer, type) else (type(layer), "__call__")
    found = getattr(owner, name, None)
    return found if isinstance(found, FunctionType) else None
