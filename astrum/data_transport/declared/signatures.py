"""The declaration of a callable: its parameters, the slots that can be filled, its result.

One shape for functions, methods, static and class methods, partials, callable objects and
classes. Evaluated once for each function and kept as long as the function exists.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from inspect import Parameter as P
from types import FunctionType
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from astrum.data_transport.declared.callables import is_unbound_method, source_function
from astrum.data_transport.declared.fast_paths import ParameterSlot, slots_of_code
from astrum.data_transport.declared.marks import is_plain, opened
from astrum.data_transport.declared.text_annotations import Owner, Siblings, evaluate, names_in

ABSENT: Any = inspect.Parameter.empty
"""Marks that nothing was declared."""


COLLECTING = (P.VAR_POSITIONAL, P.VAR_KEYWORD)
"""The kinds of ``*args`` and ``**kwargs``."""


class Parameter(NamedTuple):
    """One parameter; ``position`` is None for keyword-only ones, `*args` has the first free one."""

    name: str
    kind: inspect._ParameterKind
    position: int | None
    annotation: Any = ABSENT


class Declaration(NamedTuple):
    """The parameters of a callable, without ``self``, and its annotated result.

    ``parameters`` holds the named ones; ``rest`` is ``*args`` and ``named_rest`` ``**kwargs``.
    """

    parameters: Mapping[str, Parameter]
    positional: tuple[Parameter, ...]
    rest: Parameter | None = None
    named_rest: Parameter | None = None
    returns: Any = ABSENT

    def find(self, slot: str | int) -> Parameter | None:
        """Return what takes a value sent to the name or position ``slot``; None if nothing does."""
        if isinstance(slot, str):
            return self.parameters.get(slot, self.named_rest)
        if 0 <= slot < len(self.positional):
            return self.positional[slot]
        return self.rest if slot >= 0 else None


def declaration_of(function: Callable[..., Any], siblings: Siblings | None = None) -> Declaration:
    """Return what ``function`` declares, with annotations given as strings evaluated.

    ``siblings`` are functions that those strings may name. Raises ``ValueError`` for a relation
    that cannot be evaluated.
    """
    if not isinstance(function, FunctionType):
        return _declare(function, siblings)[0]
    found = _kept.get(function)
    if found is None:
        found, complete = _declare(function, siblings)
        if complete:
            _kept[function] = found
    return found


_kept: WeakKeyDictionary[FunctionType, Declaration] = WeakKeyDictionary()


def annotations_of(function: Callable[..., Any]) -> Mapping[str, Any]:
    """Return the annotations of a callable; a ``__signature__`` that was set takes precedence."""
    if type(function) is FunctionType and not function.__dict__:
        return function.__annotations__
    source = source_function(function)
    annotations: Mapping[str, Any] = {} if source is None else source.__annotations__
    stated = None if isinstance(function, type) else getattr(function, "__signature__", None)
    if not isinstance(stated, inspect.Signature):
        return annotations
    own = {p.name: p.annotation for p in stated.parameters.values() if p.annotation is not ABSENT}
    return {**annotations, **own}


def default_of(function: Callable[..., Any], slot: str | int) -> Any:
    """Return the default value of the parameter with a name or position, `ABSENT` if none."""
    called: Any = function
    is_classmethod = isinstance(called, classmethod)
    try:
        signature = inspect.signature(called.__func__ if is_classmethod else called)
    except ValueError:  # written in C
        return ABSENT
    parameters = list(signature.parameters.values())
    if parameters and (is_classmethod or is_unbound_method(function, parameters[0].name)):
        del parameters[0]
    for position, parameter in enumerate(parameters):
        if slot in (position, parameter.name):
            return parameter.default
    return ABSENT


def siblings_of(functions: Iterable[Callable[..., Any]]) -> Siblings:
    """Return the functions among ``functions`` by where they were defined."""
    return Siblings(plain for f in functions if (plain := source_function(f)) is not None)


def _declare(function: Callable[..., Any], siblings: Siblings | None) -> tuple[Declaration, bool]:
    source = source_function(function)
    annotations = annotations_of(function)
    hints: dict[str, Any] = {}
    complete = True
    if source is not None and annotations and not names_in(annotations):
        hints = {name: type(None) if a is None else a for name, a in annotations.items()}
    elif source is not None and annotations:
        evaluated = evaluate(annotations, Owner.of_function(source), siblings)
        hints, complete = evaluated.hints, evaluated.complete
    if isinstance(function, type):
        hints = {**hints, "return": function}
    for name, hint in hints.items():
        if not is_plain(hint):
            hints[name] = opened(hint)
    return _assemble(_slots(function), hints), complete


_Slots = Sequence[ParameterSlot]
_UNTOLD: _Slots = (ParameterSlot("args", P.VAR_POSITIONAL), ParameterSlot("kwargs", P.VAR_KEYWORD))


def _slots(function: Callable[..., Any]) -> _Slots:
    if isinstance(function, classmethod):
        return slots_in(inspect.signature(function.__func__))[1:]
    if isinstance(function, FunctionType) and not function.__dict__:
        slots: _Slots = slots_of_code(function.__code__)
    else:
        try:
            slots = slots_in(inspect.signature(function))
        except ValueError:
            return _UNTOLD  # written in C
    return slots[1:] if slots and is_unbound_method(function, slots[0].name) else slots


def slots_in(signature: inspect.Signature) -> _Slots:
    """Return the names and kinds of the parameters of a signature."""
    return [ParameterSlot(p.name, p.kind) for p in signature.parameters.values()]


def _assemble(slots: _Slots, hints: Mapping[str, Any]) -> Declaration:
    named: dict[str, Parameter] = {}
    positional: list[Parameter] = []
    rest = named_rest = None
    for name, kind in slots:
        annotation = hints.get(name, ABSENT)
        if kind is P.VAR_POSITIONAL:
            rest = Parameter(name, kind, len(positional), annotation)
        elif kind is P.VAR_KEYWORD:
            named_rest = Parameter(name, kind, None, annotation)
        elif kind is P.KEYWORD_ONLY:
            named[name] = Parameter(name, kind, None, annotation)
        else:
            named[name] = Parameter(name, kind, len(positional), annotation)
            positional.append(named[name])
    return Declaration(named, tuple(positional), rest, named_rest, hints.get("return", ABSENT))
