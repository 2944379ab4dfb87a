"""Small parts of a worker, one by one, on fake stores."""

from __future__ import annotations

import asyncio

import msgpack
import pytest

from astrum.errors import EncodeError, PayloadTooLargeError
from astrum.execution.invoke import BoundTask
from astrum.planning.build import NO_INPUTS
from astrum.protocol.task_message import attribute
from astrum.values.codec import Codec
from astrum_worker.claim_gate import ClaimGate, Reason
from astrum_worker.running.blobs import BlobCache
from astrum_worker.running.catalog import Served
from astrum_worker.running.values import encode_result

# --- gate -------------------------------------------------------------------------------


async def test_a_gate_opens_when_its_last_reason_is_gone() -> None:
    closings: list[int] = []
    gate = ClaimGate()
    gate.on_close(lambda: closings.append(1))
    gate.close(Reason.NO_LEASE)
    gate.close(Reason.EXCLUSIVE)
    gate.close(Reason.EXCLUSIVE)
    gate.open(Reason.EXCLUSIVE)
    assert not gate.is_open
    gate.open(Reason.NO_LEASE)
    await gate.wait_open()
    assert len(closings) == 2


# --- blobs ----------------------------------------------------------------------------------------


class Transfers:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.called = asyncio.Event()
        self.may_pass = asyncio.Event()

    async def fetch(self, run_id: str, digest: str) -> bytes:
        self.asked.append(digest)
        self.called.set()
        await self.may_pass.wait()
        return digest.encode() * 10


async def test_readers_of_one_value_share_a_transfer_and_survive_each_others_cancellation() -> None:
    transfers = Transfers()
    cache = BlobCache(transfers.fetch, 1000)
    first, second = (asyncio.create_task(cache.get(run_id, "aa")) for run_id in ("r1", "r2"))
    await transfers.called.wait()
    first.cancel()
    transfers.may_pass.set()
    assert await second == b"aa" * 10
    assert await cache.get("r3", "aa") == b"aa" * 10
    assert transfers.asked == ["aa"]


async def test_the_value_that_was_used_longest_ago_goes_first() -> None:
    transfers = Transfers()
    transfers.may_pass.set()
    cache = BlobCache(transfers.fetch, 50)
    for digest in ("aa", "bb", "aa", "cc", "aa", "bb"):
        await cache.get("r", digest)
    assert transfers.asked == ["aa", "bb", "cc", "bb"]
    assert cache.size_bytes <= 50


# --- values and messages --------------------------------------------------------------------------


def served() -> Served:
    return Served(BoundTask("make", print, NO_INPUTS, "thread"), "", Codec())


def test_a_result_beyond_the_hard_limit_names_its_task() -> None:
    with pytest.raises(PayloadTooLargeError, match=r"task 'make'.*limit is 1,000"):
        encode_result(b"x" * 2000, served(), inline_bytes=100, max_bytes=1000)


def test_a_result_is_shrunk_before_it_is_judged_too_big_for_the_message() -> None:
    value, blob = encode_result(b"x" * 100_000, served(), inline_bytes=65536, max_bytes=10**6)
    assert blob is None
    assert len(value) < 2000


def test_a_result_that_cannot_be_encoded_says_so() -> None:
    with pytest.raises(EncodeError):
        encode_result(object(), served(), inline_bytes=100, max_bytes=1000)


@pytest.mark.parametrize(
    ("data", "known"),
    [
        (msgpack.packb([1, "r", 3, 2, "ns"]), (1, "r", 3, 2)),
        (msgpack.packb([1, "r", 3, 2, "a long text"])[:-5], (1, "r", 3, 2)),
        (msgpack.packb([7, "r", 3, 2]), (7, "r", 3, 2)),
        (msgpack.packb([1, "r", 3]), None),
        (msgpack.packb([1, 5, 3, 2]), None),
        (msgpack.packb([1, "r", True, 2]), None),
        (msgpack.packb({"a": 1}), None),
        (b"\xdd\xff\xff\xff\xff", None),
        (b"", None),
    ],
)
def test_an_attempt_is_known_from_the_first_fields_alone(data: bytes, known: object) -> None:
    assert attribute(data) == known
