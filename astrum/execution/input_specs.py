"""Makes the inputs of a plan from what tasks declare: defaults, types as text and as schema."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.types.class_fields import members, type_name
from astrum.data_transport.types.run_inputs import DeclaredInput
from astrum.errors import EncodeError, TaskRegistrationError
from astrum.planning.run_inputs import InputSpec

_BY_NAME = ("properties", "$defs")
"""The parts of a schema that map names, such as that of a field, to schemas."""


def input_specs(
    declared: Mapping[str, DeclaredInput], types: Iterable[type], *, schemas: bool
) -> tuple[InputSpec, ...]:
    """Return the inputs of a plan, sorted by name; with ``schemas`` also for other processes.

    Raises `TaskRegistrationError` for a default value, or for a class, that cannot travel to them.
    """
    if not declared:
        return ()
    if schemas:
        for one in declared.values():
            _check_travels(one, types)
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


def _check_travels(one: DeclaredInput, types: Iterable[type]) -> None:
    """Refuse a class of which no value can be sent; a class with others below it may have some."""
    for kind in members(one.type):
        is_class = isinstance(kind, type) and kind is not Any
        if not is_class or kind.__subclasses__() or schema_of(kind):
            continue
        refusal = _refusal_of(kind, types)
        if refusal:
            raise TaskRegistrationError(
                f"the input {one.name!r} of task {one.readers[0]!r} has the type "
                f"{type_name(kind)}, whose values cannot travel to workers: {refusal}"
            )


def _refusal_of(kind: type, types: Iterable[type]) -> str:
    """Return why values of a class cannot be sent, "" if some may."""
    from astrum.values.codec import Codec  # it imports pydantic, which is slow

    try:
        Codec(types).encode(object.__new__(kind))
    except EncodeError as error:
        # It has a cause if the empty object could not be read: that does not tell.
        return "" if error.__cause__ else error.advice
    except Exception:  # of a class whose objects cannot be made so
        return ""
    return ""


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
