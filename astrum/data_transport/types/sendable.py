"""Finds parts of declared types that cannot travel: workers get fields, not other attributes.

In process a locator may name any attribute. Between processes a part is cut out of the value's
bytes, without the class that would be needed to compute a property or to call a method.
"""

from __future__ import annotations

import dataclasses
import inspect
import typing
from enum import Enum
from functools import cached_property
from typing import Any

from astrum.data_transport.bindings import Path
from astrum.data_transport.declared.text_annotations import class_hints
from astrum.data_transport.locate import FIELDS_ADVICE
from astrum.data_transport.types.class_fields import is_unknown, members, shape_of
from astrum.data_transport.types.part_types import NoSuchPart, type_at


def why_not_sendable(annotation: Any, path: Path) -> str:
    """Return which part along ``path`` is an attribute that is not a field; "" if none is.

    It is certain only for a dataclass, a NamedTuple, a pydantic model and an enum.

    >>> why_not_sendable(Enum, ("value",)).partition(" (")[0]
    'Enum.value is not a field'
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
        return ""  # the check of types reports that
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
    return f"{cls.__name__}.{name} is {what}not a field"


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
