"""Flows for every way to organise tasks; the parity suite runs each in process and distributed."""

from __future__ import annotations

import asyncio
import enum
import functools
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import BaseModel

from astrum import (
    DynamicScheduler,
    F,
    Input,
    Ref,
    Resource,
    RetryPolicy,
    SchedulerRegistry,
    T,
    TaskOrder,
    current_attempt,
    resource,
    task,
    use_namespace,
)
from astrum.data_transport import DataItem, DTRela, TaskData

# --- default namespace -----------------------------------------------------------------------


@task("extract")
async def extract() -> dict[str, Any]:
    return {"rows": 100, "names": ["a", "b"]}


@task("load", depends_on=["extract"])
async def load(rows: Ref[int, F("extract", "rows")]) -> int:
    return rows + 1


# --- a namespace by argument, sync and async, whole results, indexes -------------------------


@task("numbers", namespace="direct")
def numbers() -> list[int]:
    return [1, 2, 3]


@task("total", namespace="direct")
def total(values: Ref[list[int], F("numbers")], last: Ref[int, F("numbers", 2)]) -> int:
    return sum(values) + last


@task("shown", namespace="direct")
async def shown(value: Ref[int, F(total)]) -> str:
    await asyncio.sleep(0)
    return f"total {value}"


# --- use_namespace; values of many types ------------------------------------------------------


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Order:
    order_id: str
    amount: Decimal
    tags: tuple[str, ...] = ()


class Point(NamedTuple):
    x: int
    y: int


class Customer(BaseModel):
    name: str
    orders: list[Order]


with use_namespace("typed"):

    @task("make")
    async def make() -> Customer:
        return Customer(name="Ann", orders=[Order("A-1", Decimal("1.50"), ("x", "y"))])

    @task("first_order")
    async def first_order(orders: Ref[list[Order], F("make", "orders")]) -> Order:
        return orders[0]

    @task("amount")
    async def amount(value: Ref[Decimal, F("first_order", "amount")]) -> Decimal:
        return value * 2

    @task("point")
    def point() -> Point:
        return Point(3, 4)

    @task("x")
    def x(value: Ref[int, F("point", "x")], y: Ref[int, F("point", 1)]) -> int:
        return value * 10 + y

    @task("many_types", depends_on=["amount", "x"])
    async def many_types(customer: Ref[Customer, F("make")]) -> dict[str, Any]:
        return {
            "name": customer.name,
            "colour": Colour.BLUE,
            "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            "took": timedelta(seconds=3),
            "id": UUID(int=7),
            "path": PurePosixPath("a/b"),
            "big": 2**100,
            "complex": 1 + 2j,
            "bytes": b"\x00\xff",
            "set": {1, 2},
            "frozen": frozenset({"a"}),
            "tuple": (1, (2, 3)),
            "none": None,
            "keys": {1: "one", (2, 3): "pair"},
        }

    @task("colours")
    async def colours(colour: Ref[Colour, F("many_types", "colour")]) -> Colour:
        return colour


# --- explicit registries ----------------------------------------------------------------------

billing = SchedulerRegistry("billing")


@billing.task("fetch_invoice")
async def fetch_invoice() -> dict[str, str]:
    return {"invoice_id": "INV-001"}


@billing.task("send_invoice", depends_on=["fetch_invoice"])
async def send_invoice() -> None:
    return None


# --- a manual graph ---------------------------------------------------------------------------


async def manual_extract() -> int:
    return 1


def manual_load() -> str:
    return "loaded"


_extract_order = TaskOrder("m_extract")
_load_order = TaskOrder("m_load", dependencies=[_extract_order])
manual = DynamicScheduler(
    tasks=[("m_extract", manual_extract), ("m_load", manual_load)],
    task_order=[_extract_order, _load_order],
    namespace="manual",
)

# --- explicit TaskData, providers and constants -----------------------------------------------


def _suffix() -> str:
    return "!"


@task("load_user", data=TaskData(), namespace="explicit")
async def load_user() -> dict[str, str]:
    return {"name": "Alice"}


