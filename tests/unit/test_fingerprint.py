"""Fingerprints: equal for equal sources, no matter what surrounds them."""

from __future__ import annotations

import enum
import functools
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import BaseModel, HttpUrl, PrivateAttr, SecretStr

from astrum.planning import difference, fingerprint
from astrum.planning.data_digest import data_digest
from astrum.planning.fingerprint import SOURCE_DIGITS, fits

Function = TypeVar("Function", bound=Callable[..., Any])


def decorated(_: object) -> Callable[[Function], Function]:
    return lambda function: function


def made_from(source: str, name: str = "load") -> Any:
    scope: dict[str, Any] = {}
    exec(source, scope)
    return scope[name]


def factory(n: int) -> Callable[[], int]:
    def inner() -> int:
        return n

    return inner


def test_a_fingerprint_is_a_short_string() -> None:
    assert len(fingerprint(factory)) == 33


def test_functions_of_one_source_and_data_have_one_fingerprint() -> None:
    assert fingerprint(factory(1)) == fingerprint(factory(1))


def test_data_in_a_closure_is_part_of_the_fingerprint() -> None:
    one, two = fingerprint(factory(1)), fingerprint(factory(2))
    assert difference(one, two, "") == "other data in its closure variable 'n'"


def test_different_sources_have_different_fingerprints() -> None:
    assert fingerprint(factory) != fingerprint(decorated)


def test_decorators_and_indentation_do_not_count() -> None:
    def same() -> int:
        return 7

    plain = same

    @decorated("x")  # type: ignore[no-redef] # the name counts
    @decorated(
        "def",
    )
    def same() -> int:
        return 7

    class Holder:
        @staticmethod
        def same() -> int:
            return 7

    assert fingerprint(same) == fingerprint(plain) == fingerprint(Holder.same)


def test_methods_partials_and_wrappers_are_named_by_their_function() -> None:
    class Holder:
        def work(self) -> int:
            return 1

    @functools.wraps(Holder.work)
    def wrapper(*args: Any) -> object:
        return Holder.work(*args)

    expected = fingerprint(Holder.work)
    assert fingerprint(Holder().work) == expected
    # It still takes ``self``, so it has another contract.
    assert fingerprint(functools.partial(Holder.work))[:SOURCE_DIGITS] == expected[:SOURCE_DIGITS]
    assert fingerprint(functools.cache(Holder.work)) == expected
    assert fingerprint(wrapper) == expected


def test_callable_objects_are_named_by_their_call() -> None:
    class One:
        def __call__(self) -> int:
            return 1

    class Two:
        def __call__(self) -> int:
            return 2

    assert fingerprint(One()) == fingerprint(One())
    assert fingerprint(One()) != fingerprint(Two())


def test_functions_without_source_differ_by_name_and_parameters() -> None:
    one = made_from("def load(a, *, b): return 1")
    same = made_from("def load(a, *, b): return 2")
    other = made_from("def load(a): return 1")
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(len) != fingerprint(print)


# --- data that a task brings along -------------------------------------------------------


def with_default(value: object) -> Callable[..., Any]:
    def task(x: object = value, *, y: object = value) -> None: ...

    return task


def wrapping(function: Callable[..., Any], times: int) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return [function(*args) for _ in range(times)]

    return wrapper


def calling(function: Callable[..., Any]) -> Callable[..., Any]:
    def call() -> Any:
        return function()

    return call


DIFFERENT: dict[str, tuple[Callable[..., Any], Callable[..., Any], str]] = {
    "a default value": (
        with_default(1),
        with_default(2),
        "default value of 'x', default value of 'y'",
    ),
    "an argument of a partial": (
        functools.partial(print, 1, sep="a"),
        functools.partial(print, 2, sep="b"),
        "argument 'sep', argument 0",
    ),
    "the data of a decorator": (
        wrapping(factory(1), 2),
        wrapping(factory(1), 3),
        "closure variable 'times'",
    ),
    "the data of what is decorated": (
        wrapping(factory(1), 2),
        wrapping(factory(2), 2),
        "closure variable 'n'",
    ),
    "the code of what is wrapped by hand": (
        calling(lambda: 1),
        calling(lambda: 2),
        "closure variable 'function'",
    ),
    "the data of what is wrapped by hand": (
        calling(factory(1)),
        calling(factory(2)),
        "closure variable 'function'",
    ),
    "the data of a partial in a closure": (
        calling(functools.partial(pow, 2)),
        calling(functools.partial(pow, 3)),
        "closure variable 'function'",
    ),
    "the code of a cache in a closure": (
        calling(functools.cache(factory)),
        calling(functools.cache(with_default)),
        "closure variable 'function'",
    ),
    "a cache": (
        functools.cache(factory(1)),
        functools.cache(factory(2)),
        "closure variable 'n'",
    ),
}


