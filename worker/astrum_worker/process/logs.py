"""The log of a worker, on standard error."""

from __future__ import annotations

from astrum.runtime.command_line import log_to_stderr

FORMAT = "%(asctime)s %(levelname)s %(name)s[%(process)d]: %(message)s"


def set_up_logging(level: str) -> None:
    """Log what Astrum says to standard error; the user's own logging is not changed."""
    log_to_stderr(level, FORMAT)
