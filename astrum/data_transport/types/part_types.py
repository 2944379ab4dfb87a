"""The type of a part of a result, as far as the declared type of the whole shows it."""

from __future__ import annotations

import collections.abc
import inspect
import typing
from typing import Any

from astrum.data_transport.bindings import Path
from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.declared.text_annotations import class_hints
from astrum.data_transport.types.class_fields import (
    Shape,
    is_unknown,
    members,
    shape_of,
    stripped,
    type_name,
)
from astrum.errors import nearest

_UNINDEXED = (str, bytes, int, float, complex, set, frozenset, type(None))


class NoSuchPart(Exception):
    """A part that no value of the declared type has; the message names the type."""


def type_at(annotation: Any, path: Path) -> Any:
    """Return the type of the part that ``path`` leads to; ``typing.Any`` if it is not known.

    Raises `NoSuchPart` when no value of the type has the part.

    >>> type_at(dict[str, list[int]], ("rows", 0))
    <class 'int'>
    """
    for step in path:
        annotation = _part_type(annotation, step)
    return annotation


def _part_type(annotation: Any, step: str | int) -> Any:
    parts: list[Any] = []
    problem: NoSuchPart | None = None
    for member in members(annotation):
        try:
            parts.append(_part_of_one(member, step))
        except NoSuchPart as error:
            # Of several complaints, one about a class with fields says more than one about None.
            problem = error if problem is None or member is not type(None) else problem
    if problem is not None and not parts:
        raise problem
    return Any if any(map(is_unknown, parts)) else typing.Union[tuple(parts)]  # noqa: UP007


def _part_of_one(member: Any, step: str | int) -> Any:
    cls = typing.get_origin(member) or member
    if is_unknown(member) or not isinstance(cls, type):
        return Any
    shape = shape_of(cls)
    arguments = typing.get_args(member)
    if issubclass(cls, collections.abc.Mapping) and shape is None:
        return arguments[1] if len(arguments) == 2 else Any
    if isinstance(step, int):
        return _item(cls, shape, arguments, step)
    if shape is not None and step in shape.fields:
        return stripped(shape.fields[step])
    return _attribute(cls, shape, step)


def _item(cls: type, shape: Shape | None, arguments: tuple[Any, ...], index: int) -> Any:
    if shape is not None:
        if shape.kind != "named_tuple":
            raise _no_part(cls, f"no index {index}")
        arguments = tuple(shape.fields.values())
    elif cls is not tuple or arguments[-1:] == (Ellipsis,):
        if issubclass(cls, _UNINDEXED):
            raise _no_part(cls, f"no index {index}")
        return arguments[0] if arguments else Any
    elif not arguments:
        return Any
    if not -len(arguments) <= index < len(arguments):
        raise _no_part(cls, f"{len(arguments)} items and no index {index}")
    return stripped(arguments[index])


def _attribute(cls: type, shape: Shape | None, name: str) -> Any:
    if shape is not None and shape.kind == "typed_dict":
        raise _no_field(cls, shape, name)
    hints = class_hints(cls)
    if name in hints:
        return stripped(hints[name])
    found = inspect.getattr_static(cls, name, None)
    if isinstance(found, property) and found.fget is not None:
        returned = declaration_of(found.fget).returns
        return Any if returned is ABSENT else stripped(returned)
    if found is not None or _may_have_more(cls, shape):
        return Any
    raise _no_field(cls, shape, name)


def _may_have_more(cls: Any, shape: Shape | None) -> bool:
    if cls.__module__ == "builtins":
        return False
    if shape is not None and shape.kind == "model":
        return bool(cls.model_config.get("extra") == "allow")
    return shape is None or hasattr(cls, "__getattr__")


def _no_field(cls: type, shape: Shape | None, name: str) -> NoSuchPart:
    hint = nearest(name, shape.fields) if shape is not None else ""
    return _no_part(cls, f"no field {name!r}{hint}")


def _no_part(cls: type, lacks: str) -> NoSuchPart:
    return NoSuchPart(f"{type_name(cls)}, which has {lacks}")
