"""A short name for a task's code, by which two hosts find out whether they run the same.

It has a digest of the function's source, one of what it takes and gives, and one for each piece of
data that it brings along: in closure variables, default values and the arguments of a partial. So
two hosts can also see *what* differs. Constants of modules, functions that the task calls, and
objects that are not data (connections, locks, instances of plain classes) do not count.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Collection, Iterator
from types import CodeType, FunctionType
from typing import Any

from astrum.data_transport.declared.callables import CACHED
from astrum.data_transport.declared.fast_paths import is_resource
from astrum.data_transport.declared.text_annotations import ANNOTATED
from astrum.planning.contract import contract
from astrum.planning.data_digest import SCALARS, data_digest, scalar_digest

_DEFINITION = re.compile(r"^([ \t]*)(?:async\s+def|def)\b", re.MULTILINE)
_cache: dict[tuple[object, ...], str] = {}
MAX_CACHED = 100_000
COMPATIBLE, EXACT = "compatible", "exact"
VERSION_POLICIES = (COMPATIBLE, EXACT)
"""Which code may run a task: the plan's or one with other sources, or the plan's alone."""
SOURCE_DIGITS = 16
"""The length of the first part of a fingerprint, which names the source."""
_MAX_LAYERS = 100
_MAX_NAMED = 3
_WITH_CODE = (FunctionType, functools.partial, CACHED)
"""Kinds that count by their code and their data when they are in a closure."""


def fingerprint(
    function: Callable[..., Any], filled: Collection[str | int] = (), version: str = ""
) -> str:
    """Return ``<source>.<contract>``, 16 hex digits each, and a line for each piece of data.

    The source is that of the function, without its decorators and indentation; a ``version``
    takes its place. The contract is as in `astrum.planning.contract`. The same source and data
    give the same string on every Python version and from every path. A function without source is
    known by its name and parameters only. Default values of parameters that are ``filled`` do not
    count.
    """
    if type(function) is FunctionType and not function.__dict__:
        plain = _plain_pieces(function, filled)
        if plain is not None:
            head = _plain_head(function, version)
            return _BETWEEN.join((head, *plain)) if plain else head
    return _joined(_head(function, version), _pieces(function, filled, frozenset()))


def is_same(planned: str, served: str) -> bool:
    """Return whether two fingerprints of one task name the same code; "" is not checked."""
    return not planned or not served or planned == served


def is_compatible(planned: str, served: str) -> bool:
    """Return whether two fingerprints of one task differ in their sources at most.

    >>> is_compatible("0123456789abcdef.aa", "fedcba9876543210.aa")
    True
    """
    return is_same(planned, served) or planned[SOURCE_DIGITS:] == served[SOURCE_DIGITS:]


def fits(planned: str, served: str, versions: str) -> bool:
    """Return whether code may run a task under one of the `VERSION_POLICIES`."""
    return is_same(planned, served) if versions == EXACT else is_compatible(planned, served)


def difference(planned: str, served: str, versions: str) -> str:
    """Return what differs between two fingerprints of one task, "" if nothing does that counts.

    What counts is as in `fits`.

    >>> difference("a.c\\nclosure variable 'who'=1", "a.c\\nclosure variable 'who'=2", "exact")
    "other data in its closure variable 'who'"
    """
    if fits(planned, served, versions):
        return ""
    head, *pieces = planned.split(_BETWEEN)
    other_head, *other_pieces = served.split(_BETWEEN)
    if head[SOURCE_DIGITS:] != other_head[SOURCE_DIGITS:]:
        return "other parameters, types or lane"
    data = _other_data(pieces, other_pieces)
    if head == other_head:
        return data
    return f"another version of its source{data and ', with '}{data}"


def _other_data(pieces: list[str], others: list[str]) -> str:
    found = [piece.rpartition("=")[0] for piece in sorted({*pieces} ^ {*others})]
    if not found:
        return ""
    names = list(dict.fromkeys(found))
    more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
    return f"other data in its {', '.join(names[:_MAX_NAMED])}{more}"


def advice(what: str) -> str:
    """Return what to do about a `difference`."""
    if what.startswith("other data"):
        return (
            "a task's own data must be the same in every process; what differs from run to run "
            'goes through an upstream task: Ref[type, F("task")]'
        )
    return "restart the workers with the code that the run was planned with"


_BETWEEN = "\n"


def _joined(source: str, pieces: dict[str, str]) -> str:
    return _BETWEEN.join([source, *[f"{place}={digest}" for place, digest in pieces.items()]])


# --- the source and the contract ---------------------------------------------------------


def _head(function: Any, version: str) -> str:
    source = _digest(f"version {version}") if version else _source_digest(function)
    return f"{source}.{contract(function)}"


def _plain_head(function: FunctionType, version: str) -> str:
    """Return the result of `_head`, computed once for all functions that one ``def`` makes with
    the same plain types. Most functions of large flows are such.
    """
    code, annotations = function.__code__, function.__annotations__
    parts = [code.co_filename, code, version, *annotations]
    for one in annotations.values():
        plain = one.__origin__ if type(one) is ANNOTATED else one
        if type(plain) is not type or is_resource(one):
            return _head(function, version)
        parts.append(plain)
    key = tuple(parts)
    known = _cache.get(key)
    if known is None:
        known = _cached(key, _head(function, version))
    return known


def _cached(key: tuple[object, ...], digest: str) -> str:
    if len(_cache) >= MAX_CACHED:
        _cache.clear()
    _cache[key] = digest
    return digest


def _source_digest(function: Any) -> str:
    code = _code_of(function)
    if code is None:
        return _digest(f"{type(function).__qualname__}:{getattr(function, '__name__', '')}")
    key = (code.co_filename, code)
    known = _cache.get(key)
    return _cached(key, _digest(_text_of(code))) if known is None else known


def _code_of(function: Any) -> CodeType | None:
    if type(function) is FunctionType and not function.__dict__:
        return function.__code__
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(getattr(function, "__func__", function))
    if isinstance(function, functools.partial):
        return _code_of(function)
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
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).hexdigest()


# --- the data that a function brings along -----------------------------------------------


def _pieces(function: Any, filled: Collection[str | int], seen: frozenset[int]) -> dict[str, str]:
    """Return the digest of each piece of data by where it is."""
    pieces: dict[str, str] = {}
    for layer in _layers(function):
        if isinstance(layer, functools.partial):
            for name, value in (*enumerate(layer.args), *layer.keywords.items()):
                _add(pieces, f"argument {name!r}", data_digest(value))
            continue
        if layer.__defaults__ or layer.__kwdefaults__:
            for name, value in _defaults(layer, filled):
                _add(pieces, f"default value of {name!r}", data_digest(value))
        if layer.__closure__:
            _add_closure(pieces, layer, seen)
    return pieces


def _plain_pieces(function: FunctionType, filled: Collection[str | int]) -> list[str] | None:
    """Return the result of `_pieces` for a function whose data is all plain, as most is; else
    None. Flows of many thousand tasks are planned in half the time by it.
    """
    pieces: list[str] = []
    if function.__defaults__ or function.__kwdefaults__:
        for name, value in _defaults(function, filled):
            if type(value) not in SCALARS:
                return None
            pieces.append(f"default value of '{name}'={scalar_digest(value)}")
    if function.__closure__:
        for name, cell in zip(function.__code__.co_freevars, function.__closure__, strict=True):
            try:
                value = cell.cell_contents
            except ValueError:
                continue  # defined later than the function
            if type(value) not in SCALARS:
                return None
            pieces.append(f"closure variable '{name}'={scalar_digest(value)}")
    return pieces


def _layers(function: Any) -> list[Any]:
    """Return the partials and functions that a call goes through, the outermost first."""
    layers: list[Any] = []
    while function is not None and len(layers) < _MAX_LAYERS:
        if isinstance(function, FunctionType):
            layers.append(function)
            function = function.__dict__.get("__wrapped__")
        elif isinstance(function, functools.partial):
            layers.append(function)
            function = function.func
        elif isinstance(function, CACHED):
            function = function.__wrapped__  # type: ignore[attr-defined]
        else:
            function = getattr(function, "__func__", None)
    return layers


def _add(pieces: dict[str, str], place: str, digest: str) -> None:
    if digest:
        # Two layers of decorators may have variables of one name.
        pieces[place] = digest if place not in pieces else _digest(pieces[place] + digest)


def _defaults(function: FunctionType, filled: Collection[str | int]) -> Iterator[tuple[str, Any]]:
    code = function.__code__
    first = code.co_argcount - len(function.__defaults__ or ())
    for position, value in enumerate(function.__defaults__ or (), first):
        name = code.co_varnames[position]
        if name not in filled and position not in filled:
            yield name, value
    for name, value in (function.__kwdefaults__ or {}).items():
        if name not in filled:
            yield name, value


def _add_closure(pieces: dict[str, str], function: FunctionType, seen: frozenset[int]) -> None:
    wrapped = function.__dict__.get("__wrapped__")
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            value = cell.cell_contents
        except ValueError:
            continue  # defined later than the function
        if isinstance(value, _WITH_CODE):
            # The wrapped one has a layer of its own; a recursive function is in its own closure.
            if value is wrapped or value is function or id(value) in seen:
                continue
            inner = _pieces(value, (), seen | {id(function), id(value)})
            digest = _digest(_joined(_source_digest(value), inner))
        else:
            digest = data_digest(value)
        _add(pieces, f"closure variable {name!r}", digest)