@pytest.mark.parametrize("place", DIFFERENT)
def test_the_place_of_other_data_is_named(place: str) -> None:
    one, two, where = DIFFERENT[place]
    assert difference(fingerprint(one), fingerprint(two), "") == f"other data in its {where}"
    assert fingerprint(one).partition("\n")[0] == fingerprint(two).partition("\n")[0]


def otherwise(n: int) -> Callable[[], int]:
    def inner() -> int:
        return n + 0

    return inner


def test_another_source_counts_only_if_the_code_must_be_the_same() -> None:
    one, two = fingerprint(factory(1)), fingerprint(otherwise(1))
    assert fits(one, two, "")
    assert fits(one, two, "compatible")
    assert not fits(one, two, "exact")
    assert difference(one, two, "compatible") == ""
    assert difference(one, two, "exact") == "another version of its source"
    assert difference(one, fingerprint(otherwise(2)), "compatible") == (
        "another version of its source, with other data in its closure variable 'n'"
    )


def test_other_parameters_are_reported_before_all_else() -> None:
    told = difference(fingerprint(factory(1)), fingerprint(with_default(1)), "compatible")
    assert told == "other parameters, types or lane"
    assert difference("", fingerprint(factory(1)), "exact") == ""


def test_a_version_takes_the_place_of_the_source() -> None:
    one, two = fingerprint(factory(1), version="3"), fingerprint(otherwise(1), version="3")
    assert one == two
    assert one != fingerprint(factory(1), version="4")
    assert one != fingerprint(factory(2), version="3")
    assert fits(one, fingerprint(factory(1), version="4"), "compatible")


def test_the_default_value_of_a_filled_parameter_does_not_count() -> None:
    one, two = with_default(1), with_default(2)
    assert fingerprint(one, ["x", "y"]) == fingerprint(two, [0, "y"])


def test_objects_that_are_not_data_do_not_count() -> None:
    class Plain:
        pass

    for make in (threading.Lock, Plain, lambda: print, lambda: [Plain()], lambda: Plain):
        assert fingerprint(factory(make())) == fingerprint(factory(make()))  # type: ignore[arg-type]


def test_a_function_that_stands_in_its_own_closure_has_a_fingerprint() -> None:
    def outer(n: int) -> Callable[..., int]:
        def down(k: int = 3) -> int:
            return down(k - 1) if k else n

        return down

    assert fingerprint(outer(1)) == fingerprint(outer(1)) != fingerprint(outer(2))


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Place(NamedTuple):
    x: int


@dataclass(slots=True)
class Slotted:
    n: int


@dataclass
class Counted:
    n: int
    tags: set[str] = field(default_factory=set)

    @functools.cached_property
    def double(self) -> int:
        return 2 * self.n


class Model(BaseModel):
    n: int


class Hiding(BaseModel):
    _hidden: int = PrivateAttr(0)
    _lock: object = PrivateAttr(default_factory=threading.Lock)


def hiding(n: int) -> Hiding:
    made = Hiding()
    made._hidden = n
    return made


UNEQUAL: list[tuple[object, object]] = [
    (1, 2),
    (1, True),
    (1, 1.0),
    ("1", 1),
    ("a", b"a"),
    ([1], (1,)),
    ({1}, frozenset({1})),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, OrderedDict(a=1)),
    ([["a"], "b"], [["a", "b"]]),
    (["ab", "c"], ["a", "bc"]),
    (10**5000, 10**5000 + 1),
    (Colour.RED, Colour.BLUE),
    (Place(1), Place(2)),
    (Slotted(1), Slotted(2)),
    (Counted(1), Counted(1, {"a"})),
    (Model(n=1), Model(n=2)),
    (Decimal("1.0"), Decimal("1.00")),
    (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),
    (timedelta(1), timedelta(2)),
    (Path("a"), Path("b")),
    (UUID(int=1), UUID(int=2)),
    ("\ud800", "\ud801"),
    (float("nan"), 0.0),
    (Fraction(1, 2), Fraction(1, 3)),
    (deque([1], maxlen=2), deque([1], maxlen=3)),
    (deque([1]), deque([2])),
    (deque([1]), [1]),
    (defaultdict(int, a=1), defaultdict[str, Any](list, a=1)),
    (re.compile("a"), re.compile("b")),
    (re.compile("a"), re.compile("a", re.IGNORECASE)),
    (re.compile("a"), re.compile(b"a")),
    (ip_address("10.0.0.1"), ip_address("10.0.0.2")),
    (ZoneInfo("UTC"), ZoneInfo("Europe/Berlin")),
    (timezone(timedelta(hours=1)), timezone(timedelta(hours=2))),
    (HttpUrl("http://a/"), HttpUrl("http://b/")),
    (hiding(1), hiding(2)),
]


