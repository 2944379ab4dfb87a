"""Values that cannot travel: why each kind cannot, and where in a result it sits."""

from __future__ import annotations

import functools
import inspect
import io
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum
from types import ModuleType
from typing import Any

from pydantic import BaseModel

from astrum.errors import EncodeError
from astrum.planning.retry_policy import qualified_name

_MAX_PATH_CHARS = 300
_BUILTIN_BASES = (str, bytes, bytearray, int, float, complex, dict, list, tuple, set, frozenset)
_PROCESS_BOUND = ("_thread", "threading", "socket", "_socket", "sqlite3", "ssl", "_asyncio")
_READ_ONCE = "it can be read only once; return a list: list(...)"

Test = Callable[[Any], bool]


class Refusal(Exception):
    """Raised deep inside an encoding, where the path is unknown; see `refusal_error`."""

    def __init__(self, culprit: object, advice: str) -> None:
        self.culprit = culprit
        self.advice = advice
        super().__init__(advice)


def refuse(value: object) -> Refusal:
    """Return the refusal of a value of a type that the codec does not know."""
    for matches, advice in _ADVICE:
        if matches(value):
            return Refusal(value, advice)
    return Refusal(value, _advice_by_class(value))


def _advice_by_class(value: object) -> str:
    name = type(value).__qualname__
    if is_named(value):
        return (
            "no task of this process declares it; annotate the task's return or parameter "
            f"with {name}"
        )
    for base in _BUILTIN_BASES:
        if isinstance(value, base):
            return (
                f"it is a subclass of {base.__name__} and would come back as something else; "
                f"convert it to a plain {base.__name__}"
            )
    return f"make {name} a dataclass or a pydantic model, or convert it to plain data"


def is_named(value: object) -> bool:
    """Tell whether ``value`` would travel if its type were declared."""
    named_tuple = isinstance(value, tuple) and hasattr(type(value), "_fields")
    return named_tuple or isinstance(value, (Enum, BaseModel)) or is_dataclass(type(value))


def _is(*types: type) -> Test:
    return lambda value: isinstance(value, types)


def _from_module(*modules: str) -> Test:
    return lambda value: type(value).__module__.partition(".")[0] in modules


_ADVICE: tuple[tuple[Test, str], ...] = (
    (_is(type), "a class does not travel; send its name"),
    (_is(io.IOBase), "an open file stays in its process; send its path or its content"),
    (_from_module("tempfile"), "an open file stays in its process; send its content"),
    (inspect.isasyncgen, "iterate over it and return a list"),
    (inspect.isgenerator, _READ_ONCE),
    (inspect.iscoroutine, "await it before it is returned"),
    (
        _from_module(*_PROCESS_BOUND),
        "it is bound to its process; make one in the task that uses it",
    ),
    (_is(Awaitable), "await it before it is returned"),
    (inspect.isroutine, "code does not travel; send its result, or a name to choose by"),
    (_is(functools.partial), "code does not travel; send its result, or a name to choose by"),
    (_is(BaseException), "raise it to fail the task, or send its text"),
    (_is(ModuleType), "a module does not travel; send its name"),
    (_is(memoryview), "send bytes(...) of it"),
    (_is(range, type({}.keys()), type({}.values()), type({}.items())), "send list(...) of it"),
    (_from_module("collections", "array"), "convert it to a plain list or dict"),
    (_is(Iterator), _READ_ONCE),
)


def type_name(value: object) -> str:
    """Return the name that errors give the type of ``value``.

    >>> type_name(1), type_name(io.BytesIO())
    ('int', '_io.BytesIO')
    """
    return qualified_name(type(value)).removeprefix("builtins.")


def refusal_error(value: object, refusal: Refusal, root: str) -> EncodeError:
    """Return the error for ``refusal``, met while ``value``, called ``root``, was encoded."""
    culprit = refusal.culprit
    path = find_path(value, root, lambda part, _: part is culprit)
    return EncodeError(path or root, type_name(culprit), refusal.advice)


def nesting_error(value: object, root: str) -> EncodeError:
    """Return the error for a ``value`` that contains itself or is nested too deep."""
    loop = find_path(value, root, lambda part, ancestors: id(part) in ancestors)
    if loop:
        return EncodeError(loop, "reference to what contains it", "send ids instead of references")
    advice = "it is nested too deep; flatten it, for instance to rows"
    return EncodeError(root, type_name(value), advice)


def text_error(value: object, root: str) -> EncodeError:
    """Return the error for a ``value`` with text that UTF-8 cannot express."""
    path = find_path(value, root, lambda part, _: isinstance(part, str) and _is_broken(part))
    advice = "it holds lone surrogates; send text.encode('utf-8', 'surrogateescape')"
    return EncodeError(path or root, "str", advice)


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def find_path(value: object, root: str, matches: Callable[[object, set[int]], bool]) -> str | None:
    """Return the path of the first part that ``matches(part, ids of what contains it)``.

    Looks at every part once, so shared and circular references are no danger.
    """
    if matches(value, set()):
        return root
    labels, seen, ancestors = [root], {id(value)}, [id(value)]
    levels = [iter(children(value))]
    while levels:
        for label, part in levels[-1]:
            if matches(part, set(ancestors) if id(part) in seen else set()):
                return _cut("".join([*labels, label]))
            if id(part) not in seen:
                seen.add(id(part))
                labels.append(label)
                ancestors.append(id(part))
                levels.append(iter(children(part)))
                break
        else:
            levels.pop(), labels.pop(), ancestors.pop()
    return None


def _cut(path: str) -> str:
    half = _MAX_PATH_CHARS // 2
    return path if len(path) <= _MAX_PATH_CHARS else f"{path[:half]} ... {path[-half:]}"


def children(value: object) -> Iterable[tuple[str, object]]:
    """Yield the parts of a container with the label that continues its path."""
    if isinstance(value, dict):
        yield from ((f" key {_short(key)}", key) for key in value)
        yield from ((f"[{_short(key)}]", part) for key, part in value.items())
    elif isinstance(value, tuple) and hasattr(type(value), "_fields"):
        yield from zip(_field_labels(value), value, strict=False)
    elif isinstance(value, (list, tuple)):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((" element", part) for part in value)
    elif isinstance(value, BaseModel) or is_dataclass(value):
        yield from _attributes(value)


def _field_labels(value: Any) -> Iterable[str]:
    return (f".{name}" for name in type(value)._fields)


def _attributes(value: Any) -> Iterable[tuple[str, object]]:
    held = dict(getattr(value, "__dict__", {}))
    for field in fields(value) if is_dataclass(value) else ():
        if hasattr(value, field.name):
            held.setdefault(field.name, getattr(value, field.name))
    held.update(getattr(value, "__pydantic_extra__", None) or {})
    yield from ((f".{name}", part) for name, part in held.items())


def _short(key: object) -> str:
    text = repr(key)
    return text if len(text) <= 60 else f"{text[:57]}..."
