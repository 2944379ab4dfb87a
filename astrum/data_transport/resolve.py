"""From relations to bindings: what fills each parameter of each task."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import Parameter as P
from typing import TYPE_CHECKING, Any

from astrum.data_transport.bindings import Binding, Supply, TaskInputs
from astrum.data_transport.declarations import (
    ABSENT,
    Declaration,
    Parameter,
    declaration_of,
)
from astrum.data_transport.shapes import is_unknown, reduced, stripped
from astrum.data_transport.slots import Route, path_of, routes_in, supplier
from astrum.errors import TaskRegistrationError, nearest

if TYPE_CHECKING:
    from astrum.data_transport.items import AnyTaskData

NO_INPUTS = TaskInputs()


def resolve_inputs(
    task_data: Sequence[AnyTaskData], functions: Mapping[str, Callable[..., Any]]
) -> dict[str, TaskInputs]:
    """Return what fills the parameters of every task in ``functions``.

    A value sent to a position is bound to the parameter's name where it has one that can be
    used. Linear in the number of items. Raises `TaskRegistrationError`, naming task and
    parameter, for an unknown task, a parameter that the function does not have, or one that
    would get two different values.
    """
    resolver = _Resolver(functions)
    for data in task_data:
        for route in routes_in(data):
            resolver.add(route)
    return {task_id: resolver.inputs(task_id) for task_id in functions}


class _Resolver:
    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._declarations: dict[int, Declaration] = {}
        self._fillers: dict[str, dict[str | int, Binding | Supply]] = {}
        self._expected: dict[str, dict[str | int, Any]] = {}
        self._undeclared: dict[str, set[str | int]] = {}
        self._by_position: set[str] = set()
        self._types: dict[tuple[int, type | None], Any] = {}

    def add(self, route: Route) -> None:
        self._check_ends(route)
        slot, parameter = _slot_of(route, self._declaration(route.target))
        filler = _filler(route, slot)
        fillers = self._fillers.setdefault(route.target, {})
        known = fillers.setdefault(slot, filler)
        if known is not filler and known != filler:
            raise _two_values(route.target, slot, known, filler)
        if type(slot) is int:
            self._by_position.add(route.target)
        if not route.declared:
            self._undeclared.setdefault(route.target, set()).add(slot)
        expected = self._expected_type(parameter, route.item.allow_data_model)
        if expected is not ABSENT:
            self._expected.setdefault(route.target, {})[slot] = expected

    def inputs(self, task_id: str) -> TaskInputs:
        fillers = self._fillers.get(task_id)
        if fillers is None:
            return NO_INPUTS
        expected = self._expected.get(task_id, {})
        bare = self._undeclared.get(task_id, set())
        if task_id in self._by_position:
            renamed = _by_position(task_id, fillers, self._declaration(task_id))
            fillers = {new: _moved(fillers[old], new) for old, new in renamed.items()}
            expected = {renamed[old]: kind for old, kind in expected.items()}
            bare = {renamed[old] for old in bare}
        bindings = [f for f in fillers.values() if type(f) is Binding]
        return TaskInputs(
            bindings=tuple(bindings),
            supplies=self._supplies(fillers) if len(bindings) < len(fillers) else (),
            expected=expected,
            undeclared=tuple(b for b in bindings if b.parameter in bare) if bare else (),
        )

    def _supplies(self, fillers: Mapping[str | int, Binding | Supply]) -> tuple[Supply, ...]:
        return tuple(f for f in fillers.values() if type(f) is Supply)

    def _check_ends(self, route: Route) -> None:
        if route.target not in self._functions:
            raise self._unknown(route, route.target, f"task {route.source!r} sends a value to")
        if route.source and route.source not in self._functions:
            raise self._unknown(route, route.source, f"{_slot_name(route)} reads")
        if not route.source and supplier(route.item) is None:
            raise TaskRegistrationError(f"{_slot_name(route)} has an item without a source")

    def _unknown(self, route: Route, task_id: str, what: str) -> TaskRegistrationError:
        hint = nearest(task_id, self._functions)
        return TaskRegistrationError(f"{what} the task {task_id!r}, which does not exist{hint}")

    def _expected_type(self, parameter: Parameter, allowed: type | None) -> Any:
        question = (id(parameter), allowed)
        if question not in self._types:
            self._types[question] = _expected(parameter, allowed)
        return self._types[question]

    def _declaration(self, task_id: str) -> Declaration:
        function = self._functions[task_id]
        found = self._declarations.get(id(function))
        if found is None:
            found = self._declarations[id(function)] = declaration_of(function)
        return found


def _slot_name(route: Route) -> str:
    slot = route.name if route.name is not None else route.position
    return f"task {route.target!r}, parameter {slot!r}"


def _slot_of(route: Route, declaration: Declaration) -> tuple[str | int, Parameter]:
    """Return the key under which the value is passed, and the parameter that takes it."""
    wanted = route.position if route.name is None else route.name
    parameter = declaration.find(wanted) if wanted is not None else None
    if parameter is None or wanted is None:
        known = declaration.parameters
        raise TaskRegistrationError(
            f"task {route.target!r} has no parameter {wanted!r} for what "
            f"{_source_name(route)} gives; it has {_listed(known)}{nearest(str(wanted), known)}"
        )
    if parameter.kind in (P.VAR_POSITIONAL, P.VAR_KEYWORD):
        return wanted, parameter
    if parameter.kind is P.POSITIONAL_ONLY and parameter.position is not None:
        return parameter.position, parameter
    return parameter.name, parameter


def _source_name(route: Route) -> str:
    return f"task {route.source!r}" if route.source else "from_function"


def _listed(parameters: Mapping[str, Parameter]) -> str:
    return ", ".join(map(repr, parameters)) or "none"


def _filler(route: Route, slot: str | int) -> Binding | Supply:
    supplying = supplier(route.item)
    if supplying is not None:
        return Supply(slot, supplying.from_function)
    return Binding(slot, route.source, path_of(route.item.from_relation))


def _moved(filler: Binding | Supply, slot: str | int) -> Binding | Supply:
    if type(filler) is Binding:
        return Binding(slot, filler.source, filler.path)
    return Supply(slot, filler.provider) if type(filler) is Supply else filler


def _expected(parameter: Parameter, allowed: type | None) -> Any:
    """Return the type that the value must have; the item's own model goes before the annotation."""
    declared = parameter.annotation
    if allowed is not None and (declared is ABSENT or reduced(declared) is not allowed):
        return allowed
    if declared is ABSENT:
        return ABSENT
    plain = stripped(declared)
    return ABSENT if is_unknown(plain) else plain


