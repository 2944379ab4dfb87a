"""NumPy arrays and scalars, as ``.npy`` bytes without pickle.

Imported without NumPy; see `astrum.wire.foreign_types`.
"""

from __future__ import annotations

import functools
import math
from io import BytesIO
from typing import Any

from astrum.errors import DecodeError
from astrum.wire.builtin_types import Carrier, Pack, Unpack
from astrum.wire.codes import Code
from astrum.wire.refusals import Refusal

_MAX_HEADER_BYTES = 16 * 1024
_MAX_DESCR_CHARS = 8_000
_MAX_EMPTY_ITEMS = 1024
_KINDS = "biufcmMSUV"


def carrier(cls: type) -> Carrier | None:
    """Return how arrays (no subclass of them) or scalars of NumPy travel."""
    import numpy

    if cls is numpy.ndarray:
        return Carrier(Code.NUMPY_ARRAY, _write_array, read_array)
    if issubclass(cls, numpy.generic):
        return Carrier(Code.NUMPY_SCALAR, _write_scalar, read_scalar)
    return None


@functools.lru_cache(maxsize=256)
def _travels(dtype: Any) -> bool:
    from numpy.lib import format as npy

    if dtype.hasobject or dtype.kind not in _KINDS or dtype.isbuiltin == 2 or dtype.metadata:
        return False
    descr = npy.dtype_to_descr(dtype)
    text = repr(descr)  # NumPy reads back 10,000 characters at most, in the formats used here
    if len(text) > _MAX_DESCR_CHARS or max(text) > "\xff":
        return False
    return bool(npy.descr_to_dtype(descr) == dtype)


def _write_array(value: Any, pack: Pack) -> bytes:
    import numpy

    if not _travels(value.dtype):
        advice = f"its dtype {value.dtype} is not plain data; convert it with astype or tolist"
        raise Refusal(value, advice)
    target = BytesIO()
    numpy.lib.format.write_array(target, value, allow_pickle=False)
    return target.getvalue()


def _write_scalar(value: Any, pack: Pack) -> bytes:
    import numpy

    if value.dtype.kind != "V" and value.dtype.itemsize and _travels(value.dtype):
        return _scalar_header(value.dtype) + bytes(value.tobytes())
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
    """Return a writable array; refuses objects and shapes that the bytes do not fill."""
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
    """Return a NumPy scalar of the type it had."""
    array = read_array(payload, unpack)
    if array.ndim:
        raise DecodeError("a NumPy scalar must have no dimensions")
    return array[()]


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
