"""Any bytes in place of a plan give a valid plan or one of Astrum's errors."""

from __future__ import annotations

import copy
import zlib
from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrum.data_transport.bindings import Binding
from astrum.errors import DecodeError, PayloadTooLargeError
from astrum.machine.state import RunState
from astrum.planning import Plan, RetryPolicy, TaskSpec
from astrum.protocol.run_header import StoredPlan, plan_digest
from astrum.protocol.sealing import Seal
from astrum.values.codes import Code, whole_ext
from astrum_coordinator import stored_runs
from astrum_coordinator.stored_runs import decode_plan, encode_plan
from tests.unit.values.test_hostile_bytes import at_most

KEY = b"0123456789abcdef"
PLAN = Plan(
    "n",
    (
        TaskSpec(task_id="a", retry=RetryPolicy(2, delay=1.0)),
        TaskSpec(task_id="b", needs=("a",), bindings=(Binding("x", "a", ("k", 0)),), timeout_s=3.0),
    ),
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats()
    | st.text(max_size=3)
    | st.binary(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
)


def stored(data: bytes) -> StoredPlan:
    return StoredPlan(plan_digest(data), data)


def read(data: bytes) -> None:
    try:
        plan = decode_plan(stored(data), Seal())
    except DecodeError:
        return
    # What was read can be led.
    assert len(plan.index) == len(plan.tasks) == len(plan.priorities) == len(plan.levels)
    RunState(plan, run_key="r").start()
    assert decode_plan(encode_plan(plan, Seal()), Seal()) == plan


@settings(max_examples=300)
@given(st.binary(max_size=80) | anything.map(msgpack.packb))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    read(data)


@settings(max_examples=300)
@given(st.data())
def test_a_plan_with_any_part_replaced_is_read_or_refused(data: st.DataObject) -> None:
    fields = copy.deepcopy(msgpack.unpackb(msgpack.packb(PLAN.to_data())))
    place: Any = fields
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from(keys))
        inner = place[key]
        if not isinstance(inner, (dict, list)) or not inner or data.draw(st.booleans()):
            place[key] = data.draw(anything)
            break
        place = inner
    read(msgpack.packb(fields))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"tasks": [[]]}, "task 0 is damaged"),
        ({"tasks": [["a", [0], []]]}, "task 0 is damaged"),
        ({"tasks": [["a", [-1], []]]}, "without a number"),
        ({"tasks": [["a", [], [], {"lane": "other"}]]}, "unknown lane 'other'"),
        ({"tasks": [["a", [], [], {"queue": ""}]]}, "its queue is not a name"),
        ({"tasks": [["a", [], [], {"queue": "a:b"}]]}, "its queue is not a name without ':'"),
        ({"offer": 1234567890123456}, "its offer or its code is not a name"),
        ({"code": "a:b"}, "its offer or its code is not a name"),
        ({"tasks": [["a", [], [], {"fingerprint": 1}]]}, "its fingerprint is not a string"),
        ({"tasks": [["a", [], [], ["lane"]]]}, "its options are not a map"),
        ({"tasks": [["a", [], []]] * 2}, "have one id"),
        ({"tasks": [["a", [], [], {"timeout_s": 1e999}]]}, "not a positive number"),
        ({"version": 1}, "has version 1, this process reads 3 and 4"),
        ({"concurrency_limit": 0}, "concurrency limit is damaged"),
        ({"namespace": None}, "namespace or its"),
    ],
)
def test_the_reason_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(DecodeError, match=why):
        decode_plan(stored(msgpack.packb(PLAN.to_data() | change)), Seal())


def test_a_compression_bomb_is_refused_before_it_is_built() -> None:
    bomb = zlib.compress(bytes(60_000_000))
    data = whole_ext(Code.COMPRESSED, b"\x01\xff\xff\xff\xff" + bomb)
    with at_most(1), pytest.raises(DecodeError, match="64 MiB"):
        decode_plan(stored(data), Seal())


def test_a_plan_is_read_only_if_it_is_signed_and_has_its_digest() -> None:
    seal = Seal([KEY])
    plan = encode_plan(PLAN, seal)
    assert decode_plan(plan, seal) == PLAN
    for data in (plan.data[32:], b"", plan.data[:-1]):
        with pytest.raises(DecodeError, match="is not signed by a key of this process"):
            decode_plan(plan._replace(data=data), seal)
    other = encode_plan(Plan("other", PLAN.tasks), seal)
    with pytest.raises(DecodeError, match=f"the plan {plan.digest} was changed in the store"):
        decode_plan(other._replace(digest=plan.digest), seal)


def test_a_plan_that_no_coordinator_would_read_back_is_not_submitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    size = len(encode_plan(PLAN, Seal()).data)
    monkeypatch.setattr(stored_runs, "MAX_BLOB_BYTES", size)
    assert encode_plan(PLAN, Seal())
    with pytest.raises(PayloadTooLargeError, match=f"2 tasks has {size + 32} bytes.* {size}:"):
        encode_plan(PLAN, Seal([KEY]))
