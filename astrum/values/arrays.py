"""NumPy arrays and scalars, as ``.npy`` bytes without pickle.

Imported without NumPy; see `astrum.values.foreign_types`.
"""

from __future__ import annotations

import functools
import math
import re
import struct
from io import BytesIO
from typing import Any

from astrum.errors import DecodeError
from astrum.values.builtin_types import Carrier, Pack, Unpack
from astrum.values.codes import Code
from astrum.values.refusals import Refusal

_MAX_HEADER_BYTES = 16 * 1024
_MAX_DESCR_CHARS = 8_000
_MAX_EMPTY_ITEMS = 1024
_KINDS = "biufcmMSUV"
_VARIANT = b"\0"
"""The first byte of a payload that holds more than ``.npy`` can; ``.npy`` starts with 0x93."""
_READ_ONLY = 1
_SAME_NUMBERS = b"iIlLqQdDgG"
"""Type codes; two may mean the same numbers on one platform, as l and q do on Linux."""
_SIMPLE = re.compile(rb"'descr': '([<>|=])([biufSU])(\d+)'.*'shape': \(\)", re.DOTALL)
_FLOATS = {2: "e", 4: "f", 8: "d"}


def carrier(cls: type) -> Carrier | None:
    """Return how arrays (but not subclasses) or scalars of NumPy travel."""
    import numpy

    if cls is numpy.ndarray:
        return Carrier(Code.NUMPY_ARRAY, _write_array, read_array)
    if issubclass(cls, numpy.generic):
        return Carrier(Code.NUMPY_SCALAR, _write_scalar, read_scalar)
    return None


@functools.lru_cache(maxsize=256)
def _travels(dtype: Any) -> bool:
    from numpy.lib import format as npy

    if dtype.hasobject or dtype.kind not in _KINDS or dtype.isbuiltin == 2:
        return False
    descr = npy.dtype_to_descr(dtype)
    text = repr(descr)  # NumPy reads back 10,000 characters at most, in the formats used here
    if len(text) > _MAX_DESCR_CHARS or max(text) > "\xff":
        return False
    return bool(npy.descr_to_dtype(descr) == dtype)


def _has_metadata(dtype: Any) -> bool:
    # Not cached by the type: types that differ in their metadata alone are equal.
    if dtype.metadata:
        return True
    inner = [dtype.base] if dtype.subdtype else [f[0] for f in (dtype.fields or {}).values()]
    return any(map(_has_metadata, inner))


def _check_dtype(value: Any) -> None:
    if _has_metadata(value.dtype):
        advice = f"the metadata of its dtype would be lost; convert it with astype({value.dtype})"
        raise Refusal(value, advice)
    if not _travels(value.dtype):
        advice = f"its dtype {value.dtype} is not plain data; convert it with astype or tolist"
        raise Refusal(value, advice)


def _write_array(value: Any, pack: Pack) -> bytes:
    import numpy

    _check_dtype(value)
    target = BytesIO()
    target.write(_variant(value.dtype, is_read_only=not value.flags.writeable))
    numpy.lib.format.write_array(target, value, allow_pickle=False)
    return target.getvalue()


def _variant(dtype: Any, *, is_read_only: bool) -> bytes:
    import numpy

    char = b"\0"
    if dtype.isbuiltin and dtype.kind in "iufc" and numpy.dtype(dtype.str).char != dtype.char:
        char = dtype.char.encode()
    if char == b"\0" and not is_read_only:
        return b""
    return _VARIANT + bytes((_READ_ONLY * is_read_only,)) + char


def _write_scalar(value: Any, pack: Pack) -> bytes:
    import numpy

    dtype = value.dtype
    _check_dtype(value)
    if dtype.kind != "V" and dtype.itemsize:
        data = bytes(value.tobytes())
        return _variant(dtype, is_read_only=False) + _scalar_header(dtype) + data
    array = numpy.asarray(value)
    if type(array[()]) is not type(value):
        raise Refusal(value, "NumPy would change it; use its plain Python value: .item()")
    return _write_array(array, pack)


