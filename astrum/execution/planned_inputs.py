"""Checks inputs against a plan alone, in a process that does not have the tasks' code.

Types of the standard library are known by a fixed table, and nothing is imported by name. Any other
type is known by its JSON schema; such a value travels as plain JSON data, and the worker, which has
the code, makes it what the parameter declares.
"""

from __future__ import annotations

import ast
import datetime as dt
import decimal
import json
import typing
import uuid
from functools import lru_cache
from typing import Any, NamedTuple

from astrum.data_transport import fitted
from astrum.errors import InjectionError, RunInputError
from astrum.execution.input_lists import list_mistakes
from astrum.execution.input_specs import schema_of
from astrum.execution.run_inputs import Wanted, collect, encoded_inputs, named_values
from astrum.execution.schema_order import in_schema_order
from astrum.planning.plan import Plan
from astrum.planning.run_inputs import NO_INPUTS, GivenInputs, InputSpec
from astrum.values.codec import Codec
from astrum.values.payload import EncodedResult, pack_value
from astrum.values.read_once import check_read_often

_BUILT_IN = (bool, int, float, str, bytes, list, dict, set, frozenset, tuple)
_OTHERS = (dt.date, dt.datetime, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID)
_TYPES: dict[str, Any] = {
    "Any": Any,
    "None": None,
    **{cls.__name__: cls for cls in (*_BUILT_IN, *_OTHERS)},
    **{f"{cls.__module__}.{cls.__name__}": cls for cls in _OTHERS},
}
_MAX_PROBLEMS = 3


class _Rule(NamedTuple):
    """The check of one input: by a type, or by a schema (None: any value of JSON)."""

    kind: Any = Any
    schema: Any = None

    @property
    def is_by_type(self) -> bool:
        return self.kind is not Any


def checked_against_plan(plan: Plan, given: GivenInputs = NO_INPUTS) -> dict[str, EncodedResult]:
    """Return the inputs of a run of ``plan`` as they are sent, defaults included, sorted by name.

    ``given`` is as in `checked_inputs`. Raises `RunInputError` with all mistakes.
    """
    values = named_values(given)
    specs = {spec.name: spec for spec in plan.inputs}
    wanted = {name: _wanted(spec) for name, spec in specs.items()}
    found = collect(wanted, values, lambda name: _converted(specs[name], values[name]))
    if found.mistakes:
        raise RunInputError(found.mistakes)
    secrets = frozenset(spec.name for spec in plan.inputs if spec.secret)
    if mistakes := list_mistakes(plan, found.values, secrets):
        raise RunInputError(mistakes)
    encoded = encoded_inputs(found.values, _codec(), secrets)
    for spec in plan.inputs:
        if spec.name not in encoded and spec.default is not None:
            encoded[spec.name] = pack_value(spec.default)
    return dict(sorted(encoded.items()))


def _wanted(spec: InputSpec) -> Wanted:
    return Wanted(spec.type_text, spec.secret, spec.is_required, spec.readers)


def _converted(spec: InputSpec, value: Any) -> Any:
    check_read_often(value)
    rule = _rule(spec.type_text, spec.schema)
    if rule.is_by_type:
        return fitted(value, rule.kind)
    if rule.schema is None and spec.type_text == "Any":
        return value
    plain = _plain(value)
    if rule.schema is not None:
        _check_schema(plain, spec, rule.schema)
        return in_schema_order(plain, rule.schema)
    return plain


@lru_cache(maxsize=256)
def _rule(type_text: str, schema: str) -> _Rule:
    kind = _standard_type(type_text)
    # A class of the user's may have the name of a standard one; then its schema differs.
    if kind is not Any and schema_of(kind) == schema:
        return _Rule(kind)
    return _Rule(schema=json.loads(schema) if schema else None)


@lru_cache(maxsize=1)
def _codec() -> Codec:
    return Codec()


def _standard_type(text: str) -> Any:
    """Return the type that a string names, if it has only standard types; `Any` otherwise."""
    try:
        return _type_of(ast.parse(text, mode="eval").body)
    except (SyntaxError, LookupError, TypeError, ValueError, RecursionError):
        return Any


def _type_of(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant) and node.value in (None, Ellipsis):
        return node.value
    if isinstance(node, (ast.Name, ast.Attribute)):
        return _TYPES[ast.unparse(node)]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return typing.Union[_type_of(node.left), _type_of(node.right)]  # noqa: UP007
    if isinstance(node, ast.Subscript):
        arguments = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        return _type_of(node.value)[tuple(map(_type_of, arguments))]
    raise LookupError(ast.dump(node))


def _plain(value: Any) -> Any:
    """Return a value as plain JSON data, also a dataclass or a model of the caller's own."""
    from pydantic_core import PydanticSerializationError, to_jsonable_python

    try:
        return to_jsonable_python(value)
    except PydanticSerializationError as error:
        raise InjectionError(
            f"it is not JSON data, and its type is not known here: {error}"
        ) from None


def _check_schema(value: Any, spec: InputSpec, schema: Any) -> None:
    from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    errors = sorted(validator.iter_errors(value), key=lambda error: list(map(str, error.path)))
    if errors:
        found = [f"{error.message}{_place(error.path)}" for error in errors[:_MAX_PROBLEMS]]
        more = len(errors) - len(found)
        also = f" and {more} more" if more > 0 else ""
        raise InjectionError(f"expected {spec.type_text}: {'; '.join(found)}{also}")


def _place(path: Any) -> str:
    return " at " + "".join(f"[{step!r}]" for step in path) if path else ""
