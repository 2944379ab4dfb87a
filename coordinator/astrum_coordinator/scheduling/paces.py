"""The paces of all streams that one coordinator sends to, and its distance to the server."""

from __future__ import annotations

from weakref import WeakValueDictionary

from astrum.protocol.streams import Stream
from astrum_coordinator.scheduling.pace import StreamPace

_FORGOTTEN_PER_CALL = 0.01


class Paces:
    """The pace of each stream, shared by all runs that use it and kept for as long as one does."""

    def __init__(self) -> None:
        self._paces: WeakValueDictionary[Stream, StreamPace] = WeakValueDictionary()
        self.round_trip_s = 0.0

    def of(self, stream: Stream) -> StreamPace:
        """Return the pace of a stream."""
        pace = self._paces.get(stream)
        if pace is None:
            pace = self._paces[stream] = StreamPace()
        return pace

    def note_call(self, took_s: float) -> None:
        """Learn from a call how far the server is: the quickest of the latest calls tells it."""
        longer = self.round_trip_s * (1 + _FORGOTTEN_PER_CALL)
        self.round_trip_s = min(took_s, longer) if self.round_trip_s else took_s
