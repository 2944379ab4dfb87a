"""Coverage-guided fuzzing of everything that reads bytes from the network.

Not collected by pytest. Needs atheris: ``python tests/fuzz/fuzz_wire.py -max_total_time=60``.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found,unused-ignore]

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["astrum.wire"]):
    from astrum.errors import DecodeError, LocateError
    from astrum.wire import Codec, inflate, project, reference_of, unpack_arguments
    from astrum.wire.messages import decode_entry, decode_message
    from tests.unit.wire.samples import CODEC

OPAQUE = Codec.opaque()
READERS = (
    OPAQUE.decode,
    inflate,
    reference_of,
    unpack_arguments,
    lambda data: project(data, (0, "id")),
    lambda data: project(data, ("a", -1)),
    decode_message,
    decode_entry,
)


def read_all_ways(data: bytes) -> None:
    for read in READERS:
        with contextlib.suppress(DecodeError, LocateError):
            read(data)
    with contextlib.suppress(DecodeError):
        value = CODEC.decode(data)
        CODEC.decode(CODEC.encode(value))


if __name__ == "__main__":
    atheris.Setup(sys.argv, read_all_ways)
    atheris.Fuzz()