@pytest.mark.parametrize("pair", UNEQUAL, ids=map(str, range(len(UNEQUAL))))
def test_different_data_has_different_digests(pair: tuple[object, object]) -> None:
    assert data_digest(pair[0]) != data_digest(pair[1])
    assert data_digest(pair[0]) == data_digest(pair[0])
    assert "" not in map(data_digest, pair)


def test_the_order_of_sets_and_dicts_does_not_count() -> None:
    assert data_digest({"a": 1, "b": {2, 3}}) == data_digest({"b": {3, 2}, "a": 1})
    assert data_digest(defaultdict(int, a=1, b=2)) == data_digest(defaultdict(int, b=2, a=1))


def test_cached_properties_do_not_count() -> None:
    used = Counted(1)
    assert used.double == 2
    assert data_digest(used) == data_digest(Counted(1))


def test_no_code_of_the_user_is_called() -> None:
    class Loud(str):
        __slots__ = ()

        def __repr__(self) -> str:
            raise AssertionError("called")

        __str__ = __hash__ = __iter__ = __repr__  # type: ignore[assignment]

    @dataclass
    class ClaimedAttempt:
        n: object

        def __getattr__(self, name: str) -> object:
            raise AssertionError("called")

    assert data_digest(Loud("a")) == ""
    assert data_digest([Loud("a")]) == ""
    assert data_digest(ClaimedAttempt(1))


def test_a_container_of_itself_has_no_digest() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert data_digest(loop) == ""


def test_arrays_and_frames_count_by_their_content() -> None:
    numpy = pytest.importorskip("numpy")
    assert data_digest(numpy.arange(3)) == data_digest(numpy.arange(3)) != ""
    assert data_digest(numpy.arange(3)) != data_digest(numpy.arange(3.0))
    assert data_digest(numpy.array([object()])) == ""
    pandas = pytest.importorskip("pandas")
    one = pandas.DataFrame({"a": [1, 2], "b": ["x", None]})
    assert data_digest(one) == data_digest(one.copy()) != ""
    assert data_digest(one) != data_digest(one.rename(columns={"a": "c"}))
    assert data_digest(one) != data_digest(one.assign(b=["x", "y"]))
    assert data_digest(one["a"]) != data_digest(one["a"] + 1)


def test_a_fingerprint_is_the_same_under_every_hash_seed(tmp_path: Path) -> None:
    source = """
        from astrum.planning import fingerprint
        names = {f"name {n}" for n in range(50)}
        rows = {name: {name, "x"} for name in names}
        def make(names, rows):
            def task(a=frozenset(names), *, b=rows): return names, rows
            return task
        print(fingerprint(make(names, rows)))
    """
    path = tmp_path / "seeded.py"
    path.write_text(textwrap.dedent(source))
    told = {
        subprocess.run(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(told) == 1
    assert "closure variable 'rows'" in told.pop()


def test_single_values_of_pandas_frames_of_polars_and_tables_of_arrow_count() -> None:
    pandas = pytest.importorskip("pandas")
    polars = pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    makers: list[Callable[[str], object]] = [
        pandas.Timestamp,
        pandas.Period,
        lambda text: pandas.Timestamp("2026-01-01", tz="UTC") - pandas.Timestamp(text, tz="UTC"),
        lambda text: polars.DataFrame({"a": [text]}),
        lambda text: polars.Series("a", [text]),
        lambda text: arrow.table({"a": [text]}),
    ]
    for make in makers:
        assert data_digest(make("2024-01-01")) == data_digest(make("2024-01-01")) != ""
        assert data_digest(make("2024-01-01")) != data_digest(make("2025-01-01"))
    assert data_digest(polars.DataFrame({"a": [1]})) != data_digest(polars.DataFrame({"a": [1.0]}))
    assert data_digest(polars.DataFrame({"a": [object()]})) == ""


def test_no_digest_reveals_a_secret() -> None:
    assert data_digest(SecretStr("a")) == data_digest([SecretStr("b")]) == ""


@pytest.mark.parametrize("data", [None, True, 7, 1.5, "text", "1", 1, "\ud800"])
def test_plain_data_has_the_same_digest_by_the_fast_and_the_slow_way(data: object) -> None:
    def make(extra: object) -> Callable[..., object]:
        def inner(n: object = data, *, m: object = data) -> object:
            return n, m, data, extra

        return inner

    short, long = make(1), make(1)
    long.marked = True  # type: ignore[attr-defined]
    assert fingerprint(short) == fingerprint(long)
    assert fingerprint(short, ["n"]) == fingerprint(long, [0])
    assert difference(fingerprint(short), fingerprint(make(2)), "") == (
        "other data in its closure variable 'extra'"
    )
