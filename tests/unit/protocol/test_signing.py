"""A signature holds for one purpose, one run and one string, under any key of the reader."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrum.protocol.signing import SIGNATURE_BYTES, Purpose, Signer

OLD, NEW = b"o" * 16, b"n" * 32


@given(
    st.sampled_from(["plan", "task", "record", "hint"]), st.text(max_size=9), st.binary(max_size=30)
)
def test_signed_data_is_verified(purpose: Purpose, run_id: str, data: bytes) -> None:
    signature = Signer([NEW]).sign(purpose, run_id, data)
    assert len(signature) == SIGNATURE_BYTES
    assert Signer([NEW]).verify(purpose, run_id, data, signature)


def test_keys_can_be_rotated() -> None:
    signature = Signer([OLD]).sign("task", "r", b"d")
    assert Signer([NEW, OLD]).verify("task", "r", b"d", signature)
    assert not Signer([NEW]).verify("task", "r", b"d", signature)
    assert Signer([NEW]).verify("task", "r", b"d", Signer([NEW, OLD]).sign("task", "r", b"d"))


@pytest.mark.parametrize(
    ("purpose", "run_id", "data"),
    [
        ("record", "run", b"data"),
        ("task", "rum", b"data"),
        ("task", "run", b"dat"),
        ("task", "rund", b"ata"),
        ("task", "ru", b"ndata"),
        ("task", "", b"rundata"),
    ],
)
def test_a_signature_holds_for_nothing_else(purpose: Purpose, run_id: str, data: bytes) -> None:
    signer = Signer([NEW])
    assert not signer.verify(purpose, run_id, data, signer.sign("task", "run", b"data"))


@pytest.mark.parametrize("signature", [b"", b"x", b"\x00" * 32, b"\xff" * 33])
def test_a_false_signature_is_refused(signature: bytes) -> None:
    assert not Signer([NEW]).verify("task", "run", b"data", signature)


def test_missing_and_short_keys_and_unknown_purposes_are_value_errors() -> None:
    wrong: Any = "other"
    with pytest.raises(ValueError, match="at least one key"):
        Signer([])
    with pytest.raises(ValueError, match="at least 16 bytes"):
        Signer([NEW, b"short"])
    with pytest.raises(
        ValueError, match="'other' is not one of plan, header, flow, task, record, hint"
    ):
        Signer([NEW]).sign(wrong, "r", b"d")


def test_keys_do_not_show_in_the_repr() -> None:
    assert repr(Signer([OLD, NEW])) == "Signer(<2 keys>)"
