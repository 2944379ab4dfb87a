"""Values that cannot travel are refused with path, type and advice, and never changed."""

from __future__ import annotations

import asyncio
import io
import pickle
import tempfile
import threading
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from enum import Enum
from functools import partial
from pathlib import PureWindowsPath
from typing import Any, NamedTuple

import msgpack
import pytest
from pydantic import BaseModel

from astrum.errors import EncodeError
from astrum.values import Codec, Extension
from tests.unit.values.samples import CODEC, Customer, Loose, Order, Point


class Text(str):
    pass


class Number(int):
    pass


class Rows(list):
    pass


class Bag(set):
    pass


class Moment(datetime):
    pass


class Stranger(Enum):
    A = 1


class StrangePoint(NamedTuple):
    x: int


class StrangeModel(BaseModel):
    x: int


@dataclass
class StrangeData:
    x: int


class Plain:
    def __repr__(self) -> str:  # test ids must be the same in every process
        return "Plain()"


class Zone(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(0)

    dst = utcoffset

    def tzname(self, moment: datetime | None) -> str:
        return "Z"


def refusal(value: object, codec: Codec = CODEC) -> EncodeError:
    with pytest.raises(EncodeError) as caught:
        codec.encode(value)
    return caught.value


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: lambda: 1, "code does not travel"),
        (lambda: print, "code does not travel"),
        (lambda: partial(print), "code does not travel"),
        (lambda: (x for x in "a"), "return a list"),
        (lambda: iter([1]), "return a list"),
        (lambda: map(str, [1]), "return a list"),
        (lambda: ValueError("no"), "raise it"),
        (lambda: int, "a class does not travel"),
        (lambda: io, "a module does not travel"),
        (lambda: io.StringIO(), "open file"),
        (lambda: threading.Lock(), "bound to its process"),
        (lambda: memoryview(b"x"), "bytes(...)"),
        (lambda: range(3), "list(...)"),
        (lambda: {}.keys(), "list(...)"),
        (lambda: ChainMap({}), "plain list or dict"),
        (lambda: UserDict(a=1), "plain list or dict"),
        (lambda: Text("x"), "subclass of str"),
        (lambda: Number(1), "subclass of int"),
        (lambda: Rows([1]), "subclass of list"),
        (lambda: Bag([1]), "subclass of set"),
        (lambda: Stranger.A, "annotate the task's return or parameter with Stranger"),
        (lambda: StrangePoint(1), "annotate the task's return or parameter with StrangePoint"),
        (lambda: StrangeModel(x=1), "annotate the task's return or parameter with StrangeModel"),
        (lambda: StrangeData(1), "annotate the task's return or parameter with StrangeData"),
        (lambda: Plain(), "make Plain a dataclass"),
        (lambda: Moment(2020, 1, 1), "convert it to a plain datetime"),
        (lambda: datetime(2020, 1, 1, tzinfo=Zone()), "zoneinfo"),
        (lambda: defaultdict(lambda: 1), "dict(...)"),
        (lambda: defaultdict(Plain), "dict(...)"),
        (lambda: msgpack.ExtType(1, b"\x90"), "type of msgpack's"),
        (lambda: msgpack.Timestamp(1, 0), "type of msgpack's"),
        (lambda: "\ud800", "lone surrogates"),
    ],
)
def test_each_kind_that_cannot_travel_has_its_advice_and_its_path(
    make: Callable[[], object], advice: str
) -> None:
    culprit = make()
    error = refusal({"rows": [0, {"owner": (Order(culprit),)}]})
    assert error.path == "result['rows'][1]['owner'][0].id"
    assert error.type_name.endswith(type(culprit).__qualname__)
    assert advice in error.advice
    assert str(error).startswith(error.path)
    assert refusal(culprit).path == "result"


def test_an_open_temporary_file_has_its_own_advice() -> None:
    with tempfile.NamedTemporaryFile() as file:
        assert "open file" in refusal(file).advice


async def test_awaitables_have_their_own_advice() -> None:
    async def work() -> None: ...

    async def rows() -> Any:
        yield 1

    coroutine = work()
    assert "await it" in refusal([coroutine]).advice
    coroutine.close()
    assert "return a list" in refusal([rows()]).advice
    assert "bound to its process" in refusal([asyncio.get_running_loop().create_future()]).advice


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (Point(1, Plain()), "result.y"),
        (Customer(name="a", data=[Plain()]), "result.data[0]"),
        (Loose.model_validate({"more": Plain()}), "result.more"),
        ({1: {("a", 2): Plain()}}, "result[1][('a', 2)]"),
        ({Plain: 1}, f"result key {Plain!r}"),
        ({1, Plain}, "result element"),
        (OrderedDict(a=Counter(b=Plain())), "result['a']['b']"),  # type: ignore[call-overload]
    ],
)
def test_paths_lead_through_all_containers(value: object, path: str) -> None:
    assert refusal(value).path == path


