"""Explicit relations are resolved, alone and merged with annotations."""

from collections.abc import Mapping
from typing import Any

import pytest

from astrum.data_transport import DataItem, DTRela, F, Ref, T, TaskData, merge_task_data
from astrum.data_transport.bindings import Binding, Supply, TaskInputs
from astrum.errors import TaskRegistrationError
from tests.unit.data_transport.fixtures import Functions, Generate, Relate


def source() -> dict:
    return {}


def other() -> dict:
    return {}


def read(name: str, age: int = 0, *, note: str = "") -> None: ...


def anything(*args: int, **kwargs: str) -> None: ...


FUNCTIONS: Functions = {"source": source, "other": other, "read": read, "anything": anything}


def reads(
    task_id: str = "read", to: dict[str, Any] | None = None, *, allow: Any = None, **origin: Any
) -> TaskData:
    """Return the TaskData of a task that reads ``source`` in one item."""
    return TaskData(
        task_id=task_id,
        input_data_item=[
            DataItem(
                allow_data_model=allow,
                from_relation=DTRela(**{"related_task": "source", **origin}),
                to_relation=DTRela(related_task=task_id, **to) if to is not None else None,
            )
        ],
    )


def sends(to: dict[str, Any], **origin: Any) -> TaskData:
    return TaskData(
        task_id="source",
        output_data_item=[
            DataItem(
                from_relation=DTRela(related_task="source", **origin) if origin else None,
                to_relation=DTRela(**{"related_task": "read", **to}),
            )
        ],
    )


@pytest.mark.parametrize(
    ("origin", "path"),
    [
        ({"key": "rows"}, ("rows",)),
        ({"index": -1}, (-1,)),
        ({"key": "rows", "index": 0}, ("rows", 0)),
        ({"single_item": True, "key": "rows"}, ()),
        ({}, ()),
    ],
)
def test_an_input_item_reads_a_key_an_index_or_the_whole(
    relate: Relate, origin: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    inputs = relate(FUNCTIONS, reads(to={"key": "name"}, **origin))
    assert inputs["read"].bindings == (Binding("name", "source", path),)


@pytest.mark.parametrize(
    ("to", "origin", "parameter"),
    [
        ({"key": "age"}, {"key": "name"}, "age"),
        ({"index": 1}, {"key": "name"}, "age"),
        ({}, {"key": "age"}, "age"),
        (None, {"key": "age"}, "age"),
        ({}, {"index": 5}, "name"),
        (None, {}, "name"),
    ],
)
def test_the_parameter_is_the_target_s_key_or_index_else_the_source_s_key_else_the_first(
    relate: Relate, to: dict[str, Any] | None, origin: dict[str, Any], parameter: str
) -> None:
    (binding,) = relate(FUNCTIONS, reads(to=to, **origin))["read"].bindings
    assert binding.parameter == parameter


def test_an_output_item_sends_to_the_target(relate: Relate) -> None:
    inputs = relate(FUNCTIONS, sends({"key": "age"}, key="years"))
    assert inputs["read"].bindings == (Binding("age", "source", ("years",)),)


def test_an_output_item_without_a_target_only_describes_the_result(relate: Relate) -> None:
    data = TaskData(task_id="source", output_data_item=[DataItem(allow_data_model=dict)])
    assert relate(FUNCTIONS, data) == dict.fromkeys(FUNCTIONS, TaskInputs())


def test_collected_parameters_take_any_name_and_any_further_position(relate: Relate) -> None:
    by_name = reads("anything", {"key": "whatever"}, key="a")
    by_place = reads("anything", {"index": 0}, key="b")
    inputs = relate(FUNCTIONS, by_name, by_place)["anything"]
    assert inputs.bindings == (
        Binding("whatever", "source", ("a",)),
        Binding(0, "source", ("b",)),
    )
    assert inputs.expected == {"whatever": str, 0: int}


def test_parameters_before_a_collected_position_go_by_position_too(relate: Relate) -> None:
    def mixed(first: str, *rest: int) -> None: ...

    functions = {**FUNCTIONS, "mixed": mixed}
    further = reads("mixed", {"index": 1}, key="b")
    inputs = relate(functions, reads("mixed", {"key": "first"}, key="a"), further)["mixed"]
    assert [b.parameter for b in inputs.bindings] == [0, 1]
    assert inputs.expected == {0: str, 1: int}
    with pytest.raises(TaskRegistrationError, match=r"'mixed'.*position 1, but none at position 0"):
        relate(functions, further)


@pytest.mark.parametrize("supplied", [3, len, "text", 0])
def test_from_function_supplies_the_value_instead_of_a_task(relate: Relate, supplied: Any) -> None:
    data = reads(to={"key": "age"}, related_task="", from_function=supplied)
    inputs = relate(FUNCTIONS, data)["read"]
    assert inputs.supplies == (Supply("age", supplied),)
    assert inputs.bindings == ()


def test_the_expected_type_is_the_item_s_class_else_the_parameter_s_annotation(
    relate: Relate,
) -> None:
    def typed(rows: list[int]) -> None: ...

    functions = {**FUNCTIONS, "typed": typed}

    def expected(allow: type | None) -> Mapping[str | int, Any]:
        return relate(functions, reads("typed", {"key": "rows"}, allow=allow))["typed"].expected

    assert expected(None) == {"rows": list[int]}
    assert expected(list) == {"rows": list[int]}
    assert expected(tuple) == {"rows": tuple}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (reads(to={"key": "nme"}), r"'read' has no parameter 'nme'.*'source'.*mean 'name'"),
        (reads(to={"index": 2}), r"'read' has no parameter 2 for what task 'source' gives"),
        (reads(to={"index": -1}), r"'read' has no parameter -1"),
        (reads(to={"key": "age"}, related_task="sorce"), r"'read'.*'age'.*'sorce'.*mean 'source'"),
        (sends({"related_task": "raed"}), r"'source' sends.*'raed'.*mean 'read'"),
        (
            TaskData(task_id="read", input_data_item=[DataItem()]),
            r"'read', parameter 0 has an item without a source",
        ),
    ],
)
def test_a_relation_that_cannot_be_names_task_parameter_and_the_nearest_name(
    relate: Relate, data: Any, message: str
) -> None:
    with pytest.raises(TaskRegistrationError, match=message):
        relate(FUNCTIONS, data)


