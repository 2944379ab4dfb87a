"""Which parts of a declared type travel: workers get fields, cut out of bytes, and no attributes.

In process a locator may name any attribute. Between processes there is only what the bytes of a
value hold: nobody on the way has the class whose property or method it would be.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from enum import Enum
from functools import cached_property
from typing import Any

from astrum.data_transport.bindings import Path
from astrum.data_transport.locate import FIELDS_ADVICE
from astrum.data_transport.types.class_fields import class_hints, is_unknown, members, shape_of
from astrum.data_transport.types.part_types import NoSuchPart, type_at


def why_it_stays(annotation: Any, path: Path) -> str:
    """Say which part on the way along ``path`` is an attribute but no field; "" if none is.

    Only of a dataclass, NamedTuple, pydantic model or enum it is sure.

    >>> why_it_stays(Enum, ("value",))
    'Enum.value is no field (only fields travel to workers: make it one, or let a task return it)'
    """
    for place, step in enumerate(path):
        if isinstance(step, str):
            reason = _attribute_in(annotation, path[:place], step)
            if reason:
                return f"{reason} ({FIELDS_ADVICE})"
    return ""


def _attribute_in(annotation: Any, path: Path, name: str) -> str:
    try:
        whole = type_at(annotation, path)
    except NoSuchPart:
        return ""  # the check of types says that
    reasons = [_attribute(cls, name) for cls in members(whole) if cls is not type(None)]
    return reasons[0] if reasons and all(reasons) else ""


def _attribute(annotation: Any, name: str) -> str:
    cls = typing.get_origin(annotation) or annotation
    if is_unknown(annotation) or not isinstance(cls, type):
        return ""
    found = inspect.getattr_static(cls, name, None)
    if not _is_attribute(cls, name, found):
        return ""
    what = "a property, " if isinstance(found, (property, cached_property)) else ""
    return f"{cls.__name__}.{name} is {what}no field"


def _is_attribute(cls: Any, name: str, found: object) -> bool:
    if issubclass(cls, Enum):
        return found is not None
    shape = shape_of(cls)
    if shape is None or shape.kind == "typed_dict" or name in shape.fields:
        return False
    if shape.kind != "dataclass":
        return found is not None or name in class_hints(cls)
    if name in {field.name for field in dataclasses.fields(cls)}:
        return False
    # What an instance sets over a plain attribute of its class travels; over these it cannot.
    return hasattr(type(found), "__get__") or name in cls.__dataclass_fields__
