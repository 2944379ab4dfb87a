"""Server URLs are read completely or refused, and no part of a password is shown."""

from __future__ import annotations

import pytest

from astrum.errors import StoreConfigurationError
from astrum.redis import RedisSettings
from astrum.redis.address import Address, Node, read_address

TCP = Address("", "localhost", 6379, "", "", 0)
ODD = TCP._replace(host="h", password="p@s:w#r/d?%41+ x")
SOCKET = Address("/run/s", "", 0, "", "", 0)
WATCHED = Address("", "", 0, "", "", 0, (Node("a", 1), Node("b", 26379)), "main")
V6 = (Node("::1", 7),)
WATCHED_URL = "redis+sentinel://a:1,b/main"


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", TCP),
        ("redis://host:1/5", TCP._replace(host="host", port=1, database=5)),
        ("rediss://host?db=5", TCP._replace(host="host", database=5)),
        ("redis://host/5?db=5&protocol=2", TCP._replace(host="host", database=5)),
        ("redis://[::1]:7/2", TCP._replace(host="::1", port=7, database=2)),
        ("redis://[::1]", TCP._replace(host="::1")),
        ("redis://:p%40s%3Aw%23r%2Fd%3F%2541%2B%20x@h", ODD),
        ("redis://bob:p@ss@h", TCP._replace(host="h", username="bob", password="p@ss")),
        ("redis://h?username=bob&password=s", TCP._replace(host="h", username="bob", password="s")),
        ("unix:///run/s", SOCKET),
        ("unix:///run/s?db=15", SOCKET._replace(database=15)),
        ("unix://bob:s@/run/s", SOCKET._replace(username="bob", password="s")),
        ("unix:///a%20b/s", SOCKET._replace(path="/a b/s")),
        (WATCHED_URL, WATCHED),
        (f"{WATCHED_URL}/5", WATCHED._replace(database=5)),
        (f"{WATCHED_URL}?db=5", WATCHED._replace(database=5)),
        ("redis+sentinel://[::1]:7/a%2Fb", WATCHED._replace(sentinels=V6, master="a/b")),
        ("rediss+sentinel://bob:s@a:1,b/main", WATCHED._replace(username="bob", password="s")),
        (
            f"{WATCHED_URL}?sentinel_username=eve&sentinel_password=t",
            WATCHED._replace(sentinel_username="eve", sentinel_password="t"),
        ),
    ],
)
def test_every_part_of_a_url_is_taken(url: str, address: Address) -> None:
    assert read_address(url) == address


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("redis://host?database=5", "no option 'database'"),
        ("unix:///run/s?virtual_host=5", "no option 'virtual_host'"),
        ("redis://host?DB=5", "no option 'DB'"),
        ("redis://host?db=5&db=6", "given twice"),
        ("redis://host/1?db=2", "given twice"),
        ("redis://host?db=", "a number"),
        ("redis://host?db=x", "a number"),
        ("redis://host?db=-1", "a number"),
        ("redis://host?protocol=3", "must be 2"),
        ("redis://host:0", "from 1 to 65535"),
        ("redis://host:70000", "from 1 to 65535"),
        ("redis://[::1", "brackets"),
        ("unix://run/s", "whole path"),
        ("unix://bob:SuperSecret@run/s", "whole path"),
        ("redis://:SuperSecret#9@host:1/0", "percent-encoded"),
        ("redis://:SuperSecret/9@host:1/0", "percent-encoded"),
        ("redis://:SuperSecret?9@host:1/0", "percent-encoded"),
        ("redis://:SuperSecret?a=SuperSecret@host:1/0", "percent-encoded"),
        ("unix://:Super/Secret@/run/s", "percent-encoded"),
        ("redis://:SuperSecret", "percent-encoded"),
        ("redis://bob:SuperSecret/0", "percent-encoded"),
        ("redis://bob:SuperSecret@host/0?password=another", "differently"),
    ],
)
def test_invalid_parts_of_a_url_are_refused_without_being_shown(url: str, why: str) -> None:
    settings = RedisSettings(url=url)
    with pytest.raises(StoreConfigurationError, match=why) as caught:
        _ = settings.address
    assert "Secret" not in str(caught.value)
    assert settings.database == 0


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("sentinel://:SuperSecret@host:26379/main", "has the form redis[+]sentinel://HOST"),
        ("redis-sentinel://:SuperSecret@host", "has the form redis[+]sentinel://HOST"),
        ("redis+sentinel://:SuperSecret@host:26379", "the name of the master"),
        ("redis+sentinel://:SuperSecret@host/", "the name of the master"),
        ("redis+sentinel://host:SuperSecret/main", "percent-encoded"),
        ("redis+sentinel://a:1,host:SuperSecret/main", "percent-encoded"),
        ("redis+sentinel://:SuperSecret@a:0,b/main", "from 1 to 65535"),
        ("redis+sentinel://:SuperSecret@a/main/x", "a number"),
        ("redis+sentinel://:SuperSecret@a,,b/main", "between the commas is missing"),
        ("redis+sentinel://:SuperSecret@a,b,/main", "between the commas is missing"),
        ("redis+sentinel://:SuperSecret@a, b/main", "no spaces"),
        ("redis+sentinel://a/main?sentinel=SuperSecret", "sentinel_username and sentinel_password"),
        ("redis+sentinel://a/main?sentinel_password=Super@Secret", "percent-encoded"),
        ("redis://a/0?sentinel_password=SuperSecret", "no option 'sentinel_password'"),
    ],
)
def test_a_wrong_url_of_sentinels_is_refused_without_being_shown(url: str, why: str) -> None:
    with pytest.raises(StoreConfigurationError, match=why) as caught:
        _ = RedisSettings(url=url).address
    assert "Secret" not in str(caught.value)


def test_an_authority_to_trust_needs_a_url_with_tls() -> None:
    with pytest.raises(StoreConfigurationError, match=r"write rediss[+]sentinel://"):
        RedisSettings(url=WATCHED_URL, tls_ca_file="ca.pem")


@pytest.mark.parametrize("prefix", ["", *(f"a{c}b" for c in "{}*?[]\\() \t\n\x00\x7f\ud800")])
def test_a_prefix_that_could_reach_another_s_keys_is_refused(prefix: str) -> None:
    with pytest.raises(StoreConfigurationError, match="prefix"):
        RedisSettings(prefix=prefix)