def test_two_values_for_one_parameter_are_an_error_that_names_both(relate: Relate) -> None:
    one, two = reads(to={"key": "name"}, key="a"), sends({"index": 0}, key="b")
    both = r"'source'\['b'\] and 'source'\['a'\]"
    with pytest.raises(TaskRegistrationError, match=rf"'name' gets two values: {both}"):
        relate(FUNCTIONS, one, two)


def test_a_relation_may_be_declared_at_both_ends(relate: Relate) -> None:
    one, two = reads(to={"key": "name"}, key="a"), sends({"key": "name"}, key="a")
    assert relate(FUNCTIONS, one, two)["read"].bindings == (Binding("name", "source", ("a",)),)


def annotated(a: Ref[int, F("other", "a")], b: Ref[int, F("other", "b")]) -> None: ...


def sending() -> Ref[dict, T("read", "x", "name")]: ...


def test_explicit_and_annotated_relations_fill_different_parameters(relate: Relate) -> None:
    def both(a: Ref[int, F("other", "a")], b: int) -> None: ...

    inputs = relate({**FUNCTIONS, "both": both}, reads("both", {"key": "b"}, key="x"))
    assert {b.parameter: b.source for b in inputs["both"].bindings} == {"a": "other", "b": "source"}


@pytest.mark.parametrize("slot", [{"key": "a"}, {"index": 0}])
def test_an_explicit_relation_wins_for_the_same_parameter(
    relate: Relate, slot: dict[str, Any]
) -> None:
    inputs = relate({**FUNCTIONS, "annotated": annotated}, reads("annotated", slot, key="x"))
    assert {b.parameter: b.source for b in inputs["annotated"].bindings} == {
        "a": "source",
        "b": "other",
    }


def test_an_explicit_relation_wins_over_a_to_as_well(relate: Relate) -> None:
    inputs = relate({**FUNCTIONS, "sending": sending}, reads(to={"key": "name"}, key="a"))
    assert [b.source for b in inputs["read"].bindings] == ["source"]


def test_merging_removes_all_of_an_overridden_relation(generate: Generate) -> None:
    def one(a: Ref[int, F("other", "a")]) -> None: ...

    explicit = reads("one", {"key": "a"}, key="x").model_copy(update={"from_tasks": ["source"]})
    merged = merge_task_data([explicit], generate({**FUNCTIONS, "one": one}))
    by_id = {data.task_id: data for data in merged}
    assert by_id["one"].from_tasks == ["source"]
    assert by_id["other"].to_tasks == []
    assert [data.task_id for data in merged] == [*FUNCTIONS, "one"]


def test_merging_changes_neither_side(generate: Generate) -> None:
    explicit = reads("annotated", {"key": "a"}, key="x")
    generated = generate({**FUNCTIONS, "annotated": annotated})
    before = [d.model_copy(deep=True) for d in (explicit, *generated)]
    merge_task_data([explicit], generated)
    assert [explicit, *generated] == before


def test_a_task_may_have_thousands_of_sources(relate: Relate) -> None:
    count = 2000
    functions = {f"s{number}": source for number in range(count)} | {"anything": anything}
    items = [
        DataItem(
            from_relation=DTRela(related_task=f"s{number}"),
            to_relation=DTRela(related_task="anything", index=number),
        )
        for number in range(count)
    ]
    data = TaskData(
        task_id="anything", input_data_item=items, from_tasks=[f"s{n}" for n in range(count)]
    )
    inputs = relate(functions, data)["anything"]
    assert [b.source for b in inputs.bindings] == [f"s{number}" for number in range(count)]
