"""Tasks of every kind, and a task beside them that has a mistake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal

from astrum import Each, Ref, SchedulerRegistry

Kind = Literal["refund", "sale"]


class Color(Enum):
    RED = "r"
    BLUE = "b"


@dataclass
class Page:
    number: int
    weight: float


def files() -> list[str]:
    return []


def sizes() -> tuple[int, ...]:
    return ()


def names() -> set[str]:
    return set()


def table() -> dict[str, int]:
    return {}


def text() -> str:
    return ""


def pages() -> list[Page]:
    return []


def route() -> Kind:
    return "sale"


def color() -> Color | None:
    return None


def is_new() -> bool:
    return True


def cleanup() -> None: ...


def parse(path: Ref[str, Each(files)]) -> list[int]:
    return []


def accepts(path: Ref[str, Each(files)]) -> int:
    return 0


def lines(row: Ref[int, Each(Each(parse))]) -> int:
    return 0


BASE: list[tuple[Callable[..., Any], dict[str, Any]]] = [
    *((one, {}) for one in (files, sizes, names, table, text, pages, route, color, is_new)),
    (cleanup, {"always": True}),
    (parse, {}),
    (accepts, {"max_failed": 0.05}),
    (lines, {}),
]


def built(
    function: Callable[..., Any], options: dict[str, Any], name: str = "bad", **settings: Any
) -> None:
    registry = SchedulerRegistry("mistakes")
    for one, own in BASE:
        registry.task(**own)(one)
    registry.task(name, **options)(function)
    registry.build_scheduler(**settings).flow()


def task_with(annotation: Any, returns: Any = None, default: Any = ...) -> Callable[..., Any]:
    """Return a function whose one parameter, ``x``, has this annotation."""

    def bad(x: Any) -> Any: ...

    bad.__annotations__ = {"x": annotation, "return": returns}
    if default is not ...:
        bad.__defaults__ = (default,)
    return bad


def two(first: Any, second: Any) -> Callable[..., Any]:
    def bad(x: Any, y: Any) -> None: ...

    bad.__annotations__ = {"x": first, "y": second, "return": None}
    return bad


def plain() -> None: ...
