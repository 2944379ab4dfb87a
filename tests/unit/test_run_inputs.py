"""Inputs of runs: declared, checked, told about, and passed to tasks in process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum import AstrumConfig, F, Input, Ref, SchedulerRegistry
from astrum.errors import RunInputError, TaskRegistrationError
from astrum.execution.input_texts import inputs_from_text, read_json_inputs
from astrum.execution.invoke import Flow
from astrum.execution.planned_inputs import checked_against_plan
from astrum.execution.run_inputs import checked_inputs
from astrum.planning.plan import Plan
from astrum.values.codec import Codec


@dataclass(frozen=True)
class Order:
    number: int
    note: str = ""


class Customer(pydantic.BaseModel):
    name: str
    age: int


def orders() -> SchedulerRegistry:
    registry = SchedulerRegistry("orders")

    @registry.task("load")
    def load(day: Ref[date, Input()], limit: Ref[int, Input()] = 10) -> list[str]:
        return [f"{day}/{number}" for number in range(limit)]

    @registry.task("bill")
    async def bill(
        order: Ref[Order, Input("order")],
        number: Ref[int, Input("order", "number")],
        token: Ref[str, Input("token", secret=True)],
        rows: Ref[list[str], F("load")],
    ) -> tuple[Order, int, int, int]:
        return order, number, len(token), len(rows)

    return registry


GIVEN: dict[str, Any] = {"day": date(2026, 11, 28), "order": Order(7), "token": "s3cret"}


def flow_of(registry: SchedulerRegistry) -> Flow:
    return registry.build_scheduler().flow(fingerprints=True)


@pytest.mark.parametrize("check_wire", [False, True])
async def test_tasks_get_inputs_parts_of_them_and_defaults(check_wire: bool) -> None:
    config = AstrumConfig(check_wire=check_wire)
    report = await orders().run(config=config, inputs=GIVEN, run_id="mine")
    assert report.execution_state == "completed"
    assert report.task_return_set["bill"] == (Order(7), 7, 6, 10)
    assert report.run_id == "mine"
    assert report.inputs == {
        "day": date(2026, 11, 28),
        "limit": 10,
        "order": Order(7),
        "token": "***",
    }


async def test_a_dataclass_or_a_model_gives_its_fields() -> None:
    @dataclass
    class Inputs:
        day: date
        order: Order
        token: str

    class Model(pydantic.BaseModel):
        day: date
        order: Order
        token: str

    for given_as in (Inputs(**GIVEN), Model(**GIVEN)):
        report = await orders().run(inputs=given_as)
        assert report.execution_state == "completed"


def test_all_mistakes_are_listed_at_once_and_nothing_is_replaced_by_a_default() -> None:
    with pytest.raises(RunInputError) as caught:
        checked_inputs(flow_of(orders()), {"dya": 1, "limit": "5", "token": 9, "order": Order(1)})
    lines = str(caught.value).splitlines()
    assert [line for line in lines if "no input 'dya'; did you mean 'day'" in line]
    assert [line for line in lines if "the input 'day' is missing: task 'load' reads it" in line]
    assert [line for line in lines if "the input 'limit': expected int, got str" in line]
    assert [line for line in lines if line == "the input 'token': expected str, got ***"]
    assert len(lines) == 4


def test_the_value_of_a_secret_is_in_no_message() -> None:
    flow = flow_of(orders())
    with pytest.raises(RunInputError) as caught:
        checked_inputs(flow, {**GIVEN, "token": ["s3cret"]})
    assert "s3cret" not in str(caught.value)
    found = inputs_from_text(flow, {"token": "s3cret"})
    assert "s3cret" not in "".join(found.mistakes)
    assert "s3cret" not in str(checked_inputs(flow, GIVEN).shown)


@pytest.mark.parametrize("check_wire", [False, True])
async def test_an_absent_part_of_a_secret_says_nothing_of_what_is_there(check_wire: bool) -> None:
    registry = SchedulerRegistry("n")

    @registry.task("login")
    def login(name: Ref[str, Input("login", "user", secret=True)]) -> None: ...

    config = AstrumConfig(check_wire=check_wire)
    report = await registry.run(config=config, inputs={"login": {"s3cret": 1}})
    assert "the input 'login' has no part 'user'" in report.error_summary[0]
    assert "s3cret" not in str(report.task_statistics)


class Login(pydantic.BaseModel):
    name: str
    default: str | None = "s3cret"


def test_the_schema_of_a_secret_input_has_no_defaults_of_fields() -> None:
    registry = SchedulerRegistry("n")

    @registry.task("login")
    def login(
        secret: Ref[Login, Input(secret=True)], token: Ref[str, Input(secret=True)]
    ) -> None: ...

    plan = without_code(flow_of(registry))
    assert "s3cret" not in str(plan.to_data())
    assert '"default":' in plan.inputs[0].schema  # the field of that name
    with pytest.raises(RunInputError, match=r"'token': expected str, got \*\*\*"):
        checked_against_plan(plan, {"secret": {"name": "ann"}, "token": 7})


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ("another type", "'count'.*'one'.*'two'"),
        ("another default", "'count'.*'one'.*'two'"),
    ],
)
def test_two_tasks_that_declare_one_input_differently_are_refused(
    declared: str, message: str
) -> None:
    registry = SchedulerRegistry("n")

    @registry.task("one")
    def one(count: Ref[int, Input()] = 1) -> None: ...

    if declared == "another type":

        @registry.task("two")
        def two(count: Ref[str, Input()] = "1") -> None: ...
    else:

        @registry.task("two")
        def two_(count: Ref[int, Input()] = 2) -> None: ...

    with pytest.raises(TaskRegistrationError, match=message):
        flow_of(registry)


async def test_a_default_that_cannot_travel_is_refused_for_workers_alone() -> None:
    class Socket: ...

    registry = SchedulerRegistry("n")

    @registry.task("use")
    def use(socket: Ref[Any, Input()] = Socket()) -> None: ...  # noqa: B008 - it is the point

    assert (await registry.run()).execution_state == "completed"
    with pytest.raises(TaskRegistrationError, match="default value of the input 'socket' cannot"):
        flow_of(registry)


async def test_a_type_that_cannot_travel_is_refused_for_workers_alone() -> None:
    class Socket: ...

    def use(socket: Any) -> None: ...

    for kind in (Socket, Socket | None):
        registry = SchedulerRegistry("n")
        use.__annotations__ = {"socket": Ref[kind, Input()], "return": None}
        registry.task("use")(use)
        assert (await registry.run(inputs={"socket": Socket()})).execution_state == "completed"
        with pytest.raises(TaskRegistrationError, match=r"'socket' of task 'use'.*cannot travel"):
            flow_of(registry)


def taking(kind: Any) -> Flow:
    """A flow with one input of a type."""
    registry = SchedulerRegistry("taking")

    def take(value: Any) -> None: ...

    take.__annotations__ = {"value": Ref[kind, Input()], "return": None}
    registry.task("take")(take)
    return flow_of(registry)


VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    float: st.floats(allow_nan=False, allow_infinity=False),
    bool: st.booleans(),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    date: st.dates(),
    datetime: st.datetimes(),
    UUID: st.uuids(),
    list[int]: st.lists(st.integers()),
    dict[str, int]: st.dictionaries(st.text(), st.integers()),
}
FLOWS = {kind: taking(kind) for kind in (*VALUES, str, Order, Customer, timedelta)}
ADAPTERS = {kind: pydantic.TypeAdapter(kind) for kind in VALUES}


@given(kind=st.sampled_from(list(VALUES)), data=st.data())
def test_the_json_of_a_value_gives_the_value(kind: Any, data: st.DataObject) -> None:
    value = data.draw(VALUES[kind])
    text = ADAPTERS[kind].dump_json(value).decode()
    if kind in (date, datetime, UUID, Decimal):
        text = json.loads(text)  # as a person writes it, without quotes
    found = inputs_from_text(FLOWS[kind], {"value": text} if text[:1] != "@" else {})
    assert found.mistakes == []
    assert found.values["value"] == value
    assert type(found.values["value"]) is type(value)


@given(text=st.text())
def test_a_string_stays_as_it_is(text: str) -> None:
    written = f"@{text}" if text.startswith("@") else text
    assert inputs_from_text(FLOWS[str], {"value": written}).values == {"value": text}


@given(kind=st.sampled_from(list(FLOWS)), text=st.text(min_size=1).filter(lambda t: t[0] != "@"))
def test_any_text_gives_a_value_of_the_type_or_one_mistake(kind: Any, text: str) -> None:
    found = inputs_from_text(FLOWS[kind], {"value": text})
    assert (len(found.values), len(found.mistakes)) in ((1, 0), (0, 1))
    if found.values:
        checked_inputs(FLOWS[kind], found.values)


def test_a_file_gives_the_content_of_an_input(tmp_path: Path) -> None:
    file = tmp_path / "order.json"
    file.write_text('{"number": 3}')
    flow = FLOWS[Order]
    assert inputs_from_text(flow, {"value": f"@{file}"}).values == {"value": Order(3)}
    (mistake,) = inputs_from_text(flow, {"value": "@missing.json"}).mistakes
    assert "the file 'missing.json' cannot be read" in mistake
    file.write_text("[]")
    with pytest.raises(RunInputError, match="holds a list, not a JSON object"):
        read_json_inputs(file)
    file.write_text("{")
    with pytest.raises(RunInputError, match="is not JSON"):
        read_json_inputs(file)


# --- without the code --------------------------------------------------------------------------


def without_code(flow: Flow) -> Plan:
    return Plan.from_data(flow.plan.to_data())


def test_a_plan_alone_checks_and_fills_inputs() -> None:
    plan = without_code(flow_of(orders()))
    found = checked_against_plan(plan, {**GIVEN, "order": {"number": 7}})
    codec = Codec()
    assert {name: codec.decode(one.value) for name, one in found.items()} == {
        "day": date(2026, 11, 28),
        "limit": 10,
        "order": {"number": 7, "note": ""},
        "token": "s3cret",
    }
    with pytest.raises(RunInputError) as caught:
        checked_against_plan(plan, {"day": "2026-11-28", "order": {"number": "x"}, "tokn": 1})
    text = str(caught.value)
    assert "the input 'day': expected date, got str" in text
    assert "the input 'order': expected Order: 'x' is not of type 'integer' at ['number']" in text
    assert "no input 'tokn'; did you mean 'token'" in text
    assert "the input 'token' is missing" in text


def test_a_dict_for_a_dataclass_is_sent_as_it_is() -> None:
    flow = flow_of(orders())
    order = {"number": 7, "note": "soon"}
    found = checked_against_plan(flow.plan, {**GIVEN, "order": order})
    assert Codec().decode(found["order"].value) == order


class Basket(pydantic.BaseModel):
    orders: list[Order]
    by_name: dict[str, Customer] = {}
    paid: bool = False


def test_a_dict_and_the_model_with_the_same_content_are_the_same_bytes() -> None:
    plan = without_code(taking(Basket))
    model = Basket(orders=[Order(7)], by_name={"b": Customer(name="Bo", age=3)})
    other_order = {
        "paid": False,
        "by_name": {"b": {"age": 3, "name": "Bo"}},
        "orders": [{"note": "", "number": 7}],
    }
    shorter = {"orders": [{"number": 7}], "by_name": {"b": {"age": 3, "name": "Bo"}}}
    first, *others = (
        checked_against_plan(plan, {"value": value})["value"].value
        for value in (model, other_order, shorter)
    )
    assert others == [first, first]
    assert checked_against_plan(plan, {"value": {"orders": []}})["value"].value != first


def test_a_decimal_keeps_its_digits_wherever_it_stands(tmp_path: Path) -> None:
    flow, prices = taking(list[Decimal]), [Decimal("0.10"), Decimal(3)]
    texts = inputs_from_text(flow, {"value": '[0.10, "3"]'}).values["value"]
    (tmp_path / "in.json").write_text('{"value": [0.10, 3]}')
    of_file = inputs_from_text(flow, {}, read_json_inputs(tmp_path / "in.json")).values["value"]
    assert list(map(str, texts)) == list(map(str, of_file)) == list(map(str, prices))
    for kind, plain in ((list[float], [0.1, 3.0]), (Any, [0.1, 3])):
        values = read_json_inputs(tmp_path / "in.json")
        found = inputs_from_text(taking(kind), {}, values).values["value"]
        assert (found, [type(item) for item in found]) == (plain, [type(item) for item in plain])


def test_inputs_that_are_too_large_are_refused_with_their_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("astrum.execution.run_inputs.MAX_VALUE_BYTES", 1_000)
    flow = FLOWS[str]
    with pytest.raises(RunInputError, match=r"'value' has 2,0\d\d bytes, the limit is 1,000"):
        checked_inputs(flow, {"value": "x" * 2_000}).encoded()
