"""``python -m astrum_worker``: the same as the command ``astrum-worker``."""

from __future__ import annotations

import signal
import sys

if __name__ == "__main__":
    if sys.argv[1:2] == ["--probe"]:
        from astrum_worker.probe import probe

        sys.exit(probe(sys.argv[2:]))

    handler = signal.getsignal(signal.SIGINT)
    if handler is signal.default_int_handler:
        # So a Ctrl-C that also ends the supervisor shows no traceback of these imports.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from astrum_worker.cli import main

    signal.signal(signal.SIGINT, handler)
    main(prog_name="astrum-worker")
