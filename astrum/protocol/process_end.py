"""How the process of a worker ended, as its record on the server keeps it."""

from __future__ import annotations

import re
from typing import NamedTuple

from astrum.runtime.exit_codes import describe_ending

_OUT_OF_MEMORY = "memory"
_ENDED = re.compile(rf"(-?[0-9]{{1,5}})( {_OUT_OF_MEMORY})?")


class ProcessEnd(NamedTuple):
    """The return code of a process, negative for a signal.

    ``out_of_memory``: the kernel had just killed a process because memory ran out, probably this.
    """

    code: int
    out_of_memory: bool = False

    @property
    def cause(self) -> str:
        """The kind of end, as metrics name it: ``memory``, ``signal`` or ``exit``."""
        if self.out_of_memory:
            return "memory"
        return "signal" if self.code < 0 else "exit"

    def __str__(self) -> str:
        """Return what is said to people.

        >>> print(ProcessEnd(-9, out_of_memory=True))
        signal 9 (SIGKILL), probably because memory ran out
        """
        hint = ", probably because memory ran out" if self.out_of_memory else ""
        return describe_ending(self.code) + hint


CAUSES = ("memory", "signal", "exit")
"""All values of `ProcessEnd.cause`."""


def encode_process_end(end: ProcessEnd) -> str:
    """Return an end as the record of a worker keeps it.

    >>> encode_process_end(ProcessEnd(-9, out_of_memory=True)), encode_process_end(ProcessEnd(1))
    ('-9 memory', '1')
    """
    return f"{end.code} {_OUT_OF_MEMORY}" if end.out_of_memory else str(end.code)


def decode_process_end(data: bytes) -> ProcessEnd | None:
    """Read what `encode_process_end` wrote, `None` for anything else.

    >>> decode_process_end(b"-9 memory")
    ProcessEnd(code=-9, out_of_memory=True)
    """
    found = _ENDED.fullmatch(data.decode("ascii", "replace"))
    return None if found is None else ProcessEnd(int(found[1]), found[2] is not None)
