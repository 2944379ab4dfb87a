"""One TaskData per task, and a ValueError for an invalid relation."""

import functools
from collections.abc import Callable
from typing import Any

import pytest

from astrum.data_transport import F, Ref, T
from astrum.errors import TaskRegistrationError
from astrum.planning.inputs import resolve_task_inputs
from tests.unit.data_transport.fixtures import Generate


def source() -> dict:
    return {}


def annotated(annotation: Any) -> Callable[..., None]:
    def read(value: Any) -> None: ...

    read.__annotations__ = {"value": annotation}
    return read


def returning(annotation: Any) -> Callable[[], Any]:
    def send() -> Any: ...

    send.__annotations__ = {"return": annotation}
    return send


def test_there_is_one_task_data_per_task_in_order(generate: Generate) -> None:
    def read(a: Ref[int, F("source", "a")]) -> None: ...

    data = generate({"read": read, "source": source, "again": read})
    assert [d.task_id for d in data] == ["read", "source", "again"]


def test_an_input_item_holds_both_ends_and_the_class(generate: Generate) -> None:
    def read(first: int, a: Ref[list[int], F("source", "a")]) -> None: ...

    item = generate({"source": source, "read": read})[1].input_data_item[0]
    assert item.allow_data_model is list
    assert item.from_relation is not None
    assert item.to_relation is not None
    assert (item.from_relation.related_task, item.from_relation.key) == ("source", "a")
    assert (item.to_relation.related_task, item.to_relation.key) == ("read", "a")
    assert item.to_relation.index == 1


def test_the_whole_result_is_a_single_item(generate: Generate) -> None:
    def read(a: Ref[dict, F("source")]) -> None: ...

    relation = generate({"source": source, "read": read})[1].input_data_item[0].from_relation
    assert relation is not None
    assert (relation.single_item, relation.key, relation.index) == (True, None, None)


def test_an_output_item_stands_with_the_task_that_sends(generate: Generate) -> None:
    def send() -> Ref[dict, T("read", "local", "remote")]: ...
    def read(remote: int) -> None: ...

    sent, received = generate({"send": send, "read": read})
    target = sent.output_data_item[0].to_relation
    assert target is not None
    assert target.key == "remote"
    assert received.input_data_item == []


def test_both_ends_name_each_other(generate: Generate) -> None:
    def read(a: Ref[int, F("source", "a")], b: Ref[int, F("source", "b")]) -> None: ...

    first, second = generate({"source": source, "read": read})
    assert (first.to_tasks, second.from_tasks) == (["read"], ["source"])


def test_the_models_are_valid_models(generate: Generate) -> None:
    def read(a: Ref[int, F("source", "a")]) -> None: ...

    for data in generate({"source": source, "read": read}):
        assert type(data).model_validate(data.model_dump()) == data


# The types of F and T forbid some of these mistakes; users without a checker make them.
WRONG = {
    "To on a parameter": (annotated(Ref[int, T("source")]), "'value'.*To belongs on a return"),
    "From on a return": (returning(Ref[int, F("source")]), "return.*From belongs on a parameter"),
    "two relations": (
        annotated(Ref[int, F("source"), F("source", 1)]),
        "'value' has more than one relation",
    ),
    "two relations, one nested": (
        annotated(Ref[Ref[int, F("source")], ("source", 1)]),
        "'value' has more than one relation",
    ),
    "two relations on a return": (
        returning(Ref[int, T("source"), T("bad")]),
        "return value has more than one relation",
    ),
    "an empty tuple": (annotated(Ref[int, ()]), "of 0 parts; a tuple there has 1 or 2"),
    "a long tuple": (annotated(Ref[int, ("source", 1, 2)]), "of 3 parts; a tuple there has 1 or 2"),
    "a short tuple on a return": (
        returning(Ref[int, ("source", "local")]),
        "of 2 parts; a tuple there has 3",
    ),
    "a float locator": (annotated(Ref[int, F("source", 1.5)]), "'value' has the locator 1.5"),  # type: ignore[arg-type]
    "a bool locator": (annotated(Ref[int, F("source", True)]), "'value' has the locator True"),
    "a tuple locator": (annotated(Ref[int, ("source", ("a",))]), "has the locator"),
    "a wrong target": (returning(Ref[int, T("source", None, 1.5)]), "has the locator 1.5"),  # type: ignore[arg-type]
    "an unknown id": (
        annotated(Ref[int, F("sorce")]),
        "'value': there is no task 'sorce'; did you mean 'source'",
    ),
    "an unknown target id": (
        returning(Ref[int, T("sorce")]),
        "return value: there is no task 'sorce'; did you mean 'source'",
    ),
    "a function that is not a task": (
        annotated(Ref[int, F(functools.reduce)]),
        "'value': the function reduce is not a task",
    ),
    "neither id nor function": (annotated(Ref[int, F(3)]), "by id or function, not by 3"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_a_relation_that_makes_no_sense_is_a_value_error_naming_task_and_place(
    generate: Generate, case: str
) -> None:
    function, message = WRONG[case]
    with pytest.raises(ValueError, match=f"task 'bad'.*{message}"):
        generate({"source": source, "bad": function})


def test_a_relation_cannot_fill_collected_names(generate: Generate) -> None:
    def bad(**rest: Ref[int, F("source")]) -> None: ...

    with pytest.raises(ValueError, match=r"task 'bad'.*'rest' collects any names"):
        generate({"source": source, "bad": bad})


def test_a_function_of_several_tasks_is_an_error_only_as_a_reference(generate: Generate) -> None:
    def read(a: Ref[int, F(source, "a")]) -> None: ...
    def by_id(a: Ref[int, F("two", "a")]) -> None: ...

    assert len(generate({"one": source, "two": source, "by_id": by_id})) == 3
    with pytest.raises(ValueError, match=r"task 'read'.*is several tasks \('one', 'two'\)"):
        generate({"one": source, "two": source, "read": read})


def test_an_error_in_an_annotation_is_reported_before_an_error_between_tasks() -> None:
    def sends_too_much() -> Ref[int, T("reads", None, "nothing like it")]: ...
    def reads(a: Ref[int, F(3)]) -> None: ...

    with pytest.raises(TaskRegistrationError, match="by id or function, not by 3"):
        resolve_task_inputs({"sends_too_much": sends_too_much, "reads": reads}, [])
