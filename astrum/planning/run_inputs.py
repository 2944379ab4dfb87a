"""The inputs that a run is started with, as its plan knows them: pure data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import Field
from types import MappingProxyType
from typing import Any, ClassVar, NamedTuple, Protocol

from astrum.data_transport.bindings import Binding


class DataclassInstance(Protocol):
    """An instance of a dataclass, whose fields are inputs."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Model(Protocol):
    """An instance of a pydantic model, whose fields are inputs."""

    def model_dump(self) -> dict[str, Any]: ...


GivenInputs = Mapping[str, Any] | DataclassInstance | Model
"""The inputs of a run as a caller gives them: values by name, or an object with such fields."""
NO_INPUTS: Mapping[str, Any] = MappingProxyType({})
HIDDEN = "***"
"""Replaces the value of a secret input wherever it would be shown."""


class InputSpec(NamedTuple):
    """One input of a plan.

    ``type_text`` is its declared type for people ("list[str]"), ``schema`` its JSON schema as text
    ("" if it is not known), ``default`` the encoded value of an input that is not given (None: it
    must be given). ``readers`` are the ids of the tasks that read it, in plan order. The value of
    a ``secret`` input is not shown.
    """

    name: str
    type_text: str = "Any"
    schema: str = ""
    default: bytes | None = None
    secret: bool = False
    readers: tuple[str, ...] = ()

    @property
    def is_required(self) -> bool:
        """Whether a run must be given a value."""
        return self.default is None


def places_of(specs: Sequence[InputSpec]) -> dict[str, int]:
    """Return the number of each input in a plan row, by name: the first is -1, the second -2.

    >>> places_of([InputSpec("day"), InputSpec("limit")])
    {'day': -1, 'limit': -2}
    """
    return {spec.name: -1 - place for place, spec in enumerate(specs)}


def inputs_to_data(specs: Iterable[InputSpec]) -> list[list[Any]]:
    """Return inputs as lists of plain values; the rows of the tasks tell who reads them."""
    return [[s.name, s.type_text, s.schema, s.default, s.secret] for s in specs]


def inputs_from_data(rows: Any) -> tuple[InputSpec, ...]:
    """Rebuild inputs from `inputs_to_data`, without readers; ``ValueError`` for anything else."""
    if not isinstance(rows, list):
        raise ValueError("its inputs are not a list")
    specs = tuple(map(_from_row, rows))
    names = [spec.name for spec in specs]
    if names != sorted(set(names)):
        raise ValueError("its inputs are not in the order of their names")
    return specs


def _from_row(row: Any) -> InputSpec:
    if not isinstance(row, (list, tuple)) or len(row) < 5:
        raise ValueError("an input is damaged")
    name, type_text, schema, default, secret, *_ = row
    if not all(type(text) is str for text in (name, type_text, schema)) or not name:
        raise ValueError("an input has parts of the wrong type")
    if not (default is None or type(default) is bytes) or type(secret) is not bool:
        raise ValueError(f"the input {name!r} has parts of the wrong type")
    return InputSpec(name, type_text, schema, default, secret)


def with_readers(
    specs: Iterable[InputSpec], bindings: Mapping[str, Iterable[Binding]]
) -> tuple[InputSpec, ...]:
    """Return the inputs with the tasks that read them; ``bindings`` are those of each task."""
    readers: dict[str, dict[str, None]] = {}
    for task_id, of_task in bindings.items():
        for binding in of_task:
            if binding.origin == "input":
                readers.setdefault(binding.source, {})[task_id] = None
    return tuple(spec._replace(readers=tuple(readers.get(spec.name, ()))) for spec in specs)
