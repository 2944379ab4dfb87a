"""Safeguards of the product that can be taken away, to see that the simulation misses them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.simulation.world import World

ABLATIONS: dict[str, object] = {}


@contextmanager
def without_safeguard(name: str | None, world: World) -> Iterator[None]:
    """Take a safeguard away for a while."""
    yield
