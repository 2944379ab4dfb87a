"""Compresses big values if that pays; a compressed value is an extension item of its own.

Writers take lz4 or zstandard where they are installed; readers know all three algorithms.
"""

from __future__ import annotations

import functools
import importlib
import zlib
from types import ModuleType

from astrum.errors import DecodeError
from astrum.values.codes import Code, ext_header, whole_ext

MIN_COMPRESSED_BYTES = 16 * 1024
MAX_INFLATED_BYTES = 64 * 1024 * 1024
_WORTHWHILE = 0.8
_SIZE_BYTES = 4

_ZLIB, _LZ4, _ZSTD = 1, 2, 3
_MODULES = {_LZ4: ("lz4.block", "lz4"), _ZSTD: ("zstandard", "zstandard")}


def shrink(data: bytes) -> bytes:
    """Return ``data``, compressed if it is above 16 KiB and becomes at least a fifth smaller.

    `astrum.values.codec.Codec.decode` and `astrum.values.projection.project` take both forms.
    """
    if not MIN_COMPRESSED_BYTES < len(data) <= MAX_INFLATED_BYTES or is_compressed(data):
        return data
    algorithm = _best_algorithm()
    packed = _compress(algorithm, data)
    if len(packed) > _WORTHWHILE * len(data):
        return data
    header = bytes((algorithm,)) + len(data).to_bytes(_SIZE_BYTES, "big")
    return whole_ext(Code.COMPRESSED, header + packed)


def is_compressed(data: bytes | memoryview) -> bool:
    """Return whether `shrink` made ``data``, by its first bytes."""
    header = ext_header(data)
    return header is not None and header.code == Code.COMPRESSED


def inflated_bytes(data: bytes) -> int:
    """Return the size that `inflate` would give ``data``, as far as its header is true."""
    header = ext_header(data)
    if header is None or header.code != Code.COMPRESSED:
        return len(data)
    start = header.start + 1
    return int.from_bytes(data[start : start + _SIZE_BYTES], "big")


def inflate(data: bytes) -> bytes:
    """Return what `shrink` was given; ``data`` itself if it is not compressed.

    Never builds more than 64 MiB. Raises `DecodeError` for bytes that `shrink` did not make, or
    if the package that decompresses them is not installed.
    """
    header = ext_header(data)
    if header is None or header.code != Code.COMPRESSED:
        return data
    start = header.start + 1 + _SIZE_BYTES
    if header.end != len(data) or start > len(data):
        raise DecodeError("a compressed value is cut short or followed by other bytes")
    size = int.from_bytes(data[header.start + 1 : start], "big")
    if size > MAX_INFLATED_BYTES:
        raise DecodeError(f"a compressed value claims {size} bytes, the limit is 64 MiB")
    return _decompress(data[header.start], data[start:], size)


@functools.cache
def _module(algorithm: int) -> ModuleType | None:
    try:
        return importlib.import_module(_MODULES[algorithm][0])
    except ImportError:
        return None


def _best_algorithm() -> int:
    return next((a for a in (_LZ4, _ZSTD) if _module(a) is not None), _ZLIB)


def _required(algorithm: int) -> ModuleType:
    module = _module(algorithm)
    if module is None:
        package = _MODULES[algorithm][1]
        raise DecodeError(f"a value was compressed with {package}: install {package} here too")
    return module


def _compress(algorithm: int, data: bytes) -> bytes:
    if algorithm == _LZ4:
        return bytes(_required(_LZ4).compress(data, store_size=False))
    if algorithm == _ZSTD:
        return bytes(_required(_ZSTD).ZstdCompressor(level=1).compress(data))
    return zlib.compress(data, 1)


def _decompress(algorithm: int, packed: bytes, size: int) -> bytes:
    if algorithm not in (_ZLIB, *_MODULES):
        raise DecodeError(f"a value was compressed with the unknown algorithm {algorithm}")
    try:
        data = _DECOMPRESSORS[algorithm](packed, size)
    except DecodeError:
        raise
    except Exception as error:  # each library has its own errors
        raise DecodeError(f"a compressed value is damaged: {error}") from None
    if len(data) != size:
        raise DecodeError("a compressed value has another size than it claims")
    return data


def _from_zlib(packed: bytes, size: int) -> bytes:
    stream = zlib.decompressobj()
    data = stream.decompress(packed, size + 1)
    if not stream.eof or stream.unused_data:
        raise DecodeError("a compressed value is cut short or longer than it claims")
    return data


def _from_lz4(packed: bytes, size: int) -> bytes:
    return bytes(_required(_LZ4).decompress(packed, uncompressed_size=size))


def _from_zstd(packed: bytes, size: int) -> bytes:
    zstandard = _required(_ZSTD)
    if zstandard.frame_content_size(packed) != size:  # else it would allocate this size
        raise DecodeError("a compressed value has another size than it claims")
    return bytes(zstandard.ZstdDecompressor().decompress(packed))


_DECOMPRESSORS = {_ZLIB: _from_zlib, _LZ4: _from_lz4, _ZSTD: _from_zstd}