@task(
    "greet",
    namespace="explicit",
    depends_on=["load_user"],
    data=TaskData(
        input_data_item=[
            DataItem(
                allow_data_model=str,
                from_relation=DTRela(key="name", related_task="load_user"),
                to_relation=DTRela(key="name", related_task="greet"),
            ),
            DataItem(
                from_relation=DTRela(related_task="load_user", from_function=_suffix),
                to_relation=DTRela(key="suffix", related_task="greet"),
            ),
        ]
    ),
)
async def greet(name: str, suffix: str) -> str:
    return f"hello {name}{suffix}"


# --- results sent by T ------------------------------------------------------------------------


@task("split", namespace="sent")
async def split() -> Ref[dict[str, int], T("receive", "left", "part")]:
    return {"left": 5, "right": 6}


@task("receive", namespace="sent", depends_on=["split"])
async def receive(part: int) -> int:
    return part * 2


# --- methods ----------------------------------------------------------------------------------


class Ledger:
    def __init__(self, start: int) -> None:
        self.start = start

    @staticmethod
    @task("opening", namespace="methods")
    def opening() -> int:
        return 10

    @classmethod
    @task("named", namespace="methods")
    def named(cls, value: Ref[int, F("opening")]) -> str:
        return f"{cls.__name__} {value}"

    def closing(self, value: Ref[int, F("opening")]) -> int:
        return self.start + value


bound = SchedulerRegistry("bound")
_ledger = Ledger(5)


@bound.task("opening")
def bound_opening() -> int:
    return 1


bound.task("closing")(_ledger.closing)

# --- trouble ----------------------------------------------------------------------------------


@task("flaky", namespace="retried", retry=2)
async def flaky() -> int:
    number = current_attempt().attempt
    if number < 3:
        raise ValueError(f"attempt {number} fails")
    return number


@task("after_flaky", namespace="retried")
async def after_flaky(number: Ref[int, F("flaky")]) -> int:
    return number * 100


@task("hopeless", namespace="exhausted", retry=RetryPolicy(2, delay=0.01))
def hopeless() -> None:
    raise KeyError("gone")


@task("never", namespace="exhausted", depends_on=["hopeless"])
def never() -> None:
    raise AssertionError("must not run")


@task("given_up", namespace="given_up", retry=RetryPolicy(5, give_up_on=(LookupError,)))
async def given_up() -> None:
    raise KeyError("not worth another try")


@task("slow", namespace="cut_short")
async def slow() -> None:
    await asyncio.sleep(60)


@task("fails", namespace="cut_short")
async def fails() -> None:
    raise RuntimeError("boom")


@task("too_slow", namespace="timed_out", timeout=0.05, retry=1)
async def too_slow() -> None:
    await asyncio.sleep(60)


@task("has_little", namespace="missing_field")
async def has_little() -> dict[str, int]:
    return {"amount": 1}


@task("wants_more", namespace="missing_field", retry=3)
async def wants_more(amount: Ref[int, F("has_little", "amuont")]) -> int:
    return amount


@task("cannot_travel", namespace="unencodable", retry=3)
async def cannot_travel() -> Any:
    return {"rows": [1, lambda: 2]}


@task("says_text", namespace="wrong_type")
async def says_text() -> Any:
    return "128"


@task("wants_number", namespace="wrong_type", retry=2)
async def wants_number(value: Ref[int, F("says_text")]) -> int:
    return value


@task("gives_none", namespace="falsy")
async def gives_none() -> None:
    return None


@task("gives_zero", namespace="falsy")
def gives_zero() -> int:
    return 0


@task("takes_falsy", namespace="falsy")
async def takes_falsy(
    none: Ref[Any, F("gives_none")], zero: Ref[int, F("gives_zero")]
) -> list[Any]:
    return [none, zero]


@task("exits", namespace="exits")
def exits() -> None:
    raise SystemExit(3)


# --- a wide fan-out with a fan-in, and big values ---------------------------------------------

wide = SchedulerRegistry("wide")


@wide.task("seeds")
def seeds() -> list[int]:
    return list(range(40))


def _square(place: int) -> None:
    @wide.task(f"square_{place}")
    async def square(value: Ref[int, F("seeds", place)]) -> int:
        return value * value


for _place in range(40):
    _square(_place)


@wide.task(
    "sum",
    depends_on=[f"square_{place}" for place in range(40)],
    data=TaskData(
        input_data_item=[
            DataItem(
                from_relation=DTRela(related_task=f"square_{place}", single_item=True),
                to_relation=DTRela(key=f"s{place}", related_task="sum"),
            )
            for place in range(40)
        ]
    ),
)
def sum_squares(**squares: int) -> int:
    return sum(squares.values())


