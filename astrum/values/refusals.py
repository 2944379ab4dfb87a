"""Refuses values that cannot travel: the reason by kind, and the place in the result."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from astrum.errors import EncodeError
from astrum.planning.retry_policy import qualified_name
from astrum.values.advice import advice_for
from astrum.values.slots import held_in, slots_of

_MAX_PATH_CHARS = 300


class Refusal(Exception):
    """Raised deep inside an encoding, where the path is unknown; see `refusal_error`."""

    def __init__(self, culprit: object, advice: str) -> None:
        self.culprit = culprit
        self.advice = advice
        super().__init__(advice)


def refuse(value: object) -> Refusal:
    """Return the refusal of a value of a type that the codec does not know."""
    return Refusal(value, advice_for(value))


def type_name(value: object) -> str:
    """Return the name that errors give the type of ``value``.

    >>> type_name(1), type_name(deque())
    ('int', 'collections.deque')
    """
    return qualified_name(type(value)).removeprefix("builtins.")


def refusal_error(value: object, refusal: Refusal, root: str) -> EncodeError:
    """Return the error for ``refusal``, met while ``value``, called ``root``, was encoded."""
    culprit = refusal.culprit
    path = find_path(value, root, lambda part, _: part is culprit)
    return EncodeError(path or root, type_name(culprit), refusal.advice)


def nesting_error(value: object, root: str) -> EncodeError:
    """Return the error for a ``value`` that contains itself or is nested too deep."""
    loop = find_path(value, root, lambda part, ancestors: id(part) in ancestors)
    if loop:
        return EncodeError(loop, "reference to what contains it", "send ids instead of references")
    advice = "it is nested too deep; flatten it, for instance to rows"
    return EncodeError(root, type_name(value), advice)


def text_error(value: object, root: str) -> EncodeError:
    """Return the error for a ``value`` with a string that UTF-8 cannot express."""
    path = find_path(value, root, lambda part, _: isinstance(part, str) and _is_broken(part))
    advice = "it holds lone surrogates; send text.encode('utf-8', 'surrogateescape')"
    return EncodeError(path or root, "str", advice)


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def find_path(value: object, root: str, matches: Callable[[object, set[int]], bool]) -> str | None:
    """Return the path of the first part that ``matches(part, ids of what contains it)``.

    Looks at every part once, so it ends with shared and circular references too.
    """
    if matches(value, set()):
        return root
    labels, seen, ancestors = [root], {id(value)}, [id(value)]
    levels = [iter(children(value))]
    while levels:
        for label, part in levels[-1]:
            if matches(part, set(ancestors) if id(part) in seen else set()):
                return _cut("".join([*labels, label]))
            if id(part) not in seen:
                seen.add(id(part))
                labels.append(label)
                ancestors.append(id(part))
                levels.append(iter(children(part)))
                break
        else:
            levels.pop(), labels.pop(), ancestors.pop()
    return None


def _cut(path: str) -> str:
    half = _MAX_PATH_CHARS // 2
    return path if len(path) <= _MAX_PATH_CHARS else f"{path[:half]} ... {path[-half:]}"


def children(value: object) -> Iterable[tuple[str, object]]:
    """Yield the parts of a container with the label that continues its path."""
    if isinstance(value, dict):
        yield from ((f" key {_short(key)}", key) for key in value)
        yield from ((f"[{_short(key)}]", part) for key, part in value.items())
    elif isinstance(value, tuple) and hasattr(type(value), "_fields"):
        yield from zip(_field_labels(value), value, strict=False)
    elif isinstance(value, (list, tuple, deque)):
        yield from ((f"[{index}]", part) for index, part in enumerate(value))
    elif isinstance(value, (set, frozenset)):
        yield from ((" element", part) for part in value)
    elif isinstance(value, BaseModel) or is_dataclass(value):
        yield from _attributes(value)


def _field_labels(value: Any) -> Iterable[str]:
    return (f".{name}" for name in type(value)._fields)


def _attributes(value: Any) -> Iterable[tuple[str, object]]:
    held = dict(getattr(value, "__dict__", {}))
    for field in fields(value) if is_dataclass(value) else ():
        if hasattr(value, field.name):
            held.setdefault(field.name, getattr(value, field.name))
    if isinstance(value, BaseModel):
        held.update(value.__pydantic_extra__ or {})
        held.update(value.__pydantic_private__ or {})
    else:
        held.update(held_in(slots_of(type(value)), value))
    yield from ((f".{name}", part) for name, part in held.items())


def _short(key: object) -> str:
    try:
        text = repr(key)
    except Exception:  # a huge number, or a key of the user's own type
        text = f"<{type(key).__name__}>"
    return text if len(text) <= 60 else f"{text[:57]}..."
