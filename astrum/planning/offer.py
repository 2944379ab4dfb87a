"""A short name for what the tasks of a namespace take and give, whatever their code is.

Two processes with one offer can run each other's attempts, as far as types and data tell. Bodies
of functions do not count, so most changes of code do not change an offer.
"""

from __future__ import annotations

import hashlib
import typing
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from astrum.data_transport.declared.signatures import ABSENT, declaration_of
from astrum.data_transport.type_kinds import UNION_ORIGINS
from astrum.data_transport.types.class_fields import stripped
from astrum.planning.fingerprint import data_pieces


class OfferedTask(NamedTuple):
    """A task as one process has it; ``fingerprint`` as in `astrum.planning.fingerprint`."""

    task_id: str
    lane: str
    function: Callable[..., Any]
    fingerprint: str


def offer(tasks: Iterable[OfferedTask]) -> str:
    """Return 16 hex digits of the tasks of one namespace, in whatever order they come.

    Counted are ids, lanes, names and types of parameters, result types, and the data in closures
    and default values. Types count by their names without modules: a script and an imported
    module have one offer.
    """
    digest = hashlib.blake2b(digest_size=8)
    for text in sorted("\n".join(_lines(task)) for task in tasks):
        data = text.encode(errors="surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _lines(task: OfferedTask) -> list[str]:
    return [task.task_id, task.lane, *_signature(task.function), *data_pieces(task.fingerprint)]


def _signature(function: Callable[..., Any]) -> list[str]:
    try:
        declared = declaration_of(function)
    except ValueError:  # a relation that cannot be evaluated here; the plan refuses it
        return ["?"]
    rest = (part for part in (declared.rest, declared.named_rest) if part is not None)
    found = [
        f"{parameter.kind.name} {parameter.name}: {_type_text(parameter.annotation)}"
        for parameter in (*declared.parameters.values(), *rest)
    ]
    return [*found, f"-> {_type_text(declared.returns)}"]


def _type_text(annotation: Any) -> str:
    """Return a type as a string that is the same on every version of Python."""
    if annotation is ABSENT or isinstance(annotation, str):
        return "" if annotation is ABSENT else annotation
    plain = stripped(annotation)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin in UNION_ORIGINS:
        return " | ".join(sorted(map(_type_text, arguments)))
    if origin is typing.Literal:
        return f"Literal{sorted(map(repr, arguments))}"
    if isinstance(plain, list):  # the parameters of a `Callable`
        return f"[{', '.join(map(_type_text, plain))}]"
    if origin is not None:
        return f"{_type_text(origin)}[{', '.join(map(_type_text, arguments))}]"
    name = getattr(plain, "__qualname__", None) or getattr(plain, "__name__", None)
    return name if isinstance(name, str) else type(plain).__qualname__