@task("big", namespace="big_values")
def big() -> dict[str, Any]:
    return {"blob": bytes(range(256)) * 2000, "text": "x" * 40_000, "small": 7}


@task("reads_blob", namespace="big_values")
def reads_blob(blob: Ref[bytes, F("big", "blob")]) -> int:
    return len(blob)


@task("reads_small", namespace="big_values")
def reads_small(small: Ref[int, F("big", "small")]) -> int:
    return small


@task("reads_all", namespace="big_values")
def reads_all(value: Ref[dict[str, Any], F("big")]) -> int:
    return len(value["blob"]) + len(value["text"]) + int(value["small"])


# --- long tasks behind short ones: workers claim ahead, and hand on what waits ------------------

long_after_short = SchedulerRegistry("long_after_short")
_SHORT = [f"short_{number}" for number in range(30)]
for _name in _SHORT:
    long_after_short.task(_name)(lambda: None)


def _long(number: int) -> None:
    @long_after_short.task(f"long_{number}", depends_on=_SHORT)
    def long() -> int:
        time.sleep(0.4)
        return current_attempt().attempt


for _number in range(8):
    _long(_number)


# --- references through wrappers, one-part tuples, fields that are absent ---------------------

WHOLE = ("answered",)

with use_namespace("references"):

    @task("answered")
    def answered() -> dict[str, Any]:
        return {"n": 4}

    @task("answered_big")
    def answered_big() -> dict[str, Any]:
        return {"n": 5, "data": bytes(range(256)) * 1000, "text": str(list(range(40_000)))}

    @task("cached")
    @functools.cache
    def cached(n: Ref[int, F("answered", "n")], factor: int = 10) -> int:
        return n * factor

    def _scaled(n: Ref[int, F(answered, "n")], factor: int) -> int:
        return n * factor

    task("partial")(functools.partial(_scaled, factor=3))

    @task("whole")
    def whole(answer: Ref[dict, WHOLE]) -> dict[str, Any]:
        return answer

    @task("optional")
    def optional(
        note: Ref[str | None, F("answered", "note", default=None)],
        big: Ref[list, F("answered_big", "note", default=[])],
        n: Ref[int, F("answered_big", "n", default=0)],
    ) -> list[Any]:
        return [note, big, n]


# --- inputs ------------------------------------------------------------------------------------


@task("list_days", namespace="inputs")
def list_days(first: Ref[date, Input()], count: Ref[int, Input()] = 2) -> list[str]:
    return [str(first + timedelta(days=number)) for number in range(count)]


@task("bill", namespace="inputs")
async def bill(
    order: Ref[Order, Input("order")],
    tags: Ref[tuple[str, ...], Input("order", "tags")],
    token: Ref[str, Input("token", secret=True)],
    days: Ref[list[str], F("list_days")],
) -> tuple[Order, tuple[str, ...], int, int]:
    return order, tags, len(token), len(days)


# --- resources ---------------------------------------------------------------------------------


class Connection:
    """It cannot travel, so each process has its own."""

    def __init__(self, pool: list[int]) -> None:
        self.pool = pool


@resource("pool", namespace="resources")
def open_pool() -> Iterator[list[int]]:
    pool = [1, 2, 3]
    yield pool
    pool.clear()


@resource("db", namespace="resources")
async def open_db(pool: Ref[list[int], Resource("pool")]) -> AsyncIterator[Connection]:
    yield Connection(pool)


@task("count", namespace="resources")
async def count(db: Ref[Connection, Resource("db")], more: int = 2) -> int:
    return len(db.pool) + more


@task("look_up", namespace="resources")
def look_up(
    n: Ref[int, F("count")], db: Ref[Connection, Resource()], pool: Ref[list[int], Resource()]
) -> tuple[int, bool]:
    return db.pool[0] + n, db.pool is pool


@task("raises", namespace="failing_with_resource")
async def raises(name: Ref[str, Resource("name")]) -> None:
    raise ValueError(name)


@resource(namespace="failing_with_resource")
def name() -> Iterator[str]:
    yield "no such row"
