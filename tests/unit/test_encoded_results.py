"""Lists are split once, joined once and kept no longer than they are read."""

from __future__ import annotations

from typing import Any

import pytest

from astrum.data_transport.bindings import Binding
from astrum.errors import PayloadTooLargeError, TransportError
from astrum.execution import encoded_results, gathering
from astrum.execution.encoded_results import EncodedResults
from astrum.execution.gathering import Fetching
from astrum.execution.input_lists import fetching_lengths
from astrum.machine.events import AttemptSettled, Outcome, Reopened
from astrum.machine.state import RunState
from astrum.planning import Plan, TaskSpec
from astrum.planning.axes import Axis, ListSource, Watch
from astrum.values import (
    BlobRef,
    Codec,
    encode_reference,
    reference_of,
    shrink,
    split,
    unpack_arguments,
)
from astrum.values.references import digest_of
from astrum.values.unsent import encode_unsent

CODEC = Codec()
DOCS = (Axis((ListSource("docs"),)),)
SPECS = (
    TaskSpec("docs", watches=(Watch("length"),)),
    TaskSpec("parse", ("docs",), (Binding("doc", "docs", (), "task", ()),), axes=DOCS),
    TaskSpec("check", ("docs",), (Binding("doc", "docs", (), "task", ("id",)),), axes=DOCS),
    TaskSpec("first", ("parse",), (Binding("docs", "parse"),)),
    TaskSpec("second", ("parse",), (Binding("docs", "parse"),)),
)
PARSE, CHECK, FIRST, SECOND = 1, 2, 3, 4


class Led:
    """A run whose list has come; ``fetched`` are the big values that were asked for."""

    def __init__(self, docs: list[Any], *, apart: bool = False) -> None:
        self.state = RunState(Plan("test", SPECS), run_key="r")
        self.results = EncodedResults(self.state.tasks, 10**9, self.state)
        self.state.start()
        self.blobs: dict[str, bytes] = {}
        self.fetched: list[str] = []
        data = CODEC.encode(docs)
        self.succeed(0, self.apart(data) if apart else data, seen=(len(docs),))

    def apart(self, data: bytes) -> bytes:
        """Keep a value apart and return the reference to it."""
        self.blobs[digest_of(data)] = data
        return encode_reference(BlobRef(digest_of(data), len(data)))

    def succeed(self, task: int, data: bytes, seen: tuple[int, ...] = ()) -> None:
        """End a task with an encoded result."""
        self.results.keep(task, data)
        self.state.handle(AttemptSettled(task, 1, Outcome.SUCCEEDED, 1.0, 1.0, 1.0, seen=seen))

    def child(self, template: int, *index: int) -> int:
        """Return the number of a child."""
        found = self.state.tasks.find(template, index)
        assert found is not None
        return found

    def arguments(self, task: int) -> dict[str | int, bytes]:
        """Return the encoded arguments of a task."""
        data = self.results.arguments_at_hand(task)
        return unpack_arguments(self.all_of(self.results.fetching_arguments(task), data))

    def all_of(self, fetching: Fetching[Any], answer: Any = None) -> Any:
        """Return what comes of a generator, unless it is known."""
        if answer is not None:
            return answer
        try:
            while True:
                asked = fetching.send(answer)
                if isinstance(asked, BlobRef):
                    self.fetched.append(asked.digest)
                    answer = self.blobs[asked.digest]
                else:
                    answer = asked()
        except StopIteration as end:
            return end.value


