"""Advice about values that cannot travel, by their kind."""

from __future__ import annotations

import functools
import inspect
import io
import sys
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence, Set
from dataclasses import is_dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import UUID

from pydantic import BaseModel

_PLAIN_BASES = (
    *(str, bytes, bytearray, int, float, complex, dict, list, tuple, set, frozenset, deque),
    *(datetime, date, time, timedelta, Decimal, Fraction, UUID),
)
_PROCESS_BOUND = ("_thread", "threading", "socket", "_socket", "sqlite3", "ssl", "_asyncio")
_READ_ONCE = "it can be read only once; return a list: list(...)"
_CODE = "code does not travel; send its result, or a name to choose by"

Test = Callable[[Any], bool]


def advice_for(value: object) -> str:
    """Return why ``value`` cannot travel and what its task can return instead.

    >>> advice_for(slice(1, 2))
    'send its start, stop and step'
    """
    for matches, advice in (*_ADVICE, *_PACKAGES):
        if matches(value):
            return advice
    return _advice_by_class(value)


def is_named(value: object) -> bool:
    """Return whether ``value`` would travel if its type were declared."""
    named_tuple = isinstance(value, tuple) and hasattr(type(value), "_fields")
    return named_tuple or isinstance(value, (Enum, BaseModel)) or is_dataclass(type(value))


def _advice_by_class(value: object) -> str:
    cls = type(value)
    name = cls.__qualname__
    is_tuple_or_member = isinstance(value, (tuple, Enum))
    if is_named(value) and (is_tuple_or_member or not isinstance(value, _PLAIN_BASES)):
        return _advice_to_declare(name)
    for base in _PLAIN_BASES:
        if isinstance(value, base):
            return (
                f"it is a subclass of {base.__name__} and would be decoded as another type; "
                f"convert it to a plain {base.__name__}"
            )
    for matches, advice in _CONTAINERS:
        if matches(value):
            return advice
    if _is_from_a_package(cls):
        return "convert it to plain data: a dict, a list or a string of what its readers need"
    return f"make {name} a dataclass or a pydantic model, or convert it to plain data"


def _advice_to_declare(name: str) -> str:
    if "<locals>" in name:
        return (
            "its class is made inside a function, where other processes cannot find it; move the "
            "class to the top level of its module and annotate the task's return with it, or "
            "return a plain tuple or dict"
        )
    return (
        f"no task of this process declares it; annotate the task's return or parameter with {name}"
    )


def _is_from_a_package(cls: type) -> bool:
    """Return whether the class is from another package, so that the user cannot change it."""
    top = cls.__module__.partition(".")[0]
    if top == "builtins" or top in sys.stdlib_module_names:
        return top != "__main__"
    file = str(getattr(sys.modules.get(cls.__module__), "__file__", None) or "")
    return "site-packages" in file or "dist-packages" in file


def _is(*types: type) -> Test:
    return lambda value: isinstance(value, types)


def _from_module(*modules: str) -> Test:
    return lambda value: type(value).__module__.partition(".")[0] in modules


def _derives_from(package: str, *names: str) -> Test:
    """Test for classes of a package that may not be installed, subclasses included."""

    def matches(value: object) -> bool:
        bases = (b for b in type(value).__mro__ if b.__module__.partition(".")[0] == package)
        return any(base.__name__ in names for base in bases)

    return matches


def _has(attribute: str) -> Test:
    return lambda value: hasattr(type(value), attribute)


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
    (inspect.isroutine, _CODE),
    (_is(functools.partial), _CODE),
    (_is(BaseException), "raise it to fail the task, or send its text"),
    (_is(ModuleType), "a module does not travel; send its name"),
    (_is(memoryview), "send bytes(...) of it"),
    (_is(range, type({}.keys()), type({}.values()), type({}.items())), "send list(...) of it"),
    (_is(slice), "send its start, stop and step"),
    (_is(type(...), type(NotImplemented)), "send None, or a string that stands for it"),
    (_is(SimpleNamespace), "send vars(...) of it"),
    (_is(tzinfo), "use zoneinfo or datetime.timezone"),
    (_is(PurePath), "convert it to a plain pathlib path"),
)
_PACKAGES: tuple[tuple[Test, str], ...] = (
    (_has("__attrs_attrs__"), "send attrs.asdict(...) of it, or make its class a dataclass"),
    (_has("__struct_fields__"), "send msgspec.to_builtins(...) of it"),
    (
        _derives_from("numpy", "MaskedArray"),
        "send .filled(...) of it, or a dict of its .data and its .mask",
    ),
    (_derives_from("numpy", "ndarray"), "send numpy.asarray(...) of it, a plain array"),
    (_derives_from("numpy", "dtype"), "send str(...) of it"),
    (_derives_from("pandas", "Index"), "send .to_series() or .tolist() of it"),
    (_derives_from("pandas", "ExtensionArray"), "send pandas.Series(...) of it"),
    (_derives_from("pandas", "DataFrame"), "send pandas.DataFrame(...) of it, a plain frame"),
    (_derives_from("pandas", "Series"), "send pandas.Series(...) of it, a plain series"),
    (_derives_from("pandas", "BaseOffset"), "send its freqstr"),
    (_derives_from("pandas", "Interval"), "send its left, its right and its closed"),
    (_derives_from("polars", "LazyFrame"), "send .collect() of it"),
    (_derives_from("polars", "Expr"), _CODE),
    (_derives_from("pyarrow", "Array", "ChunkedArray"), "send .to_pylist() of it"),
    (_derives_from("pyarrow", "RecordBatch"), "send pyarrow.Table.from_batches([...]) of it"),
    (_derives_from("PIL", "Image"), "save it to an io.BytesIO and send the bytes"),
    (_derives_from("torch", "Tensor"), "send .numpy(force=True) of it"),
)
_CONTAINERS: tuple[tuple[Test, str], ...] = (
    (_from_module("collections", "array"), "convert it to a plain list or dict"),
    (_is(Mapping), "send dict(...) of it"),
    (_is(Sequence, Set), "send list(...) of it"),
    (_is(Iterator), _READ_ONCE),
)
