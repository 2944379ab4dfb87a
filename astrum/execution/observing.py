"""Observes what a run depends on of a result: the process that has the live value reports it.

So the state machine learns numbers and no values, and the coordinator needs no code of the users.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from astrum.data_transport.bindings import Path
from astrum.data_transport.locate import describe, locate, shown_path, with_article
from astrum.errors import LocateError, ObservationError
from astrum.planning.axes import Choice, Watch

MAX_KEY_CHARS = 200
_COMPARED = (str, int, bool, type(None))


def observe(
    value: Any, watches: Sequence[Watch], task_id: str, max_children: int | None = None
) -> tuple[int, ...]:
    """Return what each watch sees of the result of ``task_id``, in their order.

    Raises `ObservationError`, which fails the task: its own readers could only repeat it. Without
    ``max_children``, how many are too many is decided by who gets the numbers.
    """
    return tuple([_observed(value, watch, task_id, max_children) for watch in watches])


def _observed(value: Any, watch: Watch, task_id: str, max_children: int | None) -> int:
    result = f"the result of task {task_id!r}"
    what = shown_path(watch.path, result)
    try:
        part = locate(value, watch.path)
    except LocateError as error:
        raise ObservationError(f"{error.about(result)}; {_WHY[watch.kind]}") from None
    if watch.kind == "length":
        return _length(part, watch, what, max_children)
    if watch.kind == "truth":
        return _truth(part, what)
    if watch.kind == "choice":
        return _choice(part, watch.choices, what)
    raise ObservationError(
        f"{what}: this process does not know how to observe {watch.kind!r} of it: run the same "
        "Astrum version everywhere"
    )


_WHY = {
    "length": "other tasks run once for each element of a list there",
    "truth": "whether other tasks run depends on a bool there",
    "choice": "which other tasks run depends on what is there",
}


# --- lists ------------------------------------------------------------------------------------


def is_list(value: Any) -> bool:
    """Return whether a value gives a task its children: a list or tuple, not one with fields."""
    return isinstance(value, (list, tuple)) and not hasattr(value, "_fields")


def _length(part: Any, watch: Watch, what: str, max_children: int | None) -> int:
    if not is_list(part):
        raise ObservationError(
            f"{what} is {describe(part)}; {_WHY['length']}, so return a list or a tuple"
        )
    if max_children is not None and len(part) > max_children:
        raise ObservationError(
            f"{what} has {len(part):,} elements, and a task may have {max_children:,} children: "
            "return fewer, with several items in each, or raise max_children of AstrumConfig"
        )
    if watch.key is not None:
        keys_of(part, watch.key, what)
    return len(part)


def keys_of(part: Sequence[Any], key: Path, what: str) -> list[str]:
    """Return the names of a list's elements; raises `ObservationError`, in which it is ``what``.

    Each is the string or integer at ``key`` of the element. No two are equal.
    """
    places: dict[str, int] = {}
    for place, element in enumerate(part):
        name = _key(element, key, f"element {place} of {what}")
        if places.setdefault(name, place) != place:
            raise ObservationError(
                f"{what} has the key {name!r} twice, in the elements {places[name]} and {place}: "
                "a key names one child, so it must be unique in its list"
            )
    return list(places)


def _key(element: Any, key: Path, where: str) -> str:
    try:
        found = locate(element, key)
    except LocateError as error:
        text = f"{error.about(where)}; that part is the key that names the child"
        raise ObservationError(text) from None
    shown = f"{shown_path(key)} of {where}" if key else where
    if isinstance(found, Enum) or type(found) not in (str, int):
        kind = with_article(type(found).__name__) if found is not None else "None"
        raise ObservationError(f"{shown} is {kind}; the key of a child must be a str or an int")
    name = str(found)
    if not name or len(name) > MAX_KEY_CHARS or not name.isprintable():
        raise ObservationError(
            f"{shown} is {_short(name)}; the key of a child must have 1 to "
            f"{MAX_KEY_CHARS} printable characters"
        )
    return name


def _short(name: str) -> str:
    return repr(name) if len(name) <= MAX_KEY_CHARS else f"a str of {len(name):,} characters"


# --- conditions -------------------------------------------------------------------------------


def _truth(part: Any, what: str) -> int:
    if type(part) is not bool:
        raise ObservationError(
            f"{what} is {describe(part)}; {_WHY['truth']}, so return True or False"
        )
    return int(part)


def _choice(part: Any, choices: Sequence[Choice], what: str) -> int:
    """Return the place of a value in the choices, or -1; an enum's member is known by its name."""
    if isinstance(part, Enum):
        found = _place(part.name, choices)
        # A member of a StrEnum or an IntEnum equals its value.
        return _place(part.value, choices) if found < 0 and isinstance(part, _COMPARED) else found
    if type(part) not in _COMPARED:
        raise ObservationError(
            f"{what} is {describe(part)}; {_WHY['choice']}, so return a str, an int, a bool, None "
            "or an enum's member"
        )
    return _place(part, choices)


def _place(value: Any, choices: Sequence[Choice]) -> int:
    """Return where an equal value of the same type is: True is not 1."""
    same = (
        place
        for place, choice in enumerate(choices)
        if type(choice) is type(value) and choice == value
    )
    return next(same, -1)
