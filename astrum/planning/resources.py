"""Resources: what opens them, what they need, and whether what they give fits the parameters."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from inspect import Parameter as P
from types import MappingProxyType
from typing import Any, NamedTuple

from astrum.data_transport.annotations import Resource
from astrum.data_transport.bindings import ResourceSlot, TaskInputs
from astrum.data_transport.declared.declarable import unfilled
from astrum.data_transport.declared.relations import Relations, place_of, relations_of
from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.class_fields import is_unknown, stripped, type_name
from astrum.errors import TaskRegistrationError, nearest

_GENERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
    collections.abc.AsyncIterator,
    collections.abc.AsyncIterable,
    collections.abc.AsyncGenerator,
)
Functions = Mapping[str, Callable[..., Any]]
NO_FUNCTIONS: Functions = MappingProxyType({})


@dataclass(frozen=True, eq=False, slots=True)
class ResourceSource:
    """A resource that a process can open, with those that it needs; ``gives`` is its type.

    There is one object for each resource of a graph.
    """

    name: str
    namespace: str
    function: Callable[..., Any]
    needs: tuple[ResourceUse, ...] = ()
    gives: Any = Any


class ResourceUse(NamedTuple):
    """A parameter, and the resource that fills it."""

    parameter: str | int
    source: ResourceSource


Uses = tuple[ResourceUse, ...]
"""The resources that fill parameters of one function."""


class ResourceGraph:
    """The resources that the functions of one namespace declare, read when they are asked for."""

    def __init__(self, namespace: str, functions: Functions) -> None:
        self._namespace = namespace
        self._functions = functions
        self._sources: dict[str, ResourceSource] = {}

    def source(self, name: str) -> ResourceSource:
        """Return a resource; raises `TaskRegistrationError` if it, or one it needs, is not valid.

        The name is one of the functions'.
        """
        return self._sources.get(name) or self._read(name, ())

    def of_tasks(self, inputs: Mapping[str, TaskInputs]) -> tuple[dict[str, Uses], dict[str, str]]:
        """Return the resources of each task that needs any, and what tasks lack.

        The second has, by task, the name of a needed resource that no function gives. Raises
        `TaskRegistrationError` for a resource that is not valid.
        """
        uses: dict[str, Uses] = {}
        lacking: dict[str, str] = {}
        for task_id, (*_, slots) in inputs.items():
            if not slots:
                continue
            missing = self._missing(slots)
            if missing:
                lacking[task_id] = missing
            else:
                uses[task_id] = tuple(ResourceUse(s.parameter, self.source(s.name)) for s in slots)
        return uses, lacking

    def check(self, inputs: Mapping[str, TaskInputs], *, check_types: bool) -> None:
        """Raise `TaskRegistrationError` for a resource that a task needs and that is not valid.

        With ``check_types`` also for a type that does not fit.
        """
        for task_id, task_inputs in inputs.items():
            for slot in task_inputs.resources:
                place = f"task {task_id!r}, parameter {slot.parameter!r}"
                if slot.name not in self._functions:
                    raise self._unknown(place, slot.name)
                source = self.source(slot.name)
                if check_types:
                    _check_fit(place, slot, source)

    def _missing(self, slots: Iterable[ResourceSlot]) -> str:
        """Return the name of a resource that is needed and that no function gives, else ""."""
        seen: set[str] = set()
        return next((gap for slot in slots for gap in self._gaps(slot.name, seen)), "")

    def _gaps(self, name: str, seen: set[str]) -> Iterator[str]:
        if name in seen or name in self._sources:  # what was read lacks nothing
            return
        seen.add(name)
        function = self._functions.get(name)
        if function is None:
            yield name
            return
        for _, mark in _relations(name, function).inputs:
            if isinstance(mark, Resource):
                yield from self._gaps(mark.name or "", seen)

    def _read(self, name: str, path: tuple[str, ...]) -> ResourceSource:
        if name in path:
            cycle = " -> ".join([*path[path.index(name) :], name])
            raise TaskRegistrationError(
                f"resources need each other: {cycle}; remove one of these needs"
            )
        function = self._functions[name]
        uses = []
        for slot in _slots(name, function):
            place = f"resource {name!r}, parameter {slot.parameter!r}"
            if slot.name not in self._functions:
                raise self._unknown(place, slot.name)
            source = self._sources.get(slot.name) or self._read(slot.name, (*path, name))
            _check_fit(place, slot, source)
            uses.append(ResourceUse(slot.parameter, source))
        found = ResourceSource(name, self._namespace, function, tuple(uses), _gives(name, function))
        self._sources[name] = found
        return found

    def _unknown(self, place: str, name: str) -> TaskRegistrationError:
        return TaskRegistrationError(
            f"{place} needs the resource {name!r}, which no function of namespace "
            f"{self._namespace!r} gives{nearest(name, self._functions)}; decorate a generator "
            f'function that yields it with @resource("{name}")'
        )


def names_needed(uses: Iterable[ResourceUse]) -> tuple[str, ...]:
    """Return the names of resources, and of all that these need, sorted."""
    found: set[str] = set()
    waiting = [use.source for use in uses]
    while waiting:
        source = waiting.pop()
        if source.name not in found:
            found.add(source.name)
            waiting += [use.source for use in source.needs]
    return tuple(sorted(found))


def missing_resource(name: str) -> str:
    """Return that a worker lacks a resource, and what to do, for messages."""
    return (
        f"it lacks the resource {name!r}, which no function there gives: give it the module that "
        f'declares @resource("{name}") too'
    )


def check_resource_function(name: str, function: Any) -> None:
    """Raise `TaskRegistrationError` unless a function can give a resource."""
    is_generator = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    if is_generator:
        return
    hint = ""
    if inspect.isgeneratorfunction(inspect.unwrap(function)) or inspect.isasyncgenfunction(
        inspect.unwrap(function)
    ):
        hint = ". Drop the decorator between (such as @contextmanager)"
    raise TaskRegistrationError(
        f"resource {name!r} must be a generator function, sync or async, that opens it, yields it "
        f"once and closes it, got {function!r}{hint}"
    )


def _relations(name: str, function: Callable[..., Any]) -> Relations:
    try:
        return relations_of(declaration_of(function))
    except ValueError as error:
        raise TaskRegistrationError(f"resource {name!r}: {error}") from error


def _slots(name: str, function: Callable[..., Any]) -> list[ResourceSlot]:
    """Return the parameters that other resources fill; refuse all that nothing can fill."""
    inputs, output = _relations(name, function)
    slots = []
    for parameter, mark in inputs:
        if not isinstance(mark, Resource) or parameter.kind not in _BY_NAME:
            raise TaskRegistrationError(
                f"resource {name!r}, {place_of(parameter)} has {mark!r}: the parameters of a "
                "resource are passed by name and may be other resources only, since it is opened "
                "once for all runs"
            )
        plain = ABSENT if parameter.annotation is ABSENT else stripped(parameter.annotation)
        expected = Any if plain is ABSENT or is_unknown(plain) else plain
        slots.append(ResourceSlot(parameter.name, mark.name or "", expected))
    if output is not None:
        raise TaskRegistrationError(
            f"resource {name!r} has {output!r}: what a resource yields is read by name, with "
            f'Ref[type, Resource("{name}")]'
        )
    missing = unfilled(function, [slot.parameter for slot in slots])
    if missing:
        raise TaskRegistrationError(
            f"resource {name!r}, parameter {missing[0]!r} has no default value and nothing fills "
            f'it: annotate it with another resource, {missing[0]}: Ref[type, Resource("name")], '
            "or give it a default value"
        )
    return slots


_BY_NAME = (P.POSITIONAL_OR_KEYWORD, P.KEYWORD_ONLY)


def _gives(name: str, function: Callable[..., Any]) -> Any:
    returns = declaration_of(function).returns
    if returns is ABSENT:
        return Any
    plain = stripped(returns)
    if is_unknown(plain):
        return Any
    origin, arguments = typing.get_origin(plain) or plain, typing.get_args(plain)
    if origin not in _GENERATORS:
        kind = "AsyncIterator" if inspect.isasyncgenfunction(function) else "Iterator"
        raise TaskRegistrationError(
            f"resource {name!r} declares that it returns {type_name(plain)}; a generator function "
            f"that yields it returns {kind}[{type_name(plain)}]"
        )
    return arguments[0] if arguments else Any


def _check_fit(place: str, slot: ResourceSlot, source: ResourceSource) -> None:
    if not could_fit(source.gives, slot.expected):
        raise TaskRegistrationError(
            f"{place} expects {type_name(slot.expected)}, but the resource {source.name!r} gives "
            f"{type_name(source.gives)}"
        )
