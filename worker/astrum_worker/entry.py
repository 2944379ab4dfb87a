"""The command ``astrum-worker``: a probe, or the worker, which imports much more."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line of this process."""
    if sys.argv[1:2] == ["--probe"]:
        from astrum_worker.probe import probe

        sys.exit(probe(sys.argv[2:]))
    from astrum_worker.cli import main as command

    command()
