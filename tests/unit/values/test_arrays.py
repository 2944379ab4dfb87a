"""NumPy arrays and scalars come back equal, of the same type and order, and never by pickle."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from astrum.errors import DecodeError, EncodeError
from astrum.values import Codec, Opaque
from astrum.values.codes import Code, whole_ext

np = pytest.importorskip("numpy")
CODEC = Codec()
dtypes = st.one_of(
    st_numpy.scalar_dtypes(), st_numpy.unicode_string_dtypes(), st_numpy.byte_string_dtypes()
)
records = st_numpy.array_dtypes().filter(lambda dtype: max(repr(dtype)) <= "\xff")


def through(value: Any) -> Any:
    return CODEC.decode(CODEC.encode(value))


@settings(max_examples=150)
@given(st_numpy.arrays(dtypes | records, st_numpy.array_shapes(min_side=0)))
def test_an_array_comes_back_equal_writable_and_of_the_same_dtype(array: Any) -> None:
    again = through({"a": (array,)})["a"][0]
    assert type(again) is np.ndarray
    assert (again.dtype, again.shape) == (array.dtype, array.shape)
    assert again.tobytes() == array.tobytes()
    assert again.flags.writeable


@settings(max_examples=150)
@given(st.data(), dtypes)
def test_a_scalar_comes_back_as_a_scalar_of_its_type(data: st.DataObject, dtype: Any) -> None:
    scalar = data.draw(st_numpy.arrays(dtype, ()))[()]
    again = through([scalar])[0]
    assert type(again) is type(scalar)
    assert again.dtype == scalar.dtype
    assert again.tobytes() == scalar.tobytes()


def test_the_order_in_memory_is_kept_and_slices_are_read_as_they_look() -> None:
    array = np.asfortranarray(np.arange(6).reshape(2, 3))
    assert through(array).flags.f_contiguous
    assert (through(array) == array).all()
    assert (through(np.arange(10)[::-2]) == np.arange(10)[::-2]).all()


def test_a_read_only_array_stays_read_only() -> None:
    array = np.arange(3)
    array.flags.writeable = False
    again = through([array])[0]
    assert again.tolist() == [0, 1, 2]
    assert not again.flags.writeable


@pytest.mark.parametrize("code", "bBhHiIlLqQfdgFDG")
def test_types_of_the_same_numbers_stay_apart(code: str) -> None:
    assert type(through(np.dtype(code).type(3))) is np.dtype(code).type
    assert through(np.array([3], code)).dtype.char == code


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype("i8", metadata={"unit": "m"}),
        np.dtype([("a", np.dtype("i8", metadata={"unit": "m"}))]),
        np.dtype((np.dtype("i8", metadata={"unit": "m"}), (2,))),
    ],
)
def test_metadata_of_a_dtype_is_refused_after_an_equal_dtype_without(dtype: Any) -> None:
    plain = np.dtype("i8") if dtype.names is None else np.dtype([("a", "i8")])
    through(np.zeros(2, plain))
    with pytest.raises(EncodeError, match="metadata of its dtype"):
        CODEC.encode(np.zeros(2, [("f", dtype)] if dtype.subdtype else dtype))


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (lambda: np.ma.masked_array([1]), ".filled(...)"),
        (lambda: np.rec.array([(1, 2)]), "numpy.asarray(...)"),
        (lambda: np.dtype("i4"), "str(...)"),
    ],
)
def test_the_advice_names_a_way(make: Any, advice: str) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(make())
    assert advice in caught.value.advice


@pytest.mark.parametrize("char", [b"O", b"i", b"q\0", b"V"])
def test_a_payload_that_claims_another_type_is_a_decode_error(char: bytes) -> None:
    good = CODEC.encode(np.arange(3))
    payload = b"\0\0" + char + good[3:]
    with pytest.raises(DecodeError):
        CODEC.decode(whole_ext(Code.NUMPY_ARRAY, payload))


@pytest.mark.parametrize(
    "make",
    [
        lambda: np.array([object()]),
        lambda: np.zeros(1, dtype=[("\u0100", int)]),
        lambda: np.array([("a", None)], dtype=[("x", "U1"), ("y", object)]),
        lambda: np.ma.masked_array([1, 2], mask=[True, False]),
        lambda: np.rec.array([(1, 2.0)]),
        lambda: np.dtype("int8"),
        lambda: np.random.default_rng(1),
    ],
)
def test_objects_and_subclasses_are_refused(make: Any) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode({"rows": [make()]})
    assert caught.value.path == "result['rows'][0]"


def npy(shape: str, descr: str, body: bytes) -> bytes:
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}}}\n".encode()
    data = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + body
    return whole_ext(Code.NUMPY_ARRAY, data)


@pytest.mark.parametrize(
    "data",
    [
        npy("(1000000000000,)", "'<f8'", b"12345678"),
        npy("(-1, -1)", "'<f8'", b"12345678"),
        npy("(1,)", "'|O'", b"12345678"),
        npy("(1,)", "[('a', '|O')]", b"12345678"),
        npy("(1000000000000,)", "'|V0'", b""),
        npy("__import__('this')", "'<f8'", b""),
        npy("(1,)", "'<f8'", b"1234567"),
        whole_ext(Code.NUMPY_ARRAY, b"\x93NUMPY\x03\x00\xff\xff\xff\xff"),
        whole_ext(Code.NUMPY_ARRAY, b"\x93NUMPY\x07\x00\x00\x00\x00\x00"),
    ],
)
def test_hostile_arrays_are_decode_errors(data: bytes) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(data)


@pytest.mark.parametrize("shape", ["(1000000000000,)", "(2,)", "()"])
def test_an_array_that_its_bytes_do_not_fill_says_so(shape: str) -> None:
    with pytest.raises(DecodeError, match="another size than it claims"):
        CODEC.decode(npy(shape, "'<f4'", b"123456789012"))


def test_a_well_made_header_is_read() -> None:
    assert CODEC.decode(npy("(1,)", "'<u1'", b"\x07")).tolist() == [7]


def test_a_process_without_numpy_learns_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    data = CODEC.encode([np.arange(3)])
    monkeypatch.setitem(__import__("sys").modules, "numpy", None)
    with pytest.raises(DecodeError, match="install numpy here too"):
        Codec().decode(data)
    assert isinstance(Codec.opaque().decode(data)[0], Opaque)
