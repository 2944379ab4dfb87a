"""Types of what the fixtures of this folder return."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from astrum.data_transport import TaskData
from astrum.data_transport.bindings import TaskInputs

Functions = dict[str, Callable[..., Any]]
Generate = Callable[[Functions], list[TaskData]]


class Relate(Protocol):
    """Resolves functions and explicit relations to what fills the parameters of each task."""

    def __call__(self, functions: Functions, *explicit: TaskData) -> dict[str, TaskInputs]: ...
