"""Resolves relations to bindings: the source of each parameter of each task."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from inspect import Parameter as P
from typing import Any

from astrum.data_transport.annotations import Resource
from astrum.data_transport.bindings import (
    PLAIN,
    Binding,
    Reads,
    ResourceSlot,
    Supply,
    TaskInputs,
)
from astrum.data_transport.declared.signatures import (
    ABSENT,
    COLLECTING,
    Declaration,
    Parameter,
    declaration_of,
)
from astrum.data_transport.routing.routes import Route
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.class_fields import is_unknown, reduced, stripped
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.errors import TaskRegistrationError, nearest

NO_INPUTS = TaskInputs()
_ORDINARY = P.POSITIONAL_OR_KEYWORD

_Slot = str | int
_Filler = Binding | Supply


def resolve_inputs(
    routes: Iterable[Route], functions: Mapping[str, Callable[..., Any]]
) -> dict[str, TaskInputs]:
    """Return what fills the parameters of every task in ``functions``.

    A value sent to a position is bound to the parameter's name if the parameter can be passed by
    name. Linear in the number of routes. Raises `TaskRegistrationError`, naming task and
    parameter, for an unknown task, a parameter that the function does not have, or one that
    would get two different values.
    """
    resolver = _Resolver(functions)
    for route in routes:
        resolver.add(route)
    return {task_id: resolver.inputs(task_id) for task_id in functions}


@dataclass(slots=True)
class _Filling:
    """The sources of one task, by parameter; ``positions``: a value is passed by position."""

    fillers: dict[_Slot, _Filler] = field(default_factory=dict)
    expected: dict[_Slot, Any] = field(default_factory=dict)
    undeclared: set[_Slot] = field(default_factory=set)
    defaults: dict[_Slot, Any] = field(default_factory=dict)
    secrets: set[_Slot] = field(default_factory=set)
    reads: Mapping[_Slot, Reads] | None = None
    positions: bool = False

    def renamed(self, task_id: str, declaration: Declaration) -> _Filling:
        """Return the same with positions instead of names where the function needs them."""
        slots = _by_position(task_id, self.fillers, declaration)
        return _Filling(
            {new: _moved(self.fillers[old], new) for old, new in slots.items()},
            {slots[old]: kind for old, kind in self.expected.items()},
            {slots[old] for old in self.undeclared},
            {slots[old]: value for old, value in self.defaults.items()},
            {slots[old] for old in self.secrets},
            self.reads and {slots[old]: reads for old, reads in self.reads.items()},
        )

    def inputs(self) -> TaskInputs:
        fillers, bare = self.fillers.values(), self.undeclared
        bindings = tuple([f for f in fillers if type(f) is Binding])
        supplies = tuple([f for f in fillers if type(f) is Supply])
        if any(map(_is_resource, supplies)):
            return self._with_resources(supplies)
        undeclared = tuple([b for b in bindings if b.parameter in bare]) if bare else ()
        secrets = frozenset(self.secrets)
        made = TaskInputs(bindings, supplies, self.expected, undeclared, self.defaults, secrets)
        return made if self.reads is None else made._replace(reads=self.reads)

    def _with_resources(self, supplies: tuple[Supply, ...]) -> TaskInputs:
        resources = tuple(
            ResourceSlot(slot, provider.name or "", self.expected.pop(slot, Any))
            for slot, provider in supplies
            if type(provider) is Resource
        )
        self.fillers = {slot: f for slot, f in self.fillers.items() if not _is_resource(f)}
        return self.inputs()._replace(resources=resources)


def _is_resource(filler: _Filler) -> bool:
    return type(filler) is Supply and type(filler.provider) is Resource


class _Resolver:
    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._declarations: dict[int, Declaration] = {}
        self._fillings: dict[str, _Filling] = {}

    def add(self, route: Route) -> None:
        parameter = route.parameter or self._parameter(route)
        slot = parameter.name if parameter.kind is _ORDINARY else _slot_of(route, parameter)
        filling = self._fillings.get(route.target)
        if filling is None:
            filling = self._fillings[route.target] = _Filling()
        filler = _filler(route, slot)
        known = filling.fillers.setdefault(slot, filler)
        if known is not filler and known != filler:
            raise _two_values(route.target, slot, known, filler)
        expected = _expected(parameter, self._allowed_value(route))
        if expected is not ABSENT:
            filling.expected[slot] = expected
        if route.reads is not PLAIN:
            filling.reads = {**(filling.reads or {}), slot: route.reads}
        if route.default is not ABSENT:
            filling.defaults[slot] = route.default
        if route.secret:
            filling.secrets.add(slot)
        if type(slot) is int:
            filling.positions = True
        if not route.declared:
            filling.undeclared.add(slot)

    def inputs(self, task_id: str) -> TaskInputs:
        filling = self._fillings.get(task_id)
        if filling is None:
            return NO_INPUTS
        if filling.positions:
            filling = filling.renamed(task_id, self._declaration(task_id))
        return filling.inputs()

    def _allowed_value(self, route: Route) -> type | None:
        """Return the class of the value; None if the item's class is that of the whole result."""
        allowed = route.allowed
        if allowed is None or not route.path or route.origin == "input":
            return allowed
        if route.source not in self._functions:
            return allowed
        whole = self._declaration(route.source).returns
        try:
            type_at(allowed, route.path)
        except NoSuchPart:
            return allowed
        return None if whole is ABSENT or could_fit(whole, allowed) else allowed

    def _parameter(self, route: Route) -> Parameter:
        self._check_ends(route)
        wanted = route.position if route.name is None else route.name
        declaration = self._declaration(route.target)
        parameter = declaration.find(wanted) if wanted is not None else None
        if parameter is None:
            known = declaration.parameters
            raise TaskRegistrationError(
                f"task {route.target!r} has no parameter {wanted!r} for what "
                f"{_source_name(route)} gives; it has {_parameter_names(known)}"
                f"{nearest(str(wanted), known)}"
            )
        return parameter

    def _check_ends(self, route: Route) -> None:
        if route.target not in self._functions:
            raise self._unknown(route.target, f"task {route.source!r} sends a value to")
        if route.origin == "input":
            return
        for source in (route.source, *route.reads.others):
            if source and source not in self._functions:
                raise self._unknown(source, f"{_slot_name(route)} reads")
        if not route.source and route.provider is ABSENT:
            raise TaskRegistrationError(f"{_slot_name(route)} has an item without a source")

    def _unknown(self, task_id: str, what: str) -> TaskRegistrationError:
        hint = nearest(task_id, self._functions)
        return TaskRegistrationError(f"{what} the task {task_id!r}, which does not exist{hint}")

    def _declaration(self, task_id: str) -> Declaration:
        function = self._functions[task_id]
        found = self._declarations.get(id(function))
        if found is None:
            found = self._declarations[id(function)] = declaration_of(function)
        return found


