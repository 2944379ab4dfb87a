"""Whether exact runs have used the streams of this worker's code."""

from __future__ import annotations


class ExactRuns:
    """A flag: there are streams that only workers with this very code may read.

    Hardly any pool has exact runs. Their streams are not read before there are some, since a read
    over twice as many streams takes longer for every attempt. The flag is set when a leader says
    that it begins to use such a stream, and when one is found at the server.
    """

    def __init__(self) -> None:
        self.are_known = False
