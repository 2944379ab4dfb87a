"""Tells once per run that its journal holds rows of a later version of Astrum."""

from __future__ import annotations

import logging

from astrum.protocol.rows import PROTOCOL_VERSION
from astrum.runtime.version import installed_version

logger = logging.getLogger("astrum.coordinator")


class UnknownRows:
    """The rows that a reader of a run's journal skips, since it does not know what they mean."""

    def __init__(self, run_id: str) -> None:
        self._run_id = run_id
        self._is_told = False

    def note(self, what: str) -> None:
        """Log the first row that is skipped; later ones are not logged."""
        if not self._is_told:
            self._is_told = True
            logger.error(
                "run %s: its journal holds %s, which this process does not know: such rows are "
                "skipped, and the run may wait for them. This is Astrum %s (protocol %s): update "
                "it to the latest version that a coordinator or worker of this server has",
                self._run_id,
                what,
                installed_version(),
                PROTOCOL_VERSION,
            )