@functools.lru_cache(maxsize=256)
def _scalar_header(dtype: Any) -> bytes:
    import numpy

    target = BytesIO()
    numpy.lib.format.write_array(target, numpy.zeros((), dtype), allow_pickle=False)
    return target.getvalue()[: -dtype.itemsize]


def read_array(payload: bytes, unpack: Unpack) -> Any:
    """Return the array; refuses objects and shapes that the bytes do not fill."""
    if payload[:1] != _VARIANT:
        return _read_plain(payload)
    array = _with_code(_read_plain(payload[3:]), payload[2:3])
    if payload[1] & _READ_ONLY:
        array.flags.writeable = False
    return array


def _with_code(array: Any, char: bytes) -> Any:
    import numpy

    if char == b"\0":
        return array
    if char not in _SAME_NUMBERS or numpy.dtype(char.decode()) != array.dtype:
        raise DecodeError("a NumPy array has another type than it claims")
    return array.view(numpy.dtype(char.decode()))


def _read_plain(payload: bytes) -> Any:
    try:
        import numpy
    except ImportError:
        raise DecodeError("a value holds a NumPy array: install numpy here too") from None
    start = _header_end(payload)
    shape, fortran, dtype = _layout(payload[:start])
    count = math.prod(shape)
    if dtype.hasobject or count * dtype.itemsize != len(payload) - start:
        raise DecodeError("a NumPy array has another size than it claims, or holds objects")
    if not dtype.itemsize:
        return _empty_items(shape, count, dtype)
    flat = numpy.frombuffer(payload, dtype, offset=start).copy()
    return flat.reshape(shape[::-1]).transpose() if fortran else flat.reshape(shape)


def _empty_items(shape: tuple[int, ...], count: int, dtype: Any) -> Any:
    import numpy

    if not 0 <= count <= _MAX_EMPTY_ITEMS:
        raise DecodeError("a NumPy array of items without content is too long")
    return numpy.ndarray(shape, dtype)


def read_scalar(payload: bytes, unpack: Unpack) -> Any:
    """Return a NumPy scalar of its original type."""
    array = read_array(payload, unpack)
    if array.ndim:
        raise DecodeError("a NumPy scalar must have no dimensions")
    return array[()]


def plain_scalar(payload: bytes) -> bool | int | float | str | bytes | None:
    """Return the Python value that equals a NumPy scalar, without NumPy; None for other kinds.

    A process that only looks up a key may not have NumPy.
    """
    if payload[:1] == _VARIANT:
        payload = payload[3:]
    start = _header_end(payload)
    found = _SIMPLE.search(payload[:start])
    if found is None:
        return None
    data = payload[start:]
    if found[1] == b">":
        return None  # NumPy's scalars have the machine's order, and no other is written
    kind, size = found[2].decode(), int(found[3])
    if kind == "U":
        return data.decode("utf-32-le", "replace").rstrip("\0")
    if kind == "S":
        return data.rstrip(b"\0")
    if kind == "f":
        code = _FLOATS.get(size)
        return None if code is None else float(struct.unpack(f"<{code}", data)[0])
    number = int.from_bytes(data, "little", signed=kind == "i")
    return bool(number) if kind == "b" else number


def _header_end(payload: bytes) -> int:
    width = 2 if payload[6] == 1 else 4
    end = 8 + width + int.from_bytes(payload[8 : 8 + width], "little")
    if end > min(len(payload), _MAX_HEADER_BYTES):
        raise DecodeError("a NumPy array has a damaged header")
    return end


@functools.lru_cache(maxsize=256)
def _layout(header: bytes) -> tuple[tuple[int, ...], bool, Any]:
    from numpy.lib import format as npy

    source = BytesIO(header)
    version = npy.read_magic(source)
    read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    if version not in ((1, 0), (2, 0)):
        raise DecodeError(f"a NumPy array has the unknown format {version}")
    shape, fortran, dtype = read(source)
    return shape, fortran, dtype
