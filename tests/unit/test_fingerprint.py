"""Fingerprints: equal for equal sources, whatever stands around them."""

import functools

from astrum.planning import fingerprint


def decorated(_: object):
    return lambda function: function


def made_from(source: str, name: str = "load"):
    scope: dict = {}
    exec(source, scope)
    return scope[name]


def factory(n: int):
    def inner() -> int:
        return n

    return inner


def test_a_fingerprint_is_a_short_text() -> None:
    assert len(fingerprint(factory)) == 16


def test_functions_of_one_source_have_one_fingerprint() -> None:
    assert fingerprint(factory(1)) == fingerprint(factory(2))


def test_different_sources_have_different_fingerprints() -> None:
    assert fingerprint(factory) != fingerprint(decorated)


def test_decorators_and_indentation_do_not_count() -> None:
    def same() -> int:
        return 7

    plain = same

    @decorated("x")
    @decorated(
        "def",
    )
    def same() -> int:
        return 7

    class Holder:
        def same() -> int:
            return 7

    assert fingerprint(same) == fingerprint(plain) == fingerprint(Holder.same)


def test_methods_partials_and_wrappers_are_named_by_their_function() -> None:
    class Holder:
        def work(self) -> int:
            return 1

    @functools.wraps(Holder.work)
    def wrapper(*args: object) -> object:
        return Holder.work(*args)

    expected = fingerprint(Holder.work)
    assert fingerprint(Holder().work) == expected
    assert fingerprint(functools.partial(Holder.work, None)) == expected
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


def test_functions_without_source_are_told_apart_by_name_and_parameters() -> None:
    one = made_from("def load(a, *, b): return 1")
    same = made_from("def load(a, *, b): return 2")
    other = made_from("def load(a): return 1")
    assert fingerprint(one) == fingerprint(same)
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(len) != fingerprint(print)
