"""The declarations of Ref, F and T in annotations."""

import dataclasses
import functools
import typing
from typing import Any

import pytest

from astrum.data_transport import F, From, Ref, T, To, fitted
from astrum.data_transport.bindings import Binding
from tests.unit.data_transport.fixtures import Relate


def source() -> dict:
    return {}


class Shop:
    def orders(self) -> dict:
        return {}

    @staticmethod
    def prices() -> dict:
        return {}

    @classmethod
    def names(cls) -> dict:
        return {}

    def report(self, rows: Ref[dict, F("source")]) -> None: ...


def test_ref_is_annotated_and_the_short_names_are_the_long_ones() -> None:
    assert Ref is typing.Annotated
    assert (From, To) == (F, T)


def test_marks_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        F("a").task = "b"  # type: ignore[misc] # what the test is about
    with pytest.raises(dataclasses.FrozenInstanceError):
        T("a").target = "b"  # type: ignore[misc] # what the test is about


def test_a_locator_is_a_key_an_index_or_the_whole(relate: Relate) -> None:
    def read(
        name: Ref[str, F("source", "name")],
        first: Ref[int, F("source", 0)],
        whole: Ref[dict, F("source")],
    ) -> None: ...

    assert relate({"source": source, "read": read})["read"].bindings == (
        Binding("name", "source", ("name",)),
        Binding("first", "source", (0,)),
        Binding("whole", "source", ()),
    )


def test_a_bare_tuple_in_an_annotation_means_from(relate: Relate) -> None:
    def read(name: Ref[str, ("source", "name")]) -> None: ...  # noqa: F821

    inputs = relate({"source": source, "read": read})
    assert inputs["read"].bindings == (Binding("name", "source", ("name",)),)


def test_a_relation_may_stand_in_a_union(relate: Relate) -> None:
    def read(name: Ref[str, F("source", "name")] | None = None) -> None: ...

    inputs = relate({"source": source, "read": read})["read"]
    assert inputs.bindings == (Binding("name", "source", ("name",)),)
    assert fitted(None, inputs.expected["name"]) is None


def test_a_bare_tuple_on_a_return_means_to(relate: Relate) -> None:
    def send() -> Ref[dict, ("read", "local", "remote")]: ...  # noqa: F821
    def read(remote: str) -> None: ...

    inputs = relate({"send": send, "read": read})
    assert inputs["read"].bindings == (Binding("remote", "send", ("local",)),)


@pytest.mark.parametrize(
    ("mark", "binding"),
    [
        (T("read", "local", "second"), Binding("second", "send", ("local",))),
        (T("read", None, 1), Binding("second", "send", ())),
        (T("read", 3, 1), Binding("second", "send", (3,))),
        (T("read", "second"), Binding("second", "send", ("second",))),
        (T("read"), Binding("first", "send", ())),
    ],
)
def test_to_sends_a_part_or_the_whole_by_name_or_position(
    relate: Relate, mark: Any, binding: Binding
) -> None:
    def send() -> Ref[dict, mark]: ...
    def read(first: int = 0, second: int = 0) -> None: ...

    assert relate({"send": send, "read": read})["read"].bindings == (binding,)


def test_to_binds_a_source_that_is_declared_after_its_target(relate: Relate) -> None:
    def read(value: int) -> None: ...
    def send() -> Ref[int, T(read)]: ...

    assert relate({"read": read, "send": send})["read"].bindings == (Binding("value", "send"),)


def test_a_task_is_named_by_its_function(relate: Relate) -> None:
    def read(name: Ref[str, F(source, "name")]) -> None: ...

    assert relate({"first": source, "read": read})["read"].bindings[0].source == "first"


@pytest.mark.parametrize("name", ["orders", "prices", "names"])
def test_a_task_is_named_by_a_method_of_any_kind(relate: Relate, name: str) -> None:
    shop = Shop()

    def read(value: Ref[dict, F(getattr(shop, name))]) -> None: ...

    inputs = relate({"made": getattr(shop, name), "read": read})
    assert inputs["read"].bindings[0].source == "made"


@pytest.mark.parametrize("name", ["prices", "names"])
def test_a_static_or_class_method_object_of_a_class_body_names_its_task(
    relate: Relate, name: str
) -> None:
    def read(value: Ref[dict, F(vars(Shop)[name])]) -> None: ...

    inputs = relate({"made": getattr(Shop, name), "read": read})
    assert inputs["read"].bindings[0].source == "made"


def test_the_same_method_of_two_objects_is_two_tasks(relate: Relate) -> None:
    one, two = Shop(), Shop()

    def read(value: Ref[dict, F(two.orders)]) -> None: ...

    inputs = relate({"one": one.orders, "two": two.orders, "read": read})
    assert inputs["read"].bindings[0].source == "two"


def test_a_method_of_the_class_names_the_task_of_its_only_object(relate: Relate) -> None:
    def read(value: Ref[dict, F(Shop.orders)]) -> None: ...

    inputs = relate({"orders": Shop().orders, "read": read})
    assert inputs["read"].bindings[0].source == "orders"


def test_a_decorated_name_means_the_function_that_was_registered(relate: Relate) -> None:
    @functools.wraps(source)
    def wrapped() -> dict:
        return source()

    def read(value: Ref[dict, F(wrapped)]) -> None: ...

    assert relate({"source": source, "read": read})["read"].bindings[0].source == "source"


@pytest.mark.parametrize("report", [Shop.report, Shop().report])
def test_the_parameters_of_a_method_do_not_count_self(relate: Relate, report: Any) -> None:
    def send() -> Ref[dict, T(report, None, 0)]: ...

    with pytest.raises(Exception, match="'rows' gets two values"):
        relate({"source": source, "report": report, "send": send})


def test_one_task_is_read_by_field_and_whole_by_many_at_once(relate: Relate) -> None:
    def one(a: Ref[int, F(source, "a")], all_: Ref[dict, F(source)]) -> None: ...
    def two(b: Ref[int, F(source, "b")]) -> None: ...

    inputs = relate({"source": source, "one": one, "two": two, "again": two})
    assert [b.path for t in ("one", "two", "again") for b in inputs[t].bindings] == [
        ("a",),
        (),
        ("b",),
        ("b",),
    ]


def test_a_task_without_relations_needs_nothing(relate: Relate) -> None:
    assert relate({"source": source})["source"].bindings == ()


def test_a_relation_can_fill_positional_keyword_only_and_rest_parameters(relate: Relate) -> None:
    def read(
        a: Ref[int, F("source", "a")],
        /,
        *rest: Ref[int, F("source", "r")],
        k: Ref[int, F("source", "k")],
    ) -> None: ...

    assert relate({"source": source, "read": read})["read"].bindings == (
        Binding(0, "source", ("a",)),
        Binding("k", "source", ("k",)),
        Binding(1, "source", ("r",)),
    )


def test_a_partial_and_a_callable_object_can_be_tasks(relate: Relate) -> None:
    class Reader:
        def __call__(self, name: Ref[str, F("source", "name")]) -> None: ...

    def two(name: Ref[str, F("source", "name")], n: int) -> None: ...

    inputs = relate({"source": source, "one": Reader(), "two": functools.partial(two, n=1)})
    assert inputs["one"].bindings == inputs["two"].bindings
    assert inputs["one"].bindings == (Binding("name", "source", ("name",)),)
