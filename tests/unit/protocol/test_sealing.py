"""Entries, hints and plans that are not signed, or by another key, are refused as a whole."""

from __future__ import annotations

import msgpack
import pytest

from astrum.errors import DecodeError
from astrum.machine.events import Outcome
from astrum.protocol.hints import Hint, encode_hint
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum.protocol.sealing import Seal
from astrum.protocol.signing import SIGNATURE_BYTES

OURS, THEIRS = Seal([b"o" * 16]), Seal([b"t" * 16])
HINT = Hint("r", [(0, 1)])
PLAN = b"the plan"
RECORDS = [Record(task, 1, Outcome.CANCELLED) for task in range(3)]
ROWS = [encode_record(record) for record in RECORDS]
NO_SIGNATURE = b"\x00" * SIGNATURE_BYTES


def entry(*seals: Seal) -> bytes:
    """Return an entry with a row by each, as the settle script joins them."""
    return encode_entry(seal.seal_row("r", row) for seal, row in zip(seals, ROWS, strict=True))


def test_an_entry_signed_by_a_known_key_is_opened() -> None:
    assert OURS.open_hint(OURS.seal_hint(HINT)) == HINT
    assert OURS.open_plan("digest", OURS.seal_plan(PLAN)) == PLAN
    assert OURS.open_header("r", OURS.seal_header("r", PLAN)) == PLAN
    assert OURS.open_entry("r", entry(OURS, OURS, OURS)) == RECORDS


@pytest.mark.parametrize(
    "hint",
    [
        THEIRS.seal_hint(HINT),
        NO_SIGNATURE + encode_hint(HINT),
        OURS.seal_hint(HINT)[:SIGNATURE_BYTES] + encode_hint(Hint("r", [(0, 2)])),
        encode_hint(HINT),
        b"",
    ],
    ids=["another key", "no key", "another hint's signature", "no signature", "nothing"],
)
def test_a_hint_that_is_not_signed_by_a_known_key_is_refused(hint: bytes) -> None:
    with pytest.raises(DecodeError, match="not signed"):
        OURS.open_hint(hint)


@pytest.mark.parametrize(
    "plan",
    [THEIRS.seal_plan(PLAN), OURS.seal_header("", PLAN), NO_SIGNATURE + PLAN, PLAN],
    ids=["another key", "a header", "no key", "no signature"],
)
def test_a_plan_that_is_not_signed_is_refused(plan: bytes) -> None:
    with pytest.raises(DecodeError, match="the plan c0ffee is not signed"):
        OURS.open_plan("c0ffee", plan)


@pytest.mark.parametrize(
    "header",
    [THEIRS.seal_header("r", PLAN), OURS.seal_header("s", PLAN), OURS.seal_plan(PLAN), PLAN],
    ids=["another key", "another run", "a plan", "no signature"],
)
def test_a_header_that_is_not_signed_for_its_run_is_refused(header: bytes) -> None:
    with pytest.raises(DecodeError, match="the header of run r is not signed"):
        OURS.open_header("r", header)


@pytest.mark.parametrize("bad", range(3))
def test_one_row_of_another_key_makes_its_whole_entry_invalid(bad: int) -> None:
    seals = [OURS] * 3
    seals[bad] = THEIRS
    with pytest.raises(DecodeError, match="not signed"):
        OURS.open_entry("r", entry(*seals))


def test_a_row_of_a_later_version_must_be_signed_too() -> None:
    later = msgpack.packb([-1, "later"])
    entry = encode_entry([OURS.seal_row("r", ROWS[0]), THEIRS.seal_row("r", later)])
    with pytest.raises(DecodeError, match="not signed"):
        OURS.open_entry("r", entry)


def test_an_entry_of_another_run_or_without_signatures_is_refused() -> None:
    with pytest.raises(DecodeError, match="not signed"):
        OURS.open_entry("another", entry(OURS, OURS, OURS))
    with pytest.raises(DecodeError, match="not signed"):
        OURS.open_entry("r", encode_entry(ROWS))
