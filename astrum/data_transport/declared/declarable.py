"""Checks a callable when it is declared as a task, before any name is looked up."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterator
from inspect import Parameter as P
from types import FunctionType
from typing import Any

from astrum.data_transport.annotations import Each, Input, Resource
from astrum.data_transport.declared.callables import (
    CACHED,
    YIELDS,
    called_function,
    is_cached,
    is_generator_function,
    is_unbound_method,
    source_function,
)
from astrum.data_transport.declared.marks import is_plain, misplaced_in_default, whole_marks
from astrum.data_transport.declared.text_annotations import names_in_one

_SCALARS = (type(None), bool, int, float, str)
_SLOTLESS = (P.VAR_POSITIONAL, P.VAR_KEYWORD)
Slot = str | int


def check_declarable(function: Callable[..., Any]) -> None:
    """Raise ``ValueError`` for a callable that cannot be a task, and for references that would be
    ignored: those used as default values, and those nested in a type.
    """
    if type(function) is FunctionType and _is_simple(function):
        return
    if is_generator_function(function):
        raise ValueError(
            "it is a generator function: calling it runs none of its code, and what it gives can "
            "be read only once. Return a list instead of yielding, or decorate it with a function "
            "that does"
        )
    for name, value in _given_values(function):
        if misplaced_in_default(value):
            raise ValueError(
                f"parameter {name!r} has the reference {value!r} as its value: write it in the "
                f"annotation, {name}: Ref[type, {_mark_to_write(value)}]"
            )
    if type(function) is not FunctionType and is_cached(function):
        _check_cached(function)
    _check_annotations(function)


def unfilled(function: Callable[..., Any], filled: Collection[Slot]) -> list[str]:
    """Return the parameters without a default value that none of the slots ``filled`` fills.

    It is not known what a decorator supplies, so only a wrapper's own parameters count.
    """
    if type(function) is FunctionType and not function.__dict__:
        return _unfilled_in_code(function, filled)
    while isinstance(function, CACHED):
        function = function.__wrapped__  # type: ignore[attr-defined]
    parameters = _own_parameters(function)
    if is_unbound_method(function, parameters[0].name if parameters else ""):
        del parameters[0]
    return [
        parameter.name
        for position, parameter in enumerate(parameters)
        if parameter.default is P.empty
        and parameter.kind not in _SLOTLESS
        and not _is_filled(parameter, position, filled)
    ]


def _mark_to_write(value: object) -> str:
    if isinstance(value, Each):
        return 'Each("task")'
    if isinstance(value, Resource):
        return 'Resource("name")'
    return "Input()" if isinstance(value, Input) else 'F("task")'


def _is_simple(function: FunctionType) -> bool:
    """Return true, without much work, for most of the functions that can be tasks."""
    if function.__dict__ or function.__code__.co_flags & YIELDS or function.__kwdefaults__:
        return False
    for default in function.__defaults__ or ():
        if type(default) not in _SCALARS:
            return False
    for annotation in function.__annotations__.values():
        if annotation is not None and not is_plain(annotation):
            return False
    return True


def _check_cached(function: Callable[..., Any]) -> None:
    if inspect.iscoroutinefunction(called_function(function)):
        raise ValueError(
            "it is an async function in functools.cache or lru_cache, which would keep a coroutine "
            "that can be awaited only once: cache inside the function"
        )


def _check_annotations(function: Callable[..., Any]) -> None:
    source = source_function(function)
    for name, annotation in source.__annotations__.items() if source is not None else ():
        if is_plain(annotation) or names_in_one(annotation):
            continue
        try:
            whole_marks(annotation)
        except ValueError as error:
            if _is_early(error):
                continue
            place = "the return value" if name == "return" else f"parameter {name!r}"
            raise ValueError(f"{place}: {error}") from error


def _is_early(error: ValueError) -> bool:
    # An alias may name what its module defines later; it is read again when the flow is built.
    return isinstance(error.__cause__, NameError)


def _given_values(function: Callable[..., Any]) -> Iterator[tuple[str, Any]]:
    """Yield the default values of a callable and the arguments of its partials."""
    layer: Any = function
    while isinstance(layer, (functools.partial, functools.partialmethod)):
        yield from ((str(place), value) for place, value in enumerate(layer.args))
        yield from layer.keywords.items()
        layer = layer.func
    source = source_function(layer)
    if source is None:
        return
    if source.__defaults__:
        count = len(source.__defaults__)
        names = source.__code__.co_varnames[: source.__code__.co_argcount][-count:]
        yield from zip(names, source.__defaults__, strict=True)
    if source.__kwdefaults__:
        yield from source.__kwdefaults__.items()


def _unfilled_in_code(function: FunctionType, filled: Collection[Slot]) -> list[str]:
    code, defaults = function.__code__, function.__kwdefaults__ or ()
    required = code.co_argcount - len(function.__defaults__ or ())
    if required <= 0 and not code.co_kwonlyargcount:
        return []
    names = code.co_varnames
    first = 1 if required > 0 and is_unbound_method(function, names[0]) else 0
    keywords = names[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    missing = [
        name
        for position, name in enumerate(names[first : max(required, 0)])
        if position not in filled and (position < code.co_posonlyargcount or name not in filled)
    ]
    missing += [name for name in keywords if name not in defaults and name not in filled]
    return missing


def _own_parameters(function: Callable[..., Any]) -> list[P]:
    try:
        signature = inspect.signature(function, follow_wrapped=False)
    except (ValueError, TypeError):
        return []  # written in C
    return list(signature.parameters.values())


def _is_filled(parameter: P, position: int, filled: Collection[Slot]) -> bool:
    by_name = parameter.kind is not P.POSITIONAL_ONLY and parameter.name in filled
    by_position = parameter.kind is not P.KEYWORD_ONLY and position in filled
    return by_name or by_position
