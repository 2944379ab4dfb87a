"""Waits for a server whose trouble may pass: logged at once, and for a limited time."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from astrum.errors import StoreUnavailableError
from astrum.runtime.loops import Backoff

logger = logging.getLogger("astrum")

Result = TypeVar("Result")

START_PATIENCE_S = 10.0
"""The time that commands and workers wait at their start for a server that is not ready."""


async def patiently(
    action: Callable[[], Awaitable[Result]],
    *,
    patience_s: float | None,
    what: str = "",
    log: logging.Logger = logger,
    level: int = logging.WARNING,
) -> Result:
    """Repeat a repeatable action until the server does it, and return the result.

    Raises the last `StoreUnavailableError` after ``patience_s`` (`None`: never); all other errors
    at once. Each new error is logged once, with ``level``: services report an outage too. ``what``
    names the action in the log.
    """
    backoff, began, told = Backoff(longest_s=1.0), time.monotonic(), ""
    limit = "until it works" if patience_s is None else f"for {patience_s:g} s at most"
    while True:
        try:
            return await action()
        except StoreUnavailableError as error:
            waited_s = time.monotonic() - began
            if patience_s is not None and waited_s >= patience_s:
                stayed = f"; it stayed so for {waited_s:.0f} s" if patience_s else ""
                raise type(error)(f"{error}{stayed}") from None
            if str(error) != told:
                told = str(error)
                prefix = f"{what}: " if what else ""
                log.log(level, "%s%s; it is tried again %s", prefix, told, limit)
        await backoff.wait()