def _slot_name(route: Route) -> str:
    slot = route.name if route.name is not None else route.position
    return f"task {route.target!r}, parameter {slot!r}"


def _slot_of(route: Route, parameter: Parameter) -> _Slot:
    """Return the key under which a value is passed to a parameter of a special kind."""
    if parameter.kind in COLLECTING:
        wanted = route.position if route.name is None else route.name
        return parameter.name if wanted is None else wanted
    if parameter.kind is P.POSITIONAL_ONLY and parameter.position is not None:
        return parameter.position
    return parameter.name


def _source_name(route: Route) -> str:
    if route.origin == "input":
        return f"input {route.source!r}"
    return f"task {route.source!r}" if route.source else "from_function"


def _parameter_names(parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(map(repr, parameters)) or "none"


def _filler(route: Route, slot: _Slot) -> _Filler:
    if route.provider is not ABSENT:
        return Supply(slot, route.provider)
    if route.reads is PLAIN:
        return Binding(slot, route.source, route.path, route.origin)
    item = route.reads.item if route.reads.each else None
    return Binding(slot, route.source, route.path, route.origin, item, route.reads.others)


def _moved(filler: _Filler, slot: _Slot) -> _Filler:
    if type(filler) is Binding:
        return filler._replace(parameter=slot)
    return Supply(slot, filler.provider) if type(filler) is Supply else filler


def _expected(parameter: Parameter, allowed: type | None) -> Any:
    """Return the type that the value must have; the item's own model overrides the annotation."""
    declared = parameter.annotation
    if allowed is not None and (declared is ABSENT or reduced(declared) is not allowed):
        return allowed
    if declared is ABSENT:
        return ABSENT
    plain = stripped(declared)
    return ABSENT if is_unknown(plain) else plain


def _by_position(
    task_id: str, fillers: Mapping[_Slot, _Filler], declaration: Declaration
) -> dict[_Slot, _Slot]:
    """Return the slots to use instead, for a task some of whose slots are positions.

    When ``*args`` gets a value, the parameters before it must go by position as well.
    """
    last = max(slot for slot in fillers if isinstance(slot, int))
    names = {p.name: p.position for p in declaration.positional[: last + 1]}
    renamed: dict[_Slot, _Slot] = {}
    for slot in fillers:
        place = names.get(slot) if isinstance(slot, str) else None
        renamed[slot] = slot if place is None else place
    missing = set(range(last + 1)).difference(renamed.values())
    if missing:
        raise TaskRegistrationError(
            f"task {task_id!r} gets a value at position {last}, but none at position {min(missing)}"
        )
    return renamed


def _two_values(task_id: str, slot: _Slot, known: _Filler, other: _Filler) -> TaskRegistrationError:
    both = " and ".join(map(_described, (known, other)))
    return TaskRegistrationError(f"task {task_id!r}, parameter {slot!r} gets two values: {both}")


def _described(filler: _Filler) -> str:
    if isinstance(filler, Supply):
        name = getattr(filler.provider, "name", "")
        return f"resource {name!r}" if _is_resource(filler) else "one from from_function"
    part = "".join(f"[{step!r}]" for step in filler.path)
    part += "" if filler.item is None else " (each element)"
    return f"{'input ' if filler.origin == 'input' else ''}{filler.source!r}{part}"
