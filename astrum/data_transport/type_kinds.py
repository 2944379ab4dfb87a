"""Tells kinds of types apart that look alike: unions, names of `type` statements, models."""

from __future__ import annotations

import sys
import types
import typing
from typing import Any

UNION_ORIGINS = (typing.Union, types.UnionType)


def is_alias(annotation: Any) -> bool:
    """Return whether ``annotation`` is the name of a ``type`` statement; it may contain itself.

    The name of its class decides, since there are two such classes: typing's and its backport.
    """
    return type(annotation).__name__ == "TypeAliasType"


def is_model(cls: type) -> bool:
    """Return whether ``cls`` is a pydantic model; does not import pydantic."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and issubclass(cls, pydantic.BaseModel)
