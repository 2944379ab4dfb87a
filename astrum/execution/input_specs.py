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
            schema_of(one.type) if schemas else "",
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


def schema_of(kind: Any) -> str:
    """Return the JSON schema of a type as text, "" if it is not known."""
    if kind is Any:
        return ""
    from pydantic import TypeAdapter  # slow

    try:
        schema = TypeAdapter(kind).json_schema()
    except Exception:  # of a class that pydantic cannot describe; its name is all that is known
        return ""
    return json.dumps(schema, sort_keys=True, separators=(",", ":"))
