"""Infers a function's result type from its source, for functions that declare none."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from types import NoneType
from typing import Any

from astrum.data_transport.declared.callables import source_function
from astrum.data_transport.declared.signatures import ABSENT

_DISPLAYS: dict[type[ast.expr], type] = {
    ast.ListComp: list,
    ast.SetComp: set,
    ast.DictComp: dict,
    ast.JoinedStr: str,
    ast.Set: set,
}


def inferred_result(function: Callable[..., Any]) -> Any:
    """Return the type of what ``function`` returns, as far as its return statements show it.

    Literals, displays and comprehensions are understood; a dict with constant keys becomes a
    TypedDict of them. `ABSENT` if the type is unknown.
    """
    definition = _definition(function)
    if definition is None:
        return ABSENT
    found = list(_own_nodes(definition.body))
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in found):
        return ABSENT
    kinds = [_type_of(node.value) for node in found if isinstance(node, ast.Return)]
    return _either(kinds) if kinds else NoneType


def _definition(function: Callable[..., Any]) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    plain = source_function(function)
    if plain is None:
        return None
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(plain)))
    except (OSError, SyntaxError, TypeError):
        return None
    first = tree.body[0] if tree.body else None
    return first if isinstance(first, (ast.FunctionDef, ast.AsyncFunctionDef)) else None


def _own_nodes(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        yield node
        yield from _own_nodes(ast.iter_child_nodes(node))


def _type_of(node: ast.expr | None) -> Any:
    if node is None:
        return NoneType
    if isinstance(node, ast.Constant):
        return type(node.value)
    if isinstance(node, ast.Dict):
        return _dict_type(node)
    if isinstance(node, ast.List):
        inner = _either([_type_of(item) for item in node.elts])
        return list if inner is ABSENT else types.GenericAlias(list, (inner,))
    if isinstance(node, ast.Tuple):
        return _tuple_type(node)
    if isinstance(node, ast.IfExp):
        return _either([_type_of(node.body), _type_of(node.orelse)])
    return _DISPLAYS.get(type(node), ABSENT)


def _tuple_type(node: ast.Tuple) -> Any:
    if not node.elts or any(isinstance(item, ast.Starred) for item in node.elts):
        return tuple
    return tuple[tuple(_known_type(item) for item in node.elts)]  # type: ignore[misc]


def _dict_type(node: ast.Dict) -> Any:
    fields: dict[str, Any] = {}
    for key, value in zip(node.keys, node.values, strict=True):
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return dict
        fields[key.value] = _known_type(value)
    return typing.TypedDict("dict", fields)  # type: ignore[operator]


def _known_type(node: ast.expr) -> Any:
    found = _type_of(node)
    return Any if found is ABSENT else found


def _either(kinds: list[Any]) -> Any:
    if not kinds or any(kind is ABSENT for kind in kinds):
        return ABSENT
    return typing.Union[tuple(kinds)]  # noqa: UP007
