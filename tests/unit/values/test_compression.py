"""Compression pays or is left out, and a reader that lacks a package says which one."""

from __future__ import annotations

import importlib
import random
import zlib
from collections.abc import Iterator

import pytest

from astrum.errors import DecodeError
from astrum.values import compression, inflate, shrink
from astrum.values.codes import Code, whole_ext
from astrum.values.payload import pack_result
from astrum.values.references import BlobRef, digest_of, reference_of
from tests.unit.values.samples import CODEC

TEXT = CODEC.encode([{"name": f"row {n}", "price": n / 7} for n in range(2_000)])
MODULES = {"lz4": "lz4.block", "zstandard": "zstandard"}


@pytest.fixture(params=["zlib", "lz4", "zstandard"])
def algorithm(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param != "zlib":
        pytest.importorskip(MODULES[request.param])
    offer(monkeypatch, request.param)
    yield request.param
    compression._module.cache_clear()


def offer(monkeypatch: pytest.MonkeyPatch, *packages: str) -> None:
    """Make only these packages importable for the module under test."""
    real = importlib.import_module

    def import_module(name: str) -> object:
        if not any(MODULES.get(package) == name for package in packages):
            raise ImportError(name)
        return real(name)

    monkeypatch.setattr(importlib, "import_module", import_module)
    compression._module.cache_clear()


def test_what_is_shrunk_comes_back(algorithm: str) -> None:
    small = shrink(TEXT)
    assert len(small) < 0.8 * len(TEXT)
    assert inflate(small) == TEXT
    assert CODEC.decode(small) == CODEC.decode(TEXT)


def test_small_and_random_data_is_not_compressed(algorithm: str) -> None:
    noise = random.Random(1).randbytes(50_000)
    for data in (b"x" * 16 * 1024, noise, shrink(TEXT), b""):
        assert shrink(data) is data
    assert inflate(TEXT) is TEXT


def test_a_big_result_has_the_name_and_reference_of_its_raw_bytes(algorithm: str) -> None:
    value, blob = pack_result("a", TEXT, inline_bytes=1)
    assert blob is not None
    assert len(blob.data) < len(TEXT)
    assert blob.digest == digest_of(TEXT)
    assert reference_of(value) == BlobRef(digest_of(TEXT), len(TEXT))


def test_damaged_data_is_a_decode_error(algorithm: str) -> None:
    small = shrink(TEXT)
    wrong_size = small[:7] + (len(TEXT) - 1).to_bytes(4, "big") + small[11:]
    for damaged in (small[:-1], small + b"x", small[:40] + b"xxxx" + small[44:], wrong_size):
        with pytest.raises(DecodeError):
            inflate(damaged)


@pytest.mark.parametrize(("number", "package"), [(2, "lz4"), (3, "zstandard")])
def test_a_reader_without_the_package_learns_its_name(
    number: int, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer(monkeypatch)
    data = whole_ext(Code.COMPRESSED, bytes((number, 0, 0, 0, 1)) + b"x")
    with pytest.raises(DecodeError, match=f"install {package} here too"):
        inflate(data)
    compression._module.cache_clear()


def test_unknown_algorithms_and_cut_headers_are_decode_errors() -> None:
    with pytest.raises(DecodeError, match="unknown algorithm 9"):
        inflate(whole_ext(Code.COMPRESSED, bytes((9, 0, 0, 0, 1)) + b"x"))
    with pytest.raises(DecodeError, match="cut short"):
        inflate(whole_ext(Code.COMPRESSED, b"\x01\x00"))


def test_data_after_the_compressed_stream_is_refused() -> None:
    payload = b"\x01" + (3).to_bytes(4, "big") + zlib.compress(b"abc") + b"more"
    with pytest.raises(DecodeError, match="longer than it claims"):
        inflate(whole_ext(Code.COMPRESSED, payload))
