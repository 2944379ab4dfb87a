"""Makes the inputs of a plan from what tasks declare: defaults, types as text and as schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.types.class_fields import type_name
from astrum.data_transport.types.run_inputs import DeclaredInput
from astrum.errors import EncodeError, TaskRegistrationError
from astrum.planning.run_inputs import InputSpec

_BY_NAME = ("properties", "$defs")
"""The parts of a schema that map names, such as that of a field, to schemas."""


def input_specs(
    declared: Mapping[str, DeclaredInput], types: Iterable[type], *, schemas: bool
) -> tuple[InputSpec, ...]:
    """Return the inputs of a plan, sorted by name; with ``schemas`` also for other processes.

    Raises `TaskRegistrationError` for a default value that cannot travel to them.
    """
    if not declared:
        return ()
    defaults = _encoded_defaults(declared, types, must_travel=schemas)
    return tuple(
        InputSpec(
            name,
            type_name(one.type),
            schema_of(one.type, secret=one.secret) if schemas else "",
            defaults.get(name),
            one.secret,
            one.readers,
        )
        for name, one in declared.items()
    )


def _encoded_defaults(
    declared: Mapping[str, DeclaredInput], types: Iterable[type], *, must_travel: bool
) -> dict[str, bytes]:
    given = {name: one.default for name, one in declared.items() if one.default is not ABSENT}
    if not given:
        return {}
    from astrum.values.codec import Codec  # it imports pydantic, which is slow

    codec = Codec(types)
    found = {}
    for name, default in given.items():
        try:
            found[name] = codec.encode(default)
        except EncodeError as error:
            if must_travel:
                advice = error.advice if declared[name].secret else error
                raise TaskRegistrationError(
                    f"the default value of the input {name!r} cannot travel to workers: {advice}"
                ) from None
    return found


def schema_of(kind: Any, *, secret: bool = False) -> str:
    """Return the JSON schema of a type as text, "" if it is not known.

    That of a ``secret`` input has no defaults of fields, which could be secrets themselves.
    """
    if kind is Any:
        return ""
    from pydantic import TypeAdapter  # slow

    try:
        schema = TypeAdapter(kind).json_schema()
    except Exception:  # of a class that pydantic cannot describe; its name is all that is known
        return ""
    shown = _without_defaults(schema) if secret else schema
    return json.dumps(shown, sort_keys=True, separators=(",", ":"))


def _without_defaults(schema: Any) -> Any:
    """Return a schema without the values that fields have if they are left out."""
    if isinstance(schema, list):
        return [_without_defaults(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: {name: _without_defaults(one) for name, one in part.items()}
        if key in _BY_NAME
        else _without_defaults(part)
        for key, part in schema.items()
        if key != "default"
    }
