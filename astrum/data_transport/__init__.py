"""Carries values from one task's result to another task's parameters.

A relation is declared by annotation (`Ref` with `F` or `T`) or explicitly (`TaskData`), and ends
as bindings, which are data. The models are loaded on first use: they need pydantic, which takes
longer to import than the rest of the package. May import `config` and `errors`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from astrum.data_transport.annotations import (
    DROP,
    Case,
    Each,
    F,
    From,
    Input,
    Ref,
    Resource,
    T,
    To,
)
from astrum.data_transport.declared.declarable import check_declarable, unfilled
from astrum.data_transport.declared.text_annotations import remember_names
from astrum.data_transport.routing.from_annotations import (
    auto_generate_data_transports,
    declared_routes,
)
from astrum.data_transport.routing.from_models import routes_of
from astrum.data_transport.routing.merge import merge_task_data
from astrum.data_transport.routing.resolve import resolve_inputs
from astrum.data_transport.task_failure import TaskFailure
from astrum.data_transport.types.check_plan import check_types, declared_types, why_local_only
from astrum.data_transport.types.check_value import fitted

if TYPE_CHECKING:
    from astrum.data_transport.models import DataItem, DTRela, TaskData

__all__ = [
    "DROP",
    "Case",
    "DTRela",
    "DataItem",
    "Each",
    "F",
    "From",
    "Input",
    "Ref",
    "Resource",
    "T",
    "TaskData",
    "TaskFailure",
    "To",
    "auto_generate_data_transports",
    "check_declarable",
    "check_types",
    "declared_routes",
    "declared_types",
    "fitted",
    "merge_task_data",
    "remember_names",
    "resolve_inputs",
    "routes_of",
    "unfilled",
    "why_local_only",
]

_MODELS = ("DTRela", "DataItem", "TaskData")


def __getattr__(name: str) -> Any:
    if name not in _MODELS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from astrum.data_transport import models

    return getattr(models, name)
