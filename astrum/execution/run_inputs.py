"""Checks the inputs that a run is to be started with, and tells all mistakes at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from astrum.data_transport import fitted
from astrum.data_transport.declared.signatures import ABSENT
from astrum.data_transport.types.class_fields import type_name
from astrum.data_transport.types.run_inputs import DeclaredInput
from astrum.errors import (
    EncodeError,
    InjectionError,
    RunInputError,
    TransportError,
    listed,
    nearest,
)
from astrum.execution.input_lists import list_mistakes
from astrum.execution.invoke import Flow
from astrum.planning.run_inputs import HIDDEN, NO_INPUTS, GivenInputs
from astrum.values.codec import Codec
from astrum.values.payload import MAX_VALUE_BYTES, EncodedResult, pack_value
from astrum.values.read_once import check_read_often

_MAX_NAMES = 8


class CheckedInputs(NamedTuple):
    """The inputs of one run, defaults included, with their declared types; sorted by name."""

    values: Mapping[str, Any]
    secrets: frozenset[str] = frozenset()
    types: Iterable[type] = ()

    @property
    def shown(self) -> dict[str, Any]:
        """The values for people and reports: a secret one is ``***``."""
        return {n: HIDDEN if n in self.secrets else value for n, value in self.values.items()}

    def encoded(self) -> dict[str, EncodedResult]:
        """Return the values as they are sent; raises `RunInputError` for those that cannot be."""
        return encoded_inputs(self.values, Codec(self.types), self.secrets) if self.values else {}


class Wanted(NamedTuple):
    """One input that a flow reads, as its check sees it."""

    type_text: str
    secret: bool
    is_required: bool
    readers: tuple[str, ...]


class Collected(NamedTuple):
    """The values of those inputs that are right, and one sentence for each mistake."""

    values: dict[str, Any]
    mistakes: list[str]


def checked_inputs(flow: Flow, given: GivenInputs = NO_INPUTS) -> CheckedInputs:
    """Return the inputs of a run of ``flow``, checked against what its tasks declare.

    ``given`` maps names to values, or is a dataclass or pydantic model with fields of these names.
    Raises `RunInputError` with all mistakes, ``TypeError`` for anything else.
    """
    values = named_values(given)
    if not values and not flow.inputs:
        return CheckedInputs(NO_INPUTS)
    found = collect(wanted_by(flow), values, lambda name: _fitted(flow, name, values[name]))
    return complete(flow, found)


def complete(flow: Flow, found: Collected) -> CheckedInputs:
    """Return all inputs of a run with the defaults; raises `RunInputError` for the mistakes."""
    if found.mistakes:
        raise RunInputError(found.mistakes)
    defaults = {n: one.default for n, one in flow.inputs.items() if one.default is not ABSENT}
    values = dict(sorted((defaults | found.values).items()))
    secrets = frozenset(name for name, one in flow.inputs.items() if one.secret)
    if mistakes := list_mistakes(flow.plan, values, secrets):
        raise RunInputError(mistakes)
    return CheckedInputs(values, secrets, flow.types)


def wanted_by(flow: Flow) -> dict[str, Wanted]:
    """Return the inputs that the tasks of a flow read."""
    return {name: _wanted(one) for name, one in flow.inputs.items()}


def _wanted(one: DeclaredInput) -> Wanted:
    return Wanted(type_name(one.type), one.secret, one.default is ABSENT, one.readers)


def _fitted(flow: Flow, name: str, value: Any) -> Any:
    check_read_often(value)
    return fitted(value, flow.inputs[name].type) if flow.plan.check_types else value


def named_values(given: GivenInputs) -> Mapping[str, Any]:
    """Return inputs by name: a mapping, or the fields of a dataclass or pydantic model."""
    if isinstance(given, Mapping):
        wrong = [name for name in given if not isinstance(name, str)]
        if wrong:
            raise TypeError(f"the names of inputs are strings, got {wrong[0]!r}")
        return given
    if dataclasses.is_dataclass(given) and not isinstance(given, type):
        return {field.name: getattr(given, field.name) for field in dataclasses.fields(given)}
    if not isinstance(given, type) and hasattr(type(given), "model_fields"):
        return dict(vars(given))
    raise TypeError(
        "inputs must be a dict of values by name, or a dataclass or pydantic model, got a "
        f"{type(given).__name__}"
    )


def collect(
    wanted: Mapping[str, Wanted], given: Iterable[str], convert: Callable[[str], Any]
) -> Collected:
    """Return the converted values of the names ``given``, and all that is wrong with them.

    ``convert`` returns the value of a name; it raises `TransportError` for a wrong one.
    """
    values: dict[str, Any] = {}
    mistakes: list[str] = []
    for name in given:
        if name not in wanted:
            mistakes.append(_unknown(name, wanted))
            continue
        try:
            values[name] = convert(name)
        except TransportError as error:
            one = wanted[name]
            hides = one.secret and isinstance(error, InjectionError)
            why = f"expected {one.type_text}, got {HIDDEN}" if hides else str(error)
            mistakes.append(f"the input {name!r}: {why}")
    return Collected(values, mistakes + _all_missing(wanted, given))


def missing_inputs(flow: Flow, given: Iterable[str]) -> list[str]:
    """Return one sentence for each input that must be given, and is not among ``given``."""
    return _all_missing(wanted_by(flow), given)


def _all_missing(wanted: Mapping[str, Wanted], given: Iterable[str]) -> list[str]:
    names = {*given}
    return [
        _missing(name, one) for name, one in wanted.items() if one.is_required and name not in names
    ]


def _unknown(name: str, wanted: Mapping[str, Wanted]) -> str:
    if not wanted:
        return f"there is no input {name!r}: no task of this flow reads an input"
    hint = nearest(name, wanted) or f"; the inputs are {listed([*wanted], _MAX_NAMES)}"
    return f"there is no input {name!r}{hint}"


def _missing(name: str, one: Wanted) -> str:
    task = f"task {one.readers[0]!r}" if one.readers else "the flow"
    return (
        f"the input {name!r} is missing: {task} reads it, its type is {one.type_text}; give it by "
        f"inputs={{{name!r}: ...}} or --input {name}=VALUE"
    )


def encoded_inputs(
    values: Mapping[str, Any], codec: Codec, secrets: frozenset[str]
) -> dict[str, EncodedResult]:
    """Return values as they are sent, a big one apart; raises `RunInputError` with all mistakes."""
    found: dict[str, EncodedResult] = {}
    mistakes: list[str] = []
    total = 0
    for name, value in values.items():
        try:
            data = codec.encode(value, root=name)
        except EncodeError as error:
            why = f"a part of it cannot travel: {error.advice}" if name in secrets else str(error)
            mistakes.append(f"the input {name!r}: {why}")
            continue
        total += len(data)
        if len(data) > MAX_VALUE_BYTES:
            mistakes.append(
                f"the input {name!r} has {len(data):,} bytes, the limit is {MAX_VALUE_BYTES:,}: "
                "store it elsewhere and give the run where it is"
            )
            continue
        found[name] = pack_value(data)
    if total > MAX_VALUE_BYTES and not mistakes:
        mistakes.append(
            f"the inputs have {total:,} bytes together, the limit is {MAX_VALUE_BYTES:,}: store "
            "the largest elsewhere and give the run where they are"
        )
    if mistakes:
        raise RunInputError(mistakes)
    return found
