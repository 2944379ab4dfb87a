"""Server settings: read from the environment, and never shown with the password."""

from __future__ import annotations

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from astrum.errors import StoreConfigurationError
from astrum.redis import RedisSettings, ServerLossDetector, translate
from astrum.redis.settings import mask_url
from astrum.redis.translation import is_about_keys


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host:1/0", "redis://host:1/0"),
        ("redis://:secret@host", "redis://:***@host"),
        ("rediss://user:se/cr@et@host/1", "rediss://user:***@host/1"),
        ("unix:///run/s?password=secret&db=1", "unix:///run/s?password=***&db=1"),
        ("unix://user:secret@/run/s", "unix://user:***@/run/s"),
        ("redis://:a://secret@host", "redis://:***@host"),
        ("user:secret@host", "user:***@host"),
        ("unix:///run/s?password=secret@9", "unix:///run/s?password=***"),
        ("redis://host:1/0?pass=secret&db=2", "redis://host:1/0?pass=***&db=2"),
        ("redis://host:1/0?secret", "redis://host:1/0?***"),
        ("redis://host:1/0#secret", "redis://host:1/0#***"),
        ("redis://secret@host", "redis://***@host"),
        ("redis+sentinel://a:1,b:2/main/0", "redis+sentinel://a:1,b:2/main/0"),
        ("redis+sentinel://bob:secret@a,b/main", "redis+sentinel://bob:***@a,b/main"),
        (
            "redis+sentinel://a/main?sentinel_username=eve&sentinel_password=secret",
            "redis+sentinel://a/main?sentinel_username=eve&sentinel_password=***",
        ),
    ],
)
def test_a_shown_url_has_no_password(url: str, shown: str) -> None:
    assert mask_url(url) == shown
    if "://" not in url:
        return
    settings = RedisSettings(url=url)
    assert "secret" not in repr(settings)
    for password in settings.passwords:
        assert password not in str(translate(ConnectionError(f"at {password}"), settings))


@pytest.mark.parametrize("url", ["localhost:6379", "http://host", "redis:/host", ""])
def test_a_value_that_is_not_a_url_is_refused(url: str) -> None:
    with pytest.raises(StoreConfigurationError, match="redis://"):
        RedisSettings(url=url)


@pytest.mark.parametrize("database", ["abc", "0/1", "-1", "1.5"])
def test_a_path_that_is_not_a_database_number_is_refused(database: str) -> None:
    with pytest.raises(StoreConfigurationError, match=f"'{database}' is not a database number"):
        RedisSettings(url=f"redis://:secret@host:6379/{database}?protocol=2")


@pytest.mark.parametrize("path", ["", "/", "/0", "/15", "/3?protocol=2", "/3/"])
def test_a_database_number_need_not_be_there(path: str) -> None:
    assert RedisSettings(url=f"rediss://host:6379{path}").url.endswith(path)


def test_the_path_of_a_socket_is_not_a_database_number() -> None:
    assert RedisSettings(url="unix:///run/redis/s?db=1").url


def test_a_prefix_that_breaks_keys_is_refused() -> None:
    with pytest.raises(StoreConfigurationError, match="prefix"):
        RedisSettings(prefix="a{b}")


def test_the_environment_is_the_default_and_arguments_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASTRUM_REDIS_URL", "redis://there")
    monkeypatch.setenv("ASTRUM_PREFIX", "mine")
    monkeypatch.setenv("ASTRUM_SIGNING_KEY", "new-0123456789abcdef, old-0123456789abcdef")
    settings = RedisSettings.from_env()
    assert (settings.url, settings.prefix) == ("redis://there", "mine")
    assert settings.signing_keys == (b"new-0123456789abcdef", b"old-0123456789abcdef")
    assert RedisSettings.from_env("redis://here").url == "redis://here"


def test_another_server_is_suspected_of_a_loss_once() -> None:
    watch = ServerLossDetector()
    assert not watch.connected_to(b"run_id:a\r\nmaster_replid:x\r\n")
    assert not watch.connected_to(b"run_id:a\r\nmaster_replid:x\r\n")
    assert not watch.acknowledge()
    assert watch.connected_to(b"run_id:b\r\nmaster_replid:x\r\n")
    assert watch.acknowledge()
    assert not watch.acknowledge()


def test_a_suspicion_raised_while_an_earlier_one_is_handled_stays() -> None:
    watch = ServerLossDetector()
    watch.suspect()
    count = watch.count
    watch.suspect()
    assert watch.acknowledge(count)
    assert watch.suspected
    assert watch.acknowledge(watch.count)
    assert not watch.suspected


def test_only_an_error_about_keys_may_replace_a_reply() -> None:
    for text in ("ERR no such key", "NOGROUP No such key", "WRONGTYPE Operation against a key"):
        assert is_about_keys(ResponseError(text))
    for text in ("LOADING Redis is loading", "MASTERDOWN Client with MASTER is down", "NOPERM no"):
        assert not is_about_keys(ResponseError(text))
    assert not is_about_keys(RedisConnectionError("ERR gone"))
