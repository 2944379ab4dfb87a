"""Explicit data relations: what an annotation says, as models that programs can build."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from astrum.data_transport.items import End, Item, TaskItems
from astrum.data_transport.shapes import reduced


def _to_class(value: Any) -> Any:
    if value is None:
        return None
    found = reduced(value)
    if found is None:
        raise ValueError(f"{value!r} is no class; give a class, such as str or list")
    return found


def _new_reference() -> str:
    return uuid4().hex


class DTRela(BaseModel):
    """One end of a relation: a task, and a part of its result or one of its parameters.

    At the source ``key`` is a dict key or attribute and ``index`` a list index; at the target
    they are a parameter's name and position. ``single_item``, or neither of both, means the
    whole. ``from_function``, a callable (sync or async) or a constant, supplies the value instead
    of an upstream task; ``related_task`` may be left out then.
    """

    model_config = ConfigDict(extra="forbid")

    key: str | None = None
    index: int | None = None
    single_item: bool = False
    related_task: str = ""
    from_function: Any = None

    @model_validator(mode="after")
    def _has_a_source(self) -> DTRela:
        if not self.related_task and self.from_function is None:
            raise ValueError("a relation needs a related_task or a from_function")
        return self


class DataItem(BaseModel):
    """One value that goes from a task to a parameter.

    ``allow_data_model`` is the class the value must have; a generic counts as its origin, None
    leaves the parameter's own annotation to decide. ``data_ref`` names the item in tables.
    """

    model_config = ConfigDict(extra="forbid")

    allow_data_model: Annotated[type | None, BeforeValidator(_to_class)] = None
    data_ref: str = Field(default_factory=_new_reference)
    from_relation: DTRela | None = None
    to_relation: DTRela | None = None


class TaskData(BaseModel):
    """All relations of one task.

    ``from_tasks`` and ``to_tasks`` name the tasks at the other ends; only
    ``AstrumConfig(strict_topology=True)`` demands that they be complete.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str = ""
    input_data_item: list[DataItem] = Field(default_factory=list)
    output_data_item: list[DataItem] = Field(default_factory=list)
    from_tasks: list[str] = Field(default_factory=list)
    to_tasks: list[str] = Field(default_factory=list)


def task_data_of(items: TaskItems) -> TaskData:
    """Return what annotations declare as models."""
    return TaskData.model_construct(
        task_id=items.task_id,
        input_data_item=[_data_item(item) for item in items.input_data_item],
        output_data_item=[_data_item(item) for item in items.output_data_item],
        from_tasks=list(items.from_tasks),
        to_tasks=list(items.to_tasks),
    )


def _data_item(item: Item) -> DataItem:
    source, target = item.from_relation, item.to_relation
    slot = target.key if target.key is not None else target.index
    return DataItem.model_construct(
        allow_data_model=item.allow_data_model,
        data_ref=f"{source.related_task}->{target.related_task}.{slot}",
        from_relation=_rela(source),
        to_relation=_rela(target),
    )


def _rela(end: End) -> DTRela:
    return DTRela.model_construct(**asdict(end))
