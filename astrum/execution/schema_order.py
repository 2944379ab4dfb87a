"""Brings plain JSON data into the one form that its JSON schema gives it.

Two values that mean the same are then the same bytes: a dict whose keys came in another order, or
without fields that have defaults, and the dataclass or model with these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_REFERENCE = "#/$defs/"


def in_schema_order(value: Any, schema: Any, whole: Any = None) -> Any:
    """Return a value with the fields of each object in the order of its schema, defaults included.

    Parts that may be of several types stay as they are. ``whole`` is the schema with the
    definitions that this one refers to.
    """
    whole = schema if whole is None else whole
    if not isinstance(schema, Mapping):
        return value
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference.startswith(_REFERENCE):
        definitions = whole.get("$defs", {})
        return in_schema_order(value, definitions.get(reference.removeprefix(_REFERENCE)), whole)
    if isinstance(value, list):
        return [in_schema_order(item, schema.get("items"), whole) for item in value]
    if isinstance(value, dict):
        return _ordered(value, schema, whole)
    return value


def _ordered(value: dict[str, Any], schema: Mapping[str, Any], whole: Any) -> dict[str, Any]:
    fields = schema.get("properties", {})
    found = {
        name: in_schema_order(value[name] if name in value else field["default"], field, whole)
        for name, field in fields.items()
        if name in value or "default" in field
    }
    others = schema.get("additionalProperties")
    rest = {n: in_schema_order(v, others, whole) for n, v in value.items() if n not in fields}
    return found | rest
