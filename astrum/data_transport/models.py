"""Explicit data relations: the same as annotations, as models that programs can build."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, model_validator

from astrum.data_transport.annotations import NO_DEFAULT
from astrum.data_transport.bindings import Path, Reads
from astrum.data_transport.declared.mark_checks import check_input_name
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
    instead of an upstream task, and so does ``input``, the name of an input of the run, which is
    not shown if it is ``secret``; ``related_task`` is then left out. At the source, ``default``
    replaces a result that did not come or a part that it does not have. With ``each`` the task has
    a child for each element of the list at the source; ``item`` is the part of the element. With
    ``also`` the value is the list of the results of ``related_task`` and of these tasks.
    ``missing`` is what stands where a result did not come: with "drop" no element, with "failure"
    a `TaskFailure`.
    """

    model_config = ConfigDict(extra="forbid")

    key: str | None = None
    index: int | None = None
    single_item: bool = False
    related_task: str = ""
    from_function: Any = None
    input: str | None = None
    secret: bool = False
    default: Any = Field(default=NO_DEFAULT, exclude=True, repr=False)
    each: bool = False
    item: str | int | None = None
    also: list[str] = Field(default_factory=list)
    missing: Literal["", "drop", "failure"] = ""
    _declared: tuple[Path, Reads] | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _has_a_source(self) -> DTRela:
        if self.input is not None:
            self._check_input(self.input)
        elif self.secret:
            raise ValueError("secret is for a relation with an input")
        elif not self.related_task and self.from_function is None:
            raise ValueError("a relation needs a related_task, an input or a from_function")
        if self.item is not None and not self.each:
            raise ValueError("item is a part of each element: write each=True beside it")
        if self.missing and (self.default is not NO_DEFAULT or self.each):
            raise ValueError(f"missing={self.missing!r} stands alone, without default or each")
        return self

    def _check_input(self, name: str) -> None:
        if self.related_task or self.from_function is not None or self.default is not NO_DEFAULT:
            raise ValueError(
                f"a relation with input={name!r} has neither a related_task nor a from_function, "
                "and its default is that of the parameter"
            )
        check_input_name(name, "a relation")


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
