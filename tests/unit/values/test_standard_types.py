"""Types of the standard library and of pydantic's own that travel as their parts."""

from __future__ import annotations

import ipaddress
import re
from collections import deque
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import pydantic
import pytest
from pydantic import AnyUrl, BaseModel, ByteSize, HttpUrl, Json, NameEmail, PostgresDsn, SecretStr

from astrum.data_transport.task_failure import TaskFailure
from astrum.errors import DecodeError, EncodeError
from astrum.values import Codec
from astrum.values.codes import Code, whole_ext

CODEC = Codec()


def through(value: Any, *types: type) -> Any:
    codec = Codec(types)
    return codec.decode(codec.encode({"rows": (value,)}))["rows"][0]


VALUES = [
    Fraction(-1, 3),
    Fraction(2**200, 3),
    deque([1, (2,)], maxlen=3),
    deque(),
    re.compile("a+", re.IGNORECASE | re.MULTILINE),
    re.compile(b"a+"),
    ipaddress.ip_address("10.0.0.1"),
    ipaddress.ip_address("fe80::1%eth0"),
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("::/0"),
    ipaddress.ip_interface("10.0.0.1/8"),
    ipaddress.ip_interface("::1/64"),
    ZoneInfo("Europe/Berlin"),
    UTC,
    timezone(timedelta(hours=2), "odd"),
    timezone(timedelta(0), "UTC"),
    SecretStr("pw"),
    pydantic.Secret(3),
    pydantic.SecretBytes(b"pw"),
    HttpUrl("https://example.org/x?y=1#z"),
    AnyUrl("redis://user:pw@host:1/0"),
    PostgresDsn("postgres://u:p@a:1,b:2/db"),
    ByteSize(5),
    NameEmail(name="A B", email="a@b.org"),
    TaskFailure("parse[3]", "failed", "no number", ("builtins.ValueError", "builtins.Exception")),
    TaskFailure("parse[3]", "skipped"),
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_a_standard_value_comes_back_equal_and_of_its_type(value: Any) -> None:
    again = through(value)
    assert type(again) is type(value)
    assert again == value
    assert str(again) == str(value)
    assert repr(again) == repr(value)


def test_a_bounded_deque_stays_bounded() -> None:
    assert through(deque([1, 2], maxlen=2)).maxlen == 2
    assert through(deque([1, 2])).maxlen is None


def test_standard_values_are_keys_and_elements_too() -> None:
    value = {Fraction(1, 3): {ipaddress.ip_address("10.0.0.1")}}
    assert through(value) == value


class Settings(BaseModel):
    secret: SecretStr
    url: HttpUrl
    ip: ipaddress.IPv4Address
    path: Path
    uid: UUID
    pattern: re.Pattern[str]
    queue: deque[int]
    part: Fraction
    price: Decimal
    raw: Json[list[int]]
    at: datetime
    local: datetime


def test_a_model_of_pydantics_own_field_types_travels_and_keeps_its_secret() -> None:
    settings = Settings.model_validate(
        {
            "secret": "hush",
            "url": "https://example.org",
            "ip": "10.0.0.1",
            "path": "/x",
            "uid": "12345678123456781234567812345678",
            "pattern": "a+",
            "queue": [1],
            "part": "1/3",
            "price": "1.50",
            "raw": "[1]",
            "at": "2024-01-01T00:00:00Z",
            "local": "2024-01-01T00:00:00+01:00",
        }
    )
    again = through(settings, Settings)
    assert again == settings
    assert repr(again) == repr(settings)
    assert again.secret.get_secret_value() == "hush"
    for name in Settings.model_fields:
        assert type(getattr(again, name)) is type(getattr(settings, name))
    assert type(again.local.tzinfo) is type(settings.local.tzinfo)
    assert "hush" not in repr(Codec.opaque().decode(Codec([Settings]).encode(settings)))


@pytest.mark.parametrize(
    "parts",
    [
        ["os.system", "true"],
        ["Fraction", "1e999999999"],
        ["Fraction", 1, 0],
        ["deque", "text"],
        ["Pattern", "(", 0],
        ["IPv4Address", 7],
        ["ZoneInfo", "../../etc/passwd"],
        ["HttpUrl", "no url"],
        [["Fraction"], 1],
        "Fraction",
    ],
)
def test_hostile_parts_are_decode_errors(parts: Any) -> None:
    with pytest.raises(DecodeError):
        CODEC.decode(whole_ext(Code.STANDARD, CODEC.encode(parts)))


@attrs.define
class Pointed:
    x: int


class MyFraction(Fraction):
    pass


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        (Pointed(1), "attrs.asdict(...)"),
        (MyFraction(1), "convert it to a plain Fraction"),
        (MappingProxyType({"a": 1}), "dict(...)"),
        (SimpleNamespace(a=1), "vars(...)"),
        (slice(1, 2), "start, stop and step"),
        (..., "None"),
        (re.finditer("a", "a"), "list(...)"),
        (re.match("a", "a"), "convert it to plain data"),
    ],
    ids=lambda item: type(item).__name__,
)
def test_the_advice_fits_the_kind(value: Any, advice: str) -> None:
    with pytest.raises(EncodeError) as caught:
        CODEC.encode(value)
    assert advice in caught.value.advice
    assert "make" not in caught.value.advice.split(",")[0]


def test_a_class_made_inside_a_function_is_refused_with_advice_that_can_be_followed() -> None:
    class Local(BaseModel):
        x: int

    with pytest.raises(EncodeError, match="top level of its module"):
        CODEC.encode(Local(x=1))


def test_a_failure_is_the_same_bytes_whether_a_task_declares_its_type_or_not() -> None:
    failure = TaskFailure("parse", "blocked", "load failed", ("builtins.OSError",))
    data = Codec([TaskFailure]).encode(failure)
    assert data == CODEC.encode(failure)
    assert Codec.opaque().decode(data) == failure
