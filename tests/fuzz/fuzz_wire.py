"""Coverage-guided fuzzing of everything that reads bytes from the network.

Not collected by pytest. ``make fuzz`` runs it for ``MINUTES``, in an environment of its own with
atheris; inputs that found something new are kept in ``.fuzz``.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import atheris  # type: ignore[import-not-found,unused-ignore]
import msgpack

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "worker"), str(ROOT / "coordinator")]

with atheris.instrument_imports(include=["astrum", "astrum_worker", "astrum_coordinator"]):
    from astrum.data_transport.bindings import Binding
    from astrum.errors import AstrumError, DecodeError
    from astrum.machine.events import CancelRequested, Outcome
    from astrum.machine.failure import Failure
    from astrum.machine.state import RunState
    from astrum.planning import Plan, RetryPolicy, TaskSpec
    from astrum.planning.axes import Watch
    from astrum.protocol.hints import Hint, decode_hint, encode_hint
    from astrum.protocol.messages import (
        Record,
        claimed_ends,
        decode_entry,
        encode_entry,
        encode_event,
        encode_record,
        event_of,
    )
    from astrum.protocol.run_header import (
        RunHeader,
        StoredPlan,
        decode_header,
        encode_header,
        plan_digest,
    )
    from astrum.protocol.sealing import Seal
    from astrum.protocol.status import decode_served, decode_status
    from astrum.protocol.task_logs import decode_log
    from astrum.protocol.task_message import TaskMessage, decode_message, encode_message
    from astrum.redis import Claim
    from astrum.redis.settings import RedisSettings, mask_url
    from astrum.values import (
        BlobRef,
        Codec,
        encode_reference,
        inflate,
        join,
        list_length,
        project,
        reference_of,
        shrink,
        split,
        unpack_arguments,
    )
    from astrum_coordinator.stored_runs import decode_plan, encode_plan
    from astrum_worker.running.catalog import Catalog
    from astrum_worker.running.claim_reader import ClaimReader
    from tests.unit.values.samples import CODEC

OPAQUE = Codec.opaque()
OPEN, SEALED = Seal(), Seal([b"0123456789abcdef"])
INTAKES = (ClaimReader(Catalog({}), OPEN), ClaimReader(Catalog({}), SEALED))
READERS = (
    OPAQUE.decode,
    inflate,
    reference_of,
    unpack_arguments,
    lambda data: project(data, (0, "id")),
    lambda data: project(data, ("a", -1)),
    split,
    lambda data: split(data, ("a",)),
    list_length,
    lambda data: join([data, None, data[:1], data[1:]]),
    decode_message,
    decode_entry,
    decode_hint,
    decode_served,
    lambda data: SEALED.open_entry("r", data),
    lambda data: SEALED.open_plan("digest", data),
    decode_header,
    SEALED.open_hint,
    decode_log,
)


def read_all_ways(data: bytes) -> None:
    """Read the bytes as everything; only errors of ours may come up."""
    for read in READERS:
        with contextlib.suppress(AstrumError):
            read(data)
    with contextlib.suppress(DecodeError):
        value = CODEC.decode(data)
        CODEC.decode(CODEC.encode(value))
    decode_status(data)
    claimed_ends(data)
    for intake in INTAKES:  # these never raise
        intake.read(Claim("q", "1-0", data, data[:32]))
    with contextlib.suppress(DecodeError):
        _lead(data)
    _show(data.decode("utf-8", "replace"))


def _lead(data: bytes) -> None:
    """Split the bytes to a plan and its journal; what is read as a plan can be led."""
    plan_bytes, _, journal = data.partition(b"\xc1")  # a byte that msgpack never uses
    plan = decode_plan(StoredPlan(plan_digest(plan_bytes), plan_bytes), OPEN)
    state = RunState(plan, run_key="r")
    state.start()
    for item in decode_entry(journal):
        state.handle(event_of(item, 1.0))


def _show(url: str) -> None:
    mask_url(url)
    with contextlib.suppress(AstrumError):
        RedisSettings(url=url)


def write_seeds(corpus: Path) -> None:
    """Write what well-formed bytes look like, to begin with."""
    spec = TaskSpec(task_id="b", needs=("a",), bindings=(Binding("x", "a", ("k", 0)),))
    plan = Plan("n", (TaskSpec(task_id="a", retry=RetryPolicy(2)), spec))
    message = TaskMessage(
        *("r", 0, 1, 1, "n", "a", "f", 2, 1.5, True, False, b"\x92\xa1x\xc4\x01\x07"),
        child_index=(3, 1),
        child_key="key",
        watches=(Watch("choice", ("x", 0), ("a", None), ("k",)),),
        limits=("limit",),
        priority=1,
        versions="exact",
        trace="00-trace-span-01",
    )
    failure = Failure(("builtins.ValueError",), "no", "traceback", ("note",))
    rows = [
        encode_record(Record(0, 1, Outcome.FAILED, "w", 1.0, 2.0, None, failure)),
        encode_record(
            Record(
                *(0, 2, Outcome.SUCCEEDED, "w", 1.0, 2.0, b"\x07", None, 1),
                *(250, 3, "blocked", (7,), "code", b"log"),
            )
        ),
        encode_event(CancelRequested(1.0, "why")),
    ]
    entry = encode_entry(rows)
    row = {"run_id": "r", "task": 0, "task_id": "a", "attempt": 1, "age_s": 0.5}
    seeds = [
        encode_plan(plan, OPEN).data + b"\xc1" + entry,
        encode_header(RunHeader("n", "c0ffee", {"day": b"\x07"}, 2)),
        SEALED.seal_entry("r", *rows),
        SEALED.seal_hint(Hint("r", [(0, 1)])),
        encode_hint(Hint("r", [(0, 1)])),
        encode_message(message),
        encode_reference(BlobRef("d" * 32, 9, ("k", 0))),
        msgpack.packb([["n", "a", "f"]]),
        msgpack.packb({"running": [row]}),
        shrink(CODEC.encode("x" * 20_000)),
        CODEC.encode([1, (2, "t"), {"k": {3}}, 1.5, b"b", None, datetime.now(UTC), Decimal("1.5")]),
        b"rediss://user:password@host:6379/0?password=x",
    ]
    for number, seed in enumerate((entry, *seeds)):
        (corpus / f"seed-{number}").write_bytes(seed)


if __name__ == "__main__":
    logging.disable()
    write_seeds(Path(sys.argv[1]))
    atheris.Setup(sys.argv, read_all_ways)
    atheris.Fuzz()
