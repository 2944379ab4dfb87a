"""Asks again and again, and shows each answer, until it is interrupted."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from astrum.runtime.cli.options import ServerOptions
from astrum_coordinator.cli.asking import insist, patient_coordinator
from astrum_coordinator.cli.options import require_redis
from astrum_coordinator.cli.printing import Visible, print_view

if TYPE_CHECKING:
    from astrum_coordinator.app import Coordinator

Answer = TypeVar("Answer")
Show = Callable[[Any], bool]
"""Shows a view; ``False`` if no reader is left."""

EVERY_S = 2.0
"""Seconds between two questions; workers report as often."""


def keep_asking(
    server: ServerOptions,
    question: Callable[[Coordinator], Awaitable[Answer]],
    show: Callable[[Answer], bool],
) -> None:
    """Ask every two seconds and show the answer, until Ctrl-C or until no reader is left."""
    settings = require_redis(server)

    async def watch() -> None:
        async with patient_coordinator(settings) as coordinator:
            is_read = True
            while is_read:
                is_read = show(await insist(lambda: question(coordinator)))
                await asyncio.sleep(EVERY_S if is_read else 0)

    asyncio.run(watch())


@contextmanager
def redrawn() -> Iterator[Show]:
    """Yield a function that shows a view on standard output, in the place of the one before.

    Where that is not a terminal it is printed again each time.
    """
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        yield print_view
        return
    from rich.live import Live

    with Live(auto_refresh=False, vertical_overflow="ellipsis") as live:

        def show(view: Any) -> bool:
            live.update(Visible(view), refresh=True)
            return True

        yield show
