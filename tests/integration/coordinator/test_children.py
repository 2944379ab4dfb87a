"""What a leader sends to children and their readers, and what the next leader of the run sends."""

from __future__ import annotations

import os
from typing import Any

import pytest

from astrum.data_transport.bindings import Binding
from astrum.errors import RunNotFoundError
from astrum.machine.events import Outcome
from astrum.planning import TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.redis import RunStore
from astrum.values import reference_of, unpack_arguments
from astrum.values.codec import Codec
from astrum.values.payload import pack_value
from astrum.values.projection import project
from astrum_coordinator import Coordinator
from tests.integration.coordinator.manual_worker import ManualClaim, ManualWorker, take_over
from tests.integration.coordinator.steps import begin

KEYED = Axis((ListSource("docs"),), ("id",))
SPECS = (
    TaskSpec("docs", watches=(Watch("length", key=("id",)),)),
    TaskSpec("parse", ("docs",), (Binding("doc", "docs", (), "task", ("data",)),), axes=(KEYED,)),
    TaskSpec("first", ("parse",), (Binding("docs", "parse"),)),
    TaskSpec("second", ("parse",), (Binding("docs", "parse"),)),
)
CODEC = Codec()


async def succeed(hand: ManualWorker, runs: RunStore, held: ManualClaim, value: Any) -> None:
    """End an attempt as a worker does: big values are stored before, lengths are reported."""
    packed = pack_value(CODEC.encode(value))
    if packed.blob is not None:
        await runs.put_blob("r", packed.blob)
    seen = (len(value),) if held.message.watches else ()
    row = hand.record(held, Outcome.SUCCEEDED, value=packed.value, seen=seen)
    await hand.settle(held, row)


async def argument(runs: RunStore, held: ManualClaim) -> Any:
    """Return the one argument of an attempt, fetched if it is a reference."""
    [data] = unpack_arguments(held.message.arguments).values()
    reference = reference_of(data)
    if reference is not None:
        data = project(await runs.get_blob("r", reference.digest), reference.path)
    return CODEC.decode(data)


@pytest.mark.parametrize("size", [10, 100_000])
async def test_the_next_leader_sends_the_rest_of_the_children_and_then_all_they_returned(
    coordinator: Coordinator, other: Coordinator, hand: ManualWorker, runs: RunStore, size: int
) -> None:
    await hand.register("docs", "parse", "first", "second")
    run = begin(coordinator, *SPECS)
    docs = [{"id": f"A-{number}", "data": os.urandom(size)} for number in range(4)]
    held = await hand.claim()
    assert held.message.watches == SPECS[0].watches
    await succeed(hand, runs, held, docs)
    results: dict[int, Any] = {}
    for number in range(4):
        held = await hand.claim()
        message = held.message
        [place] = message.child_index
        assert (message.task_id, message.child_key) == ("parse", f"A-{place}")
        results[place] = await argument(runs, held)
        assert results[place] == docs[place]["data"]
        await succeed(hand, runs, held, results[place])
        if number == 1:
            await take_over(runs, other)
    readers = [await hand.claim(), await hand.claim()]
    assert {held.message.task_id for held in readers} == {"first", "second"}
    assert len({held.message.arguments for held in readers}) == 1
    for held in readers:
        assert await argument(runs, held) == [results[place] for place in range(4)]
        assert (held.message.child_index, held.message.watches) == ((), ())
        await succeed(hand, runs, held, None)
    report = await run
    assert report.execution_state == "completed"
    assert report.task_return_set["parse"] == [doc["data"] for doc in docs]


async def test_a_list_that_is_gone_fails_the_children_that_would_read_it(
    coordinator: Coordinator, hand: ManualWorker, runs: RunStore
) -> None:
    await hand.register("docs", "parse", "first", "second")
    run = begin(coordinator, *SPECS)
    held = await hand.claim()
    docs = [{"id": "a", "data": os.urandom(100_000)}]
    packed = pack_value(CODEC.encode(docs))
    row = hand.record(held, Outcome.SUCCEEDED, value=packed.value, seen=(1,))
    await hand.settle(held, row)
    with pytest.raises(RunNotFoundError, match="is gone"):
        await run  # its report would show the list too
    report = await coordinator._reports.report("r", results=False)
    assert report.execution_state == "failed"
    assert "is gone, so what reads it cannot run" in report.error_summary[0]
