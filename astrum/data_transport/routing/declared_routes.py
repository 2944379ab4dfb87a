"""Connects the relations that functions declare with the tasks of those functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from astrum.data_transport.annotations import From, Input, Resource, To
from astrum.data_transport.declared.relations import Relations, place_of, relations_of
from astrum.data_transport.declared.signatures import (
    COLLECTING,
    Parameter,
    declaration_of,
    siblings_of,
)
from astrum.data_transport.routing.routes import DeclaredRoutes, Route
from astrum.data_transport.routing.task_index import TaskIndex


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

    def _reading(self, task_id: str, parameter: Parameter, mark: From | Input | Resource) -> Route:
        # Name and position of the slot, so that an explicit relation to either replaces it.
        name = None if parameter.kind in COLLECTING else parameter.name
        locator = None if isinstance(mark, Resource) else mark.locator
        path = () if locator is None else (locator,)
        slot = (task_id, name, parameter.position, path, parameter)
        if isinstance(mark, Input):
            return Route(mark.name or "", *slot, origin="input", secret=mark.secret)
        if isinstance(mark, Resource):
            return Route("", *slot, provider=mark)
        source = mark.task
        if type(source) is not str or source not in self._functions:
            source = self._index.find(source)
        return Route(source, *slot, default=mark.default)

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


def _default_target(local: str | int | None) -> str | int:
    return local if isinstance(local, str) else 0


def _name_or_position(slot: str | int) -> tuple[str | None, int | None]:
    return (slot, None) if isinstance(slot, str) else (None, slot)
