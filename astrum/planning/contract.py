"""A short name for what a function takes and gives: its lane, its parameters, its result."""

from __future__ import annotations

import functools
import hashlib
import inspect
import typing
from collections.abc import Callable
from types import FunctionType
from typing import Any

from astrum.data_transport.declared.fast_paths import is_resource
from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.declared.text_annotations import ANNOTATED
from astrum.data_transport.type_kinds import UNION_ORIGINS
from astrum.data_transport.types.class_fields import stripped
from astrum.planning.plan import Lane


def contract(function: Callable[..., Any]) -> str:
    """Return 16 hex digits of a function's lane, parameters and result type.

    Types count by their names without modules: a script and an imported module have one contract.
    The body does not count, and neither do default values, nor the parameters that the worker
    itself fills with resources.
    """
    text = "\n".join([lane_of(function), *_signature(function)])
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


def lane_of(function: Callable[..., Any]) -> Lane:
    """Return "async" for a callable that returns a coroutine, else "thread"."""
    if type(function) is FunctionType and not function.__dict__:  # nothing marks or wraps it
        return "async" if function.__code__.co_flags & inspect.CO_COROUTINE else "thread"
    if inspect.iscoroutinefunction(function):
        return "async"
    called: Any = function
    while isinstance(called, functools.partial):
        called = called.func
    is_object = not (inspect.isroutine(called) or inspect.isclass(called))
    return "async" if is_object and inspect.iscoroutinefunction(called.__call__) else "thread"


def _signature(function: Callable[..., Any]) -> list[str]:
    try:
        declared = declaration_of(function)
    except ValueError:  # a relation that cannot be evaluated here; the plan refuses it
        return ["?"]
    rest = (part for part in (declared.rest, declared.named_rest) if part is not None)
    found = [
        f"{parameter.kind.name} {parameter.name}: {_type_text(parameter.annotation)}"
        for parameter in (*declared.parameters.values(), *rest)
        if not is_resource(parameter.annotation)
    ]
    return [*found, f"-> {_type_text(declared.returns)}"]


def _type_text(annotation: Any) -> str:
    """Return a type as a string that is the same on every version of Python."""
    while type(annotation) is ANNOTATED:  # it may name a relation, so few are equal
        annotation = annotation.__origin__
    try:
        return _text_of(annotation)
    except TypeError:  # a list, or a literal that cannot be hashed
        return _text_of.__wrapped__(annotation)


@functools.lru_cache(maxsize=4096, typed=True)
def _text_of(annotation: Any) -> str:
    if annotation is ABSENT or isinstance(annotation, str):
        return "" if annotation is ABSENT else annotation
    plain = stripped(annotation)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin in UNION_ORIGINS:
        return " | ".join(sorted(map(_type_text, arguments)))
    if origin is typing.Literal:
        return f"Literal{sorted(map(repr, arguments))}"
    if isinstance(plain, list):  # the parameters of a `Callable`
        return f"[{', '.join(map(_type_text, plain))}]"
    if origin is not None:
        return f"{_type_text(origin)}[{', '.join(map(_type_text, arguments))}]"
    name = getattr(plain, "__qualname__", None) or getattr(plain, "__name__", None)
    return name if isinstance(name, str) else type(plain).__qualname__
