"""Connects the relations that functions declare with the tasks of those functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from astrum.data_transport.annotations import DROP, NO_DEFAULT, Each, From, Input, Resource, To
from astrum.data_transport.bindings import PLAIN, Path, Reads, Tolerance
from astrum.data_transport.declared.mark_checks import path_of
from astrum.data_transport.declared.relations import Relations, Source, place_of, relations_of
from astrum.data_transport.declared.signatures import (
    COLLECTING,
    Parameter,
    declaration_of,
    siblings_of,
)
from astrum.data_transport.routing.routes import DeclaredRoutes, Route
from astrum.data_transport.routing.task_index import TaskIndex

_Where = tuple[str, str | None, int | None, Path, Parameter]
"""The target of a route, as far as one parameter tells it."""


class Generator:
    """Reads one task after the other; each function is read once, also if it is several tasks."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._siblings = siblings_of(functions.values())
        self._index = TaskIndex(functions)
        self._read: dict[int, Relations] = {}

    def read(self, task_id: str) -> DeclaredRoutes:
        at: Parameter | To | None = None
        reads: list[Route] = []
        try:
            inputs, output = self._relations(self._functions[task_id])
            for at, mark in inputs:
                reads.append(self._reading(task_id, at, mark))
            at = output
            return DeclaredRoutes(reads, None if output is None else self._sending(task_id, output))
        except ValueError as error:
            place = place_of(at)
            about = f", {place}" if place not in str(error) else ""
            raise ValueError(f"task {task_id!r}{about}: {error}") from error

    def _relations(self, function: Callable[..., Any]) -> Relations:
        read = self._read.get(id(function))
        if read is None:
            read = relations_of(declaration_of(function, self._siblings))
            self._read[id(function)] = read
        return read

    def _reading(self, task_id: str, parameter: Parameter, mark: Source) -> Route:
        # Name and position of the slot, so that an explicit relation to either replaces it.
        name = None if parameter.kind in COLLECTING else parameter.name
        if isinstance(mark, Resource):
            return Route("", task_id, name, parameter.position, (), parameter, provider=mark)
        path: Path = () if mark.locator is None else (mark.locator,)
        reads = PLAIN
        if isinstance(mark, Each):
            mark, path, reads = _opened_each(mark)
        slot = (task_id, name, parameter.position, path, parameter)
        if isinstance(mark, Input):
            return Route(mark.name or "", *slot, origin="input", secret=mark.secret, reads=reads)
        if type(mark.task) is tuple or mark.failures or mark.default is not NO_DEFAULT:
            return self._tolerant(mark, slot)
        return Route(self._found(mark.task), *slot, reads=reads)

    def _tolerant(self, mark: From, slot: _Where) -> Route:
        """Return the route of several tasks, or of one that may have no result."""
        tasks: Any = mark.task if isinstance(mark.task, tuple) else (mark.task,)
        source, *others = map(self._found, tasks)
        default, tolerance = mark.default, _tolerance(mark)
        if tolerance != "default":
            default = NO_DEFAULT
        reads = Reads(others=tuple(others), tolerance=tolerance)
        return Route(source, *slot, default=default, reads=reads)

    def _found(self, task: Any) -> str:
        if type(task) is str and task in self._functions:
            return task
        return self._index.find(task)

    def _sending(self, task_id: str, mark: To) -> Route:
        target = self._index.find(mark.task)
        wanted = mark.target if mark.target is not None else _default_target(mark.local)
        path = () if mark.local is None else (mark.local,)
        parameter = declaration_of(self._functions[target], self._siblings).find(wanted)
        if parameter is None or parameter.kind in COLLECTING:
            name, position = _name_or_position(wanted)
        else:
            name, position = parameter.name, parameter.position
        return Route(task_id, target, name, position, path, parameter)


def _opened_each(mark: Each) -> tuple[From | Input, Path, Reads]:
    """Return what one or two `Each` go round, where the list is in it, and how it is read."""
    depth, source = 1, mark.source
    lists: Path = ()
    if isinstance(source, Each):
        depth, lists, source = 2, path_of(source.locator), source.source
    inner: From | Input = source if isinstance(source, (From, Input)) else From(source)  # type: ignore[arg-type]
    key = None if mark.key is None else () if mark.key is True else path_of(mark.key)
    path = (*path_of(inner.locator), *lists)
    return inner, path, Reads(depth, path_of(mark.locator), key)


def _tolerance(mark: From) -> Tolerance:
    if mark.failures:
        return "failure"
    if mark.default is DROP:
        return "drop"
    return "" if mark.default is NO_DEFAULT else "default"


def _default_target(local: str | int | None) -> str | int:
    return local if isinstance(local, str) else 0


def _name_or_position(slot: str | int) -> tuple[str | None, int | None]:
    return (slot, None) if isinstance(slot, str) else (None, slot)
