"""The inputs of a run as tasks declare them: their types, defaults and readers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, groupby
from typing import Any, NamedTuple

from astrum.data_transport.bindings import PLAIN, Path, TaskInputs
from astrum.data_transport.declared.signatures import ABSENT, default_of
from astrum.data_transport.types.assignability import could_fit
from astrum.data_transport.types.check_value import fitted
from astrum.data_transport.types.class_fields import type_name
from astrum.data_transport.types.list_types import check_key, element_type, nested
from astrum.data_transport.types.misfit import got
from astrum.data_transport.types.part_types import NoSuchPart, type_at
from astrum.errors import InjectionError, TaskRegistrationError


class InputDeclaration(NamedTuple):
    """One parameter that reads an input: its declared type (`ABSENT`: none) and default value.

    With an ``item`` it reads that part of each element of a list; ``key`` is the part that names
    a child.
    """

    name: str
    task_id: str
    parameter: str | int
    path: Path
    type: Any
    default: Any
    secret: bool
    item: Path | None = None
    key: Path | None = None

    @property
    def is_whole(self) -> bool:
        """Whether it reads the whole value."""
        return not self.path and self.item is None

    @property
    def list_type(self) -> Any:
        """The type of the input by what a task that reads its elements declares."""
        return list if self.item or self.type is ABSENT else nested(self.type, 1)

    @property
    def place(self) -> str:
        """The parameter as a message names it."""
        return f"task {self.task_id!r}, parameter {self.parameter!r}"


class DeclaredInput(NamedTuple):
    """One input, from all that its readers declare.

    ``type`` is ``typing.Any`` if no task that reads the whole input declares one; ``default`` is
    `ABSENT` for an input that must be given. ``readers`` are task ids.
    """

    name: str
    type: Any = Any
    default: Any = ABSENT
    secret: bool = False
    readers: tuple[str, ...] = ()


def declarations_in(
    inputs: Mapping[str, TaskInputs], functions: Mapping[str, Callable[..., Any]]
) -> list[InputDeclaration]:
    """Return what the tasks declare about inputs, by name of the input, then in task order."""
    found = [
        InputDeclaration(
            binding.source,
            task_id,
            binding.parameter,
            binding.path,
            task_inputs.expected.get(binding.parameter, ABSENT),
            default_of(functions[task_id], binding.parameter),
            binding.parameter in task_inputs.secrets,
            binding.item,
            task_inputs.reads.get(binding.parameter, PLAIN).key,
        )
        for task_id, task_inputs in inputs.items()
        for binding in task_inputs.bindings
        if binding.origin == "input"
    ]
    return sorted(found, key=lambda declaration: declaration.name)


def declared_inputs(declarations: Iterable[InputDeclaration]) -> dict[str, DeclaredInput]:
    """Return the inputs by name, sorted; of declarations that differ, the first counts."""
    return {one.name: one for one in map(_merged, _by_name(declarations))}


def check_run_inputs(declarations: Iterable[InputDeclaration]) -> None:
    """Check that each input is declared in one way, and that its default fits its type.

    Raises `TaskRegistrationError`, naming the tasks.
    """
    for of_one in _by_name(declarations):
        merged = _merged(of_one)
        whole = [d for d in of_one if d.is_whole]
        _check_one(whole, "types", [(d, d.type) for d in whole if d.type is not ABSENT], type_name)
        _check_one(whole, "default values", [(d, d.default) for d in whole], got)
        _check_default(merged, whole)
        for declaration in of_one:
            if not declaration.is_whole:
                _check_part(declaration, merged.type)


def _by_name(declarations: Iterable[InputDeclaration]) -> Iterator[list[InputDeclaration]]:
    for _, of_one in groupby(declarations, key=lambda declaration: declaration.name):
        yield list(of_one)


def _merged(of_one: list[InputDeclaration]) -> DeclaredInput:
    whole = [d for d in of_one if d.is_whole]
    types = [d.type for d in whole if d.type is not ABSENT]
    lists = [d.list_type for d in of_one if d.item is not None and not d.path]
    return DeclaredInput(
        of_one[0].name,
        next(chain(types, sorted(lists, key=lambda one: one is list)), Any),
        next((d.default for d in whole if d.default is not ABSENT), ABSENT),
        any(d.secret for d in of_one),
        tuple(dict.fromkeys(d.task_id for d in of_one)),
    )


def _check_one(
    whole: list[InputDeclaration],
    what: str,
    values: list[tuple[InputDeclaration, Any]],
    shown: Callable[[Any], str],
) -> None:
    given = [(d, value) for d, value in values if value is not ABSENT]
    for other, value in given[1:]:
        first, known = given[0]
        if not _is_same(known, value):
            hidden = what != "types" and any(d.secret for d in whole)
            one, two = ("***", "***") if hidden else (shown(known), shown(value))
            raise TaskRegistrationError(
                f"the input {first.name!r} has two {what}: {one} ({first.place}) and {two} "
                f"({other.place}); declare it in one way, or call one of them by another name"
            )


def _is_same(one: Any, other: Any) -> bool:
    if one is other:
        return True
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # arrays compare item by item, and a value of the user's may raise
        return False


def _check_default(merged: DeclaredInput, whole: list[InputDeclaration]) -> None:
    if merged.default is ABSENT:
        return
    declaration = next(d for d in whole if d.default is not ABSENT)
    try:
        fitted(merged.default, merged.type)
    except InjectionError as error:
        why = f"it does not fit {type_name(merged.type)}" if merged.secret else str(error)
        raise TaskRegistrationError(
            f"{declaration.place}: the default value of the input {merged.name!r}: {why}"
        ) from None


def _check_part(declaration: InputDeclaration, whole: Any) -> None:
    part = "".join(f"[{step!r}]" for step in declaration.path)
    reads = f"{declaration.place} reads {part} of the input {declaration.name!r}"
    if declaration.item is not None:
        reads = f"{declaration.place} reads each element of the input {declaration.name!r}{part}"
    if declaration.default is not ABSENT:
        raise TaskRegistrationError(
            f"{reads} and has a default value: only a parameter that reads the whole may have "
            "one, since that is the default of the input"
        )
    element: Any = Any
    try:
        given = type_at(whole, declaration.path)
        if declaration.item is not None:
            element = element_type(given)
            given = type_at(element, declaration.item)
    except NoSuchPart as error:
        raise TaskRegistrationError(f"{reads}, which is {error}") from None
    wanted = Any if declaration.type is ABSENT else declaration.type
    if not could_fit(given, wanted):
        raise TaskRegistrationError(
            f"{reads}: it expects {type_name(wanted)}, but that part is {type_name(given)}"
        )
    if declaration.key is not None:
        check_key(declaration.task_id, declaration.parameter, element, declaration.key)
