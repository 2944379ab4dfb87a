"""What a worker says on standard error."""

from __future__ import annotations

import logging
import sys

LEVELS = ("debug", "info", "warning", "error")
FORMAT = "%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s"


def set_up_logging(level: str) -> None:
    """Log what Astrum says to standard error; the user's own logging is left alone."""
    logger = logging.getLogger("astrum")
    logger.setLevel(level.upper())
    logger.propagate = False
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
