"""The models of explicit relations."""

import collections.abc
import typing
from typing import Any

import pytest
from pydantic import ValidationError

from astrum.data_transport import DataItem, DTRela, TaskData


def test_every_field_but_the_related_task_has_a_default() -> None:
    relation = DTRela(related_task="a")
    assert (relation.key, relation.index, relation.single_item) == (None, None, False)
    assert relation.from_function is None
    item = DataItem()
    assert (item.allow_data_model, item.from_relation, item.to_relation) == (None, None, None)
    data = TaskData()
    assert data.model_dump() == {
        "task_id": "",
        "input_data_item": [],
        "output_data_item": [],
        "from_tasks": [],
        "to_tasks": [],
    }


def test_two_items_have_two_references() -> None:
    assert DataItem().data_ref != DataItem().data_ref


def test_a_relation_needs_a_task_unless_a_function_supplies_the_value() -> None:
    with pytest.raises(ValidationError, match="related_task"):
        DTRela(key="a")
    assert DTRela(from_function=len).from_function is len


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (int, int),
        (list[int], list),
        (typing.List[int], list),  # noqa: UP006
        (dict[str, list[int]], dict),
        (typing.Annotated[int, "kg"], int),
        (typing.Sequence[int], collections.abc.Sequence),
        (None, None),
    ],
)
def test_allow_data_model_is_a_class_and_a_generic_counts_as_its_origin(
    given: Any, kept: Any
) -> None:
    assert DataItem(allow_data_model=given).allow_data_model is kept


@pytest.mark.parametrize(
    "wrong", [typing.Any, 3, "int", [int], object(), int | None, typing.Literal[1]]
)
def test_any_and_instances_are_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="is not a class"):
        DataItem(allow_data_model=wrong)


@pytest.mark.parametrize("model", [DTRela, DataItem, TaskData])
def test_a_misspelt_field_is_refused(model: Any) -> None:
    with pytest.raises(ValidationError, match="related_tsk"):
        model(related_tsk="a")
