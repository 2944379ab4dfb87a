"""Checks what commands print for programs against ``docs/schemas``, more strictly than they say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]

SCHEMAS = Path(__file__).parents[1] / "docs" / "schemas"


def check(name: str, value: Any) -> None:
    """Raise ``jsonschema.ValidationError`` for what a schema does not describe in full."""
    _validator(name).validate(value)


@cache
def _validator(name: str) -> Any:
    schema = strict(json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def strict(schema: Any) -> Any:
    """Return a schema in which no object may have a member that the schema does not name."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(part) for name, part in schema.items()}
    if isinstance(schema.get("properties"), Mapping) and schema.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made
