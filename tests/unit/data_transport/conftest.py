"""Resolves functions to what fills their parameters, in one call."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from astrum.data_transport import (
    TaskData,
    auto_generate_data_transports,
    merge_task_data,
    resolve_inputs,
    routes_of,
)
from astrum.data_transport.bindings import TaskInputs

Functions = dict[str, Callable[..., Any]]


def _generate(functions: Functions) -> list[TaskData]:
    return auto_generate_data_transports(
        [SimpleNamespace(task_name=name) for name in functions], functions
    )


def _relate(functions: Functions, *explicit: TaskData) -> dict[str, TaskInputs]:
    return resolve_inputs(routes_of(merge_task_data(explicit, _generate(functions))), functions)


@pytest.fixture
def generate() -> Callable[[Functions], list[TaskData]]:
    return _generate


@pytest.fixture
def relate() -> Callable[..., dict[str, TaskInputs]]:
    return _relate