def _by_position(
    task_id: str, fillers: Mapping[str | int, Binding | Supply], declaration: Declaration
) -> dict[str | int, str | int]:
    """Return the slots to use instead, for a task some of whose slots are positions.

    When ``*args`` gets a value, the parameters before it must go by position as well.
    """
    last = max(slot for slot in fillers if isinstance(slot, int))
    names = {p.name: p.position for p in declaration.positional[: last + 1]}
    renamed: dict[str | int, str | int] = {}
    for slot in fillers:
        place = names.get(slot) if isinstance(slot, str) else None
        renamed[slot] = slot if place is None else place
    missing = set(range(last + 1)).difference(renamed.values())
    if missing:
        raise TaskRegistrationError(
            f"task {task_id!r} gets a value at position {last}, but none at position {min(missing)}"
        )
    return renamed


def _two_values(
    task_id: str, slot: str | int, known: Binding | Supply, other: Binding | Supply
) -> TaskRegistrationError:
    both = " and ".join(map(_described, (known, other)))
    return TaskRegistrationError(f"task {task_id!r}, parameter {slot!r} gets two values: {both}")


def _described(filler: Binding | Supply) -> str:
    if isinstance(filler, Supply):
        return "one from from_function"
    part = "".join(f"[{step!r}]" for step in filler.path)
    return f"{filler.source!r}{part}"
