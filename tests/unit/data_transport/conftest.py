"""Resolves functions to what fills their parameters, in one call."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from astrum.data_transport import (
    TaskData,
    auto_generate_data_transports,
    merge_task_data,
    resolve_inputs,
    routes_of,
)
from astrum.data_transport.bindings import TaskInputs
from tests.unit.data_transport.fixtures import Functions, Generate, Relate


def _generate(functions: Functions) -> list[TaskData]:
    return auto_generate_data_transports(
        [SimpleNamespace(task_name=name) for name in functions], functions
    )


def _relate(functions: Functions, *explicit: TaskData) -> dict[str, TaskInputs]:
    return resolve_inputs(routes_of(merge_task_data(explicit, _generate(functions))), functions)


@pytest.fixture
def generate() -> Generate:
    return _generate


@pytest.fixture
def relate() -> Relate:
    return _relate
