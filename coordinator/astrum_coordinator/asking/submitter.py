"""Names who asks for something: user, host and process."""

from __future__ import annotations

import getpass
import os
import socket
from functools import cache


def submitter() -> str:
    """Return who runs this process, where: ``ann@host:4711``; without a user ``host:4711``."""
    return f"{_user()}{socket.gethostname()}:{os.getpid()}"


@cache
def _user() -> str:
    try:
        return f"{getpass.getuser()}@"
    except (KeyError, OSError, ImportError):  # a container may run as a user without a name
        return ""