def test_the_root_has_the_name_that_the_caller_gives() -> None:
    with pytest.raises(EncodeError, match=r"^n\[0\] is a "):
        CODEC.encode([Plain()], root="n")


def test_a_value_that_contains_itself_is_an_error_that_says_where() -> None:
    rows: list[Any] = [1]
    rows.append({"again": rows})
    assert refusal({"rows": rows}).path == "result['rows'][1]['again']"
    order = Order(1)
    order.lines = (order,)
    assert refusal([order]).path == "result[0].lines[0]"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda value: [value],
        lambda value: (value,),
        lambda value: Order(value),
        lambda value: {"k": (value,)},
        lambda value: [[[[[[[[[[value]]]]]]]]]],
        lambda value: ([[[[[[[[[[[[value]]]]]]]]]]]],),
    ],
)
def test_too_deep_nesting_is_an_error_even_on_a_small_stack(wrap: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(1100):
        value = wrap(value)
    errors: list[EncodeError] = []
    threading.stack_size(4 * 1024 * 1024)
    try:
        thread = threading.Thread(target=lambda: errors.append(refusal(value)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(0)
    assert "nested too deep" in errors[0].advice


def test_deep_lists_between_many_extension_items_do_not_exhaust_the_stack() -> None:
    value: Any = 1
    for _ in range(60):
        for _ in range(1000):
            value = [value]
        value = (value,)
    assert "nested too deep" in refusal(value).advice


def test_a_tree_of_sixty_levels_travels() -> None:
    tree = Order("leaf")
    for _ in range(60):
        tree = Order("node", [tree])
    assert CODEC.decode(CODEC.encode(tree)) == tree


def test_a_shared_part_does_not_make_the_search_for_the_path_endless() -> None:
    shared: Any = [Plain()]
    for _ in range(60):
        shared = [shared, shared]
    assert refusal(shared).path == "result" + "[0]" * 61


def test_shared_parts_nested_too_deep_are_searched_once_each() -> None:
    shared: Any = [1]
    for _ in range(1100):
        shared = [shared, shared]
    assert "nested too deep" in refusal(shared).advice


def test_two_declared_types_of_one_name_are_refused_instead_of_mixed_up() -> None:
    twins: list[Any] = [Enum("Twin", "A", module="m", qualname="Twin") for _ in range(2)]
    codec = Codec(twins)
    assert "two declared types are called m.Twin" in refusal(twins[0]["A"], codec).advice


def test_an_extension_that_raises_or_returns_no_bytes_is_reported_with_the_path() -> None:
    def broken(value: Plain) -> bytes:
        raise RuntimeError("no luck")

    codec = Codec(extensions=[Extension("plain", Plain, broken, lambda _: Plain())])
    error = refusal([Plain()], codec)
    assert error.path == "result[0]"
    assert "RuntimeError: no luck" in error.advice
    wrong: Any = lambda value: "text"  # noqa: E731
    codec = Codec(extensions=[Extension("plain", Plain, wrong, lambda _: Plain())])
    assert "returned str instead of bytes" in refusal([Plain()], codec).advice


def test_a_field_that_raises_when_read_is_an_encode_error() -> None:
    @dataclass
    class Moody:
        x: int = 1

    Moody.x = property(lambda self: 1 / 0)  # type: ignore[assignment]
    assert "ZeroDivisionError" in refusal(object.__new__(Moody), Codec([Moody])).advice


def test_the_errors_survive_pickle() -> None:
    error = refusal([Plain()])
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.type_name, str(again)) == (error.path, error.type_name, str(error))


def test_a_codec_still_works_after_a_refusal() -> None:
    codec = Codec()
    refusal([1, Plain()], codec)
    assert codec.decode(codec.encode([1, 2])) == [1, 2]


def test_the_advice_is_something_that_a_task_can_do() -> None:
    assert "extension" not in refusal(Plain()).advice
    assert "extension" not in refusal(Text("x")).advice


def test_the_error_reads_as_a_sentence() -> None:
    assert str(EncodeError("result", "int", "no")) == "result is an int, which cannot travel: no"
    assert str(EncodeError("", "str", "no")) == "the value is a str, which cannot travel: no"


def test_a_windows_path_comes_back_equal_or_is_refused() -> None:
    path = PureWindowsPath("//a/")  # Python 3.11 reads its text as another path
    if type(path)(str(path)) == path:
        assert CODEC.decode(CODEC.encode(path)) == path
    else:
        assert "its text means another path" in refusal(path).advice
