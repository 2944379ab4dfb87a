"""The short cuts for the usual forms of declarations give what the general code gives."""

import inspect
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum import F, Ref, T
from astrum.data_transport import From, To
from astrum.data_transport.declared import fast_paths
from astrum.data_transport.declared.relations import mark_of, relations_of
from astrum.data_transport.declared.signatures import Parameter, declaration_of, slots_in
from astrum.data_transport.types import check_plan
from astrum.data_transport.types.check_plan import declared_types

NAMES = st.lists(st.sampled_from("abcdefgh"), unique=True, max_size=8)


class Order:
    """A class of the user's."""


def signatures() -> st.SearchStrategy[str]:
    """Give parameter lists with parameters of all kinds."""

    def text(parts: tuple[list[str], int, int, bool, bool]) -> str:
        names, first, second, has_rest, has_named = parts
        only, plain, keyword = names[:first], names[first : first + second], names[first + second :]
        found = [*only, *(["/"] if only else []), *plain]
        found += ["*rest"] if has_rest else ["*"] if keyword else []
        return ", ".join([*found, *keyword, *(["**named"] if has_named else [])])

    sizes = st.integers(0, 4)
    return st.tuples(NAMES, sizes, sizes, st.booleans(), st.booleans()).map(text)


@given(signatures(), st.sampled_from(["", "x = y = 0", "def inner(): return 1"]))
def test_slots_of_code_are_those_of_the_signature(parameters: str, body: str) -> None:
    space: dict[str, Any] = {}
    exec(f"def made({parameters}):\n    {body or 'pass'}", space)
    made = space["made"]
    assert list(fast_paths.slots_of_code(made.__code__)) == slots_in(inspect.signature(made))


marks = st.one_of(
    st.tuples(st.sampled_from(["a", "b"]), st.none() | st.text(max_size=2) | st.integers()).map(
        lambda parts: From(*parts)
    ),
    st.sampled_from(["x", "y"]).map(lambda field: F("a", field, default=0)),
    st.just(("a", "key")),
    st.just(To("b")),
    st.just("a doc string"),
)
bases = st.sampled_from([int, str, Order, list[int], int | None, Any, list])
forms: st.SearchStrategy[Any] = st.one_of(
    bases,
    st.none(),
    st.just(Ref),
    st.tuples(bases, st.lists(marks, min_size=1, max_size=2)).map(
        lambda parts: Annotated[parts[0], *parts[1]]
    ),
)


@given(forms)
def test_a_plain_mark_is_what_reading_the_annotation_finds(annotation: Any) -> None:
    def holder(x: Any) -> None: ...

    found = fast_paths.plain_mark(annotation)
    parameter = Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD, 0, annotation)
    if found is not None:
        assert found == mark_of(parameter, declaration_of(holder))


@given(st.dictionaries(st.sampled_from(["a", "b", "return"]), forms))
def test_annotations_that_may_not_relate_hold_no_relation(given_annotations: Any) -> None:
    def holder(a: Any = 0, b: Any = 0) -> None: ...

    holder.__annotations__ = given_annotations
    if not fast_paths.may_relate(given_annotations):
        assert relations_of(declaration_of(holder)) == ((), None)


def test_functions_of_classes_seen_before_add_no_types(monkeypatch: pytest.MonkeyPatch) -> None:
    def one(a: int, b: Order) -> Ref[Order, T("x")]:
        return b

    def other(a: Ref[Order, F("one")], b: int) -> int:
        return b

    def third(a: list[Order]) -> int:
        return 1

    seen: set[Any] = set()
    list(declared_types(one, seen))
    found = [fast_paths.has_only_classes_of(function, seen) for function in (one, other, third)]
    assert found == [True, True, False]
    monkeypatch.setattr(check_plan, "has_only_classes_of", lambda function, seen: False)
    for function in (one, other):
        assert list(declared_types(function, seen)) == []
