"""Simulated time, random numbers and logging."""

from __future__ import annotations

import logging
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tests.simulation.world import World


class _Listener(logging.Handler):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info:
            text += f" ({record.exc_info[1]!r})"
            self.world.errors.append(text)
        self.world.say(f"{record.levelname.lower()}: {text}")


@contextmanager
def in_world(world: World) -> Iterator[None]:
    """Make time, chance and logging the world's."""
    state = random.getstate()
    random.seed(world.rng.random())
    chance = random.Random(world.rng.random())
    listener = _Listener(world)
    logger = logging.getLogger("astrum")
    level = logger.level
    logger.addHandler(listener)
    logger.propagate = False
    logger.setLevel(logging.INFO)
    try:
        with (
            patch.object(time, "monotonic", world.loop.time),
            patch.object(time, "time", world.loop.time),
            world.promises.watching_leaders(),
            patch.object(secrets, "token_hex", lambda n: f"{chance.getrandbits(8 * n):0{2 * n}x}"),
        ):
            yield
    finally:
        logger.setLevel(level)
        logger.propagate = True
        logger.removeHandler(listener)
        random.setstate(state)
