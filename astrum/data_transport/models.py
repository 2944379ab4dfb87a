"""Explicit data relations: the same as annotations, as models that programs can build."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from astrum.data_transport.annotations import NO_DEFAULT
from astrum.data_transport.types.class_fields import reduced


def _to_class(value: Any) -> Any:
    if value is None:
        return None
    found = reduced(value)
    if found is None:
        raise ValueError(f"{value!r} is not a class; give a class, such as str or list")
    return found


def _new_reference() -> str:
    return uuid4().hex


class DTRela(BaseModel):
    """One end of a relation: a task, and a part of its result or one of its parameters.

    At the source ``key`` is a dict key or attribute and ``index`` a list index; at the target
    they are a parameter's name and position. ``single_item``, or neither of the two, means the
    whole value. ``from_function``, a callable (sync or async) or a constant, supplies the value
    instead of an upstream task; ``related_task`` may then be left out. At the source, ``default``
    replaces a part that the result does not have.
    """

    model_config = ConfigDict(extra="forbid")

    key: str | None = None
    index: int | None = None
    single_item: bool = False
    related_task: str = ""
    from_function: Any = None
    default: Any = Field(default=NO_DEFAULT, exclude=True, repr=False)

    @model_validator(mode="after")
    def _has_a_source(self) -> DTRela:
        if not self.related_task and self.from_function is None:
            raise ValueError("a relation needs a related_task or a from_function")
        return self


class DataItem(BaseModel):
    """One value that goes from a task to a parameter.

    ``allow_data_model`` is the class of the value, or the class of the whole result that the
    value is read from. It means the whole result if the class can have such a part and the source
    may return it. A generic counts as its origin. With None the parameter's own annotation
    decides. ``data_ref`` names the item in tables.
    """

    model_config = ConfigDict(extra="forbid")

    allow_data_model: Annotated[type | None, BeforeValidator(_to_class)] = None
    data_ref: str = Field(default_factory=_new_reference)
    from_relation: DTRela | None = None
    to_relation: DTRela | None = None


class TaskData(BaseModel):
    """All relations of one task.

    ``from_tasks`` and ``to_tasks`` name the tasks at the other ends; only
    ``AstrumConfig(strict_topology=True)`` requires them to be complete.
    """

    model_config = ConfigDict(extra="forbid")

    task_id: str = ""
    input_data_item: list[DataItem] = Field(default_factory=list)
    output_data_item: list[DataItem] = Field(default_factory=list)
    from_tasks: list[str] = Field(default_factory=list)
    to_tasks: list[str] = Field(default_factory=list)