@pytest.fixture
def splits(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count how often a list is split."""
    found: list[int] = []

    def counted(data: bytes, path: Any) -> Any:
        found.append(len(data))
        return split(data, path)

    monkeypatch.setattr(encoded_results, "split", counted)
    return found


@pytest.mark.parametrize("apart", [False, True])
def test_a_list_is_fetched_and_split_once_for_all_children_and_then_dropped(
    apart: bool, splits: list[int]
) -> None:
    docs = [{"id": number} for number in range(100)]
    led = Led(docs, apart=apart)
    for place, doc in enumerate(docs):
        assert len(led.results._lists) == (0 if place == 0 else 1)
        assert led.arguments(led.child(PARSE, place)) == {"doc": CODEC.encode(doc)}
        assert led.arguments(led.child(CHECK, place)) == {"doc": CODEC.encode(place)}
    assert len(splits) == 1
    assert len(led.fetched) == apart
    assert (len(led.results._lists), led.results._lists.size_bytes) == (0, 0)
    assert led.arguments(led.child(PARSE, 7)) == {"doc": CODEC.encode(docs[7])}  # tried again
    assert len(splits) == 2


def test_an_error_names_what_a_child_lacks() -> None:
    led = Led([{"id": 1}, {"no": 1}])
    assert led.arguments(led.child(CHECK, 0)) == {"doc": CODEC.encode(1)}
    with pytest.raises(TransportError, match="task 'check', parameter 'doc', from 'docs'"):
        led.arguments(led.child(CHECK, 1))


def test_results_are_joined_once_for_all_who_read_them_and_stored_apart_if_they_are_big() -> None:
    led = Led(list(range(10)))
    parts = [bytes([number]) * 40_000 for number in range(10)]
    for number, part in enumerate(parts):
        data = CODEC.encode(part)
        form = (lambda data: data, shrink, led.apart)[number % 3]
        led.succeed(led.child(PARSE, number), form(data))
    [first] = led.arguments(FIRST).values()
    assert len(led.fetched) == 3
    assert CODEC.decode(first) == parts  # it was compressed below what is kept apart
    assert led.results.take_unstored() == []
    assert led.arguments(SECOND)["docs"] == first
    assert len(led.fetched) == 3
    led.results.forget_joined()
    assert led.arguments(SECOND)["docs"] == first
    assert len(led.fetched) == 6


def test_a_big_list_of_results_is_stored_before_its_readers_are_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(encoded_results, "pack_value", _never_shrunk)
    led = Led(list(range(3)))
    for number in range(3):
        led.succeed(led.child(PARSE, number), CODEC.encode("x" * 30_000))
    [first] = led.arguments(FIRST).values()
    [blob] = led.results.take_unstored()
    reference = reference_of(first)
    assert reference is not None
    assert reference.digest == blob.digest
    assert CODEC.decode(blob.data) == ["x" * 30_000] * 3
    assert led.arguments(SECOND)["docs"] == first
    assert led.results.take_unstored() == []


def test_after_a_run_was_reopened_nothing_is_read_as_it_was_before() -> None:
    led = Led([1, 2])
    for number in range(2):
        led.succeed(led.child(PARSE, number), CODEC.encode(number))
    assert CODEC.decode(led.arguments(FIRST)["docs"]) == [0, 1]
    led.results.keep(led.child(PARSE, 1), CODEC.encode("other"))
    assert CODEC.decode(led.arguments(SECOND)["docs"]) == [0, 1]
    led.state.attempt_log.reopened.append(Reopened((), 1.0))
    assert CODEC.decode(led.arguments(SECOND)["docs"]) == [0, "other"]


def _never_shrunk(data: bytes) -> Any:
    from astrum.values.payload import EncodedResult
    from astrum.values.references import Blob

    digest = digest_of(data)
    return EncodedResult(encode_reference(BlobRef(digest, len(data))), Blob(digest, data))


@pytest.mark.parametrize("form", ["plain", "shrunk", "apart"])
def test_results_that_are_too_big_together_fail_their_reader_by_name(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gathering, "MAX_VALUE_BYTES", 100_000)
    led = Led(list(range(3)))
    for number in range(3):
        data = CODEC.encode("x" * 40_000)
        packed = {"plain": data, "shrunk": shrink(data), "apart": led.apart(data)}[form]
        led.succeed(led.child(PARSE, number), packed)
    with pytest.raises(PayloadTooLargeError) as caught:
        led.arguments(FIRST)
    assert str(caught.value) == (
        "task 'first', parameter 'docs': the results of 'parse' are more than 100,000 bytes "
        "together: return less from each, or gather them in several tasks"
    )
    assert len(led.fetched) == (2 if form == "apart" else 0)  # not one more than fits


def test_a_result_that_was_left_out_or_is_damaged_fails_its_reader_by_name() -> None:
    led = Led([1])
    try:
        CODEC.encode(object())
    except TransportError as error:
        led.succeed(led.child(PARSE, 0), encode_unsent(error))  # type: ignore[arg-type]
    with pytest.raises(TransportError, match="'first', parameter 'docs': the result of 'parse"):
        led.arguments(FIRST)
    led = Led([1])
    led.succeed(led.child(PARSE, 0), b"\x07\x07")
    with pytest.raises(TransportError, match="task 'first', parameter 'docs': item 0"):
        led.arguments(FIRST)


@pytest.mark.parametrize("apart", [False, True])
def test_the_lengths_of_lists_in_encoded_inputs_are_read(apart: bool) -> None:
    axes = (Axis((ListSource("days", ("all",), "input"),)),)
    plan = Plan("test", (TaskSpec("read", axes=axes),))
    led = Led([])
    data = CODEC.encode({"all": (1, 2, 3)})
    found = led.all_of(fetching_lengths(plan, {"days": led.apart(data) if apart else data}))
    assert found == {ListSource("days", ("all",), "input"): 3}
    for wrong in ({}, {"days": CODEC.encode({"all": {1}})}):
        with pytest.raises(TransportError):
            led.all_of(fetching_lengths(plan, wrong))
