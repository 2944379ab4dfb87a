"""Ties the relations that functions declare to the tasks that they are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import Parameter as P
from typing import Any

from astrum.data_transport.annotations import From, To
from astrum.data_transport.declarations import (
    Parameter,
    declaration_of,
    siblings_of,
)
from astrum.data_transport.items import End, Item, TaskItems
from astrum.data_transport.relations import Relations, place_of, relations_of
from astrum.data_transport.shapes import reduced
from astrum.data_transport.task_index import TaskIndex


class Generator:
    """Reads one task after the other; one function is read once, however many tasks it is."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._siblings = siblings_of(functions.values())
        self._index = TaskIndex(functions)
        self._read: dict[int, Relations] = {}
        self._classes: dict[int, type | None] = {}
        self._inputs: dict[str, list[Item]] = {}
        self._outputs: dict[str, list[Item]] = {}
        self._sources: dict[str, dict[str, None]] = {}
        self._targets: dict[str, dict[str, None]] = {}

    def read(self, task_id: str) -> None:
        place = "its annotations"
        try:
            relations = self._relations(self._functions[task_id])
            for parameter, mark in relations.inputs:
                place = place_of(parameter)
                self._add_input(task_id, parameter, mark)
            if relations.output is not None:
                place = "the return value"
                self._add_output(task_id, relations.output)
        except ValueError as error:
            about = "" if place in str(error) or place == "its annotations" else f", {place}"
            raise ValueError(f"task {task_id!r}{about}: {error}") from error

    def items(self, task_id: str) -> TaskItems:
        return TaskItems(
            task_id,
            self._inputs.get(task_id, ()),
            self._outputs.get(task_id, ()),
            tuple(self._sources.get(task_id, ())),
            tuple(self._targets.get(task_id, ())),
        )

    def _relations(self, function: Callable[..., Any]) -> Relations:
        read = self._read.get(id(function))
        if read is None:
            read = relations_of(declaration_of(function, self._siblings))
            self._read[id(function)] = read
        return read

    def _add_input(self, task_id: str, parameter: Parameter, mark: From) -> None:
        source = self._index.find(mark.task)
        allowed = self._allowed(parameter)
        item = Item(_located(mark.locator, source), _slot(parameter, task_id), allowed)
        self._inputs.setdefault(task_id, []).append(item)
        self._relate(source, task_id)

    def _add_output(self, task_id: str, mark: To) -> None:
        target = self._index.find(mark.task)
        wanted = mark.target if mark.target is not None else _default_target(mark.local)
        parameter = declaration_of(self._functions[target], self._siblings).find(wanted)
        if parameter is None or _collects(parameter):
            slot = _located(wanted, target)
        else:
            slot = _slot(parameter, target)
        # The receiver declares the type of what it gets.
        item = Item(_located(mark.local, task_id), slot, None)
        self._outputs.setdefault(task_id, []).append(item)
        self._relate(task_id, target)

    def _allowed(self, parameter: Parameter) -> type | None:
        if id(parameter) not in self._classes:
            self._classes[id(parameter)] = reduced(parameter.annotation)
        return self._classes[id(parameter)]

    def _relate(self, source: str, target: str) -> None:
        self._sources.setdefault(target, {})[source] = None
        self._targets.setdefault(source, {})[target] = None


def _default_target(local: str | int | None) -> str | int:
    return local if isinstance(local, str) else 0


def _collects(parameter: Parameter) -> bool:
    return parameter.kind in (P.VAR_POSITIONAL, P.VAR_KEYWORD)


def _located(locator: str | int | None, task_id: str) -> End:
    key = locator if isinstance(locator, str) else None
    index = locator if isinstance(locator, int) else None
    return End(task_id, key, index, locator is None)


def _slot(parameter: Parameter, task_id: str) -> End:
    # Name and position of one slot, so an explicit relation to either takes its place.
    name = None if _collects(parameter) else parameter.name
    return End(task_id, name, parameter.position)
