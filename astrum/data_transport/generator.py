"""Builds the `TaskData` of many tasks; apart from `generate`, for pydantic loads slowly."""

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
from astrum.data_transport.models import DataItem, DTRela, TaskData
from astrum.data_transport.relations import Relations, place_of, relations_of
from astrum.data_transport.shapes import reduced
from astrum.data_transport.task_index import TaskIndex

_ITEM_FIELDS = {"allow_data_model", "data_ref", "from_relation", "to_relation"}


class Generator:
    """Reads one task after the other; one function is read once, however many tasks it is."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]]) -> None:
        self._functions = functions
        self._siblings = siblings_of(functions.values())
        self._index = TaskIndex(functions)
        self._read: dict[int, Relations] = {}
        self._classes: dict[int, type | None] = {}
        self._inputs: dict[str, list[DataItem]] = {}
        self._outputs: dict[str, list[DataItem]] = {}
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

    def task_data(self, task_id: str) -> TaskData:
        return TaskData.model_construct(
            task_id=task_id,
            input_data_item=self._inputs.get(task_id, []),
            output_data_item=self._outputs.get(task_id, []),
            from_tasks=list(self._sources.get(task_id, ())),
            to_tasks=list(self._targets.get(task_id, ())),
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
        item = _item(_located(mark.locator, source), _slot(parameter, task_id), allowed)
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
        item = _item(_located(mark.local, task_id), slot, None)
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


def _located(locator: str | int | None, task_id: str) -> DTRela:
    key = locator if isinstance(locator, str) else None
    index = locator if isinstance(locator, int) else None
    return _rela(key, index, locator is None, task_id)


def _slot(parameter: Parameter, task_id: str) -> DTRela:
    # Name and position of one slot, so an explicit relation to either takes its place.
    name = None if _collects(parameter) else parameter.name
    return _rela(name, parameter.position, False, task_id)


def _rela(key: str | None, index: int | None, single_item: bool, task_id: str) -> DTRela:
    return DTRela.model_construct(
        key=key, index=index, single_item=single_item, related_task=task_id, from_function=None
    )


def _item(source: DTRela, target: DTRela, allowed: type | None) -> DataItem:
    slot = target.key if target.key is not None else target.index
    return DataItem.model_construct(
        _fields_set=_ITEM_FIELDS,
        allow_data_model=allowed,
        data_ref=f"{source.related_task}->{target.related_task}.{slot}",
        from_relation=source,
        to_relation=target,
    )
