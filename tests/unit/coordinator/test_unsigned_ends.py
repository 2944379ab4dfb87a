"""Ends without a valid signature are counted, whether or not they matter to the run."""

from __future__ import annotations

from astrum.machine.events import Outcome
from astrum.machine.state import RunState
from astrum.planning import Plan, TaskSpec
from astrum.protocol.messages import Record, encode_entry, encode_record
from astrum_coordinator.leading.unsigned_ends import UnsignedEnds


def test_all_unsigned_ends_are_counted_and_those_of_current_attempts_kept() -> None:
    ends, state = UnsignedEnds(), RunState(Plan("n", (TaskSpec(task_id="a"),)), run_key="r")
    records = [Record(0, 1, Outcome.SUCCEEDED), Record(0, 9, Outcome.FAILED)]
    ends.note(encode_entry(map(encode_record, records)), state)
    ends.note(b"no entry", state)
    assert (ends.seen, len(ends)) == (2, 1)
