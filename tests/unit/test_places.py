"""Where the server is: the steps of the search, without a connection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import pytest
import redis.exceptions as driver

from astrum.errors import StoreConfigurationError, StoreUnavailableError
from astrum.redis.address import Address, read_address
from astrum.redis.places import Places

PLAIN = read_address("redis://bob:pw@a:1/0")
WATCHED = read_address("redis+sentinel://bob:pw@s:1,s:2,s:3/main?sentinel_password=watch")
REFUSED = ConnectionRefusedError("refused")
NOT_IN_CLUSTER = b"cluster_enabled:0"
OWNER: list[Any] = [None, b"# Cluster\r\ncluster_enabled:1\r\n"]
MASTER, REPLICA = [b"role:master\r\n"], [b"role:slave\r\n"]
SLOTS = [[0, 16383, [b"b", 2, b"id", []], [None, 1, b"id"], [b"?", 3, b"id"]]]


class World:
    """The answers of all nodes, by address and first word; those that are missing are down."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        self.answers = dict(answers)
        self.places = Places()
        self.visits: list[str] = []
        self.passwords: dict[str, str] = {}

    def find(self, address: Address, shown: str = "URL") -> str:
        """Search, and return the address of the last visit."""
        search, there = self.places.search(address, "key", shown), ""
        answer: Any = None
        self.visits = []
        while True:
            try:
                visit = search.send(answer)
            except StopIteration:
                return there
            there = str(visit.address)
            self.visits.append(there)
            self.passwords[there] = visit.address.password
            words = " ".join(map(str, visit.commands[0][:2]))
            answer = self.answers.get(f"{there} {words}", self.answers.get(there, REFUSED))


def moved(to: str) -> list[Any]:
    return [driver.ResponseError(f"MOVED 7591 {to}"), b"cluster_enabled:1"]


def named(host: str, port: int) -> list[Any]:
    return [[host.encode(), b"%d" % port]]


def test_a_plain_server_is_found_by_one_visit() -> None:
    world = World({"a:1": [None, NOT_IN_CLUSTER]})
    assert world.find(PLAIN) == "a:1"
    assert world.visits == ["a:1"]


def test_a_server_that_is_down_is_the_error_itself() -> None:
    with pytest.raises(ConnectionRefusedError):
        World({}).find(PLAIN)


@pytest.mark.parametrize("announced", ["b:2", "::1:2", "host.name:2"])
def test_the_owner_of_the_keys_is_found_from_any_node_with_the_same_login(announced: str) -> None:
    owner = "[::1]:2" if announced.startswith(":") else announced
    world = World({"a:1": moved(announced), owner: OWNER, f"{owner} CLUSTER SLOTS": [SLOTS]})
    assert world.find(PLAIN) == owner
    assert world.passwords == {"a:1": "pw", owner: "pw"}


@pytest.mark.parametrize("announced", [":2", "?:2"])
def test_an_owner_without_a_host_is_at_the_host_that_was_asked(announced: str) -> None:
    world = World({"a:1": moved(announced), "a:2": OWNER, "a:2 CLUSTER SLOTS": [SLOTS]})
    assert world.find(PLAIN) == "a:2"


def test_a_promoted_replica_is_found_when_owner_and_first_node_are_gone() -> None:
    world = World({"a:1": moved("b:2"), "b:2": OWNER, "b:2 CLUSTER SLOTS": [SLOTS]})
    assert world.find(PLAIN) == "b:2"
    world.answers = {"b:3": OWNER, "b:3 CLUSTER SLOTS": [SLOTS]}
    assert world.find(PLAIN) == "b:3"


def test_nodes_that_name_each_other_end_the_search() -> None:
    world = World({"a:1": moved("b:2"), "b:2": moved("a:1")})
    with pytest.raises(driver.ResponseError, match="MOVED"):
        world.find(PLAIN)


def test_a_slot_without_an_owner_is_an_error_of_the_cluster_only_before_it_had_one() -> None:
    down = [driver.ResponseError("CLUSTERDOWN Hash slot not served"), b"cluster_enabled:1"]
    world = World({"a:1": down})
    with pytest.raises(StoreConfigurationError, match="assign all slots"):
        world.find(PLAIN)
    world.answers = {"a:1": OWNER, "a:1 CLUSTER SLOTS": [SLOTS]}
    world.find(PLAIN)
    world.answers = {"a:1": down}
    with pytest.raises(driver.ResponseError, match="CLUSTERDOWN"):
        world.find(PLAIN)


def test_rules_that_forbid_to_list_the_nodes_leave_the_owner_known() -> None:
    forbidden = [driver.ResponseError("NOPERM no permissions")]
    world = World({"a:1": moved("b:2"), "b:2": OWNER, "b:2 CLUSTER SLOTS": forbidden})
    assert world.find(PLAIN) == "b:2"


def test_the_master_is_asked_of_every_sentinel_until_one_answers() -> None:
    world = World({"s:3": named("m", 9), "m:9": MASTER})
    assert world.find(WATCHED) == "m:9"
    assert world.visits == ["s:1", "s:2", "s:3", "m:9"]
    assert world.passwords == {"s:1": "watch", "s:2": "watch", "s:3": "watch", "m:9": "pw"}
    world.find(WATCHED)
    assert world.visits == ["s:3", "m:9"]  # those that failed come last


def test_a_search_that_is_given_up_begins_elsewhere_the_next_time() -> None:
    world = World({"s:1": named("m", 9), "s:2": named("m", 9), "m:9": MASTER})
    search = world.places.search(WATCHED, "key", "URL")
    assert str(next(search).address) == "s:1"  # and it does not answer in time
    search.close()
    world.find(WATCHED)
    assert world.visits == ["s:2", "m:9"]


def test_a_sentinel_that_names_a_replica_is_not_believed() -> None:
    world = World({"s:1": named("old", 8), "old:8": REPLICA, "s:2": named("m", 9), "m:9": MASTER})
    assert world.find(WATCHED) == "m:9"
    world.answers["m:9"] = REPLICA
    with pytest.raises(driver.ConnectionError, match="not a master yet"):
        world.find(WATCHED)


def test_a_dead_master_is_tried_once_in_a_search() -> None:
    world = World({f"s:{port}": named("m", 9) for port in (1, 2, 3)})
    with pytest.raises(ConnectionRefusedError):
        world.find(WATCHED)
    assert world.visits.count("m:9") == 1


def test_sentinels_that_do_not_speak_tls_are_silent() -> None:
    for shown, is_hinted in (("rediss+sentinel://s", True), ("redis+sentinel://s", False)):
        with pytest.raises(StoreUnavailableError) as caught:
            World({"s:1": TimeoutError()}).find(WATCHED, shown)
        assert ("is TLS spoken" in str(caught.value)) is is_hinted


def test_sentinels_that_are_all_down_are_named_as_such() -> None:
    with pytest.raises(StoreUnavailableError, match=r"no Sentinel answers.*s:1: refused"):
        World({}).find(WATCHED)


def test_a_master_that_no_sentinel_knows_is_named_with_the_nearest() -> None:
    answers: dict[str, Any] = {}
    for port in (1, 2, 3):
        answers[f"s:{port}"] = [None]
        answers[f"s:{port} SENTINEL masters"] = [[[b"name", b"mains", b"ip", b"m"]]]
    world = World(answers)
    advice = "do not know a master 'main'; did you mean 'mains'? (they know 'mains';"
    with pytest.raises(StoreConfigurationError, match=re.escape(advice)):
        world.find(WATCHED)
    del world.answers["s:1"]
    with pytest.raises(StoreUnavailableError, match="did you mean"):
        world.find(WATCHED)


@pytest.mark.parametrize(
    ("answer", "advice"),
    [
        (driver.AuthenticationError("WRONGPASS"), "sentinel_username=...&sentinel_password="),
        ([driver.ResponseError("NOAUTH Authentication required.")], "sentinel_password="),
        ([driver.ResponseError("ERR unknown command 'SENTINEL'")], "write its URL as redis://s:1"),
    ],
)
def test_a_sentinel_that_refuses_says_what_to_write(answer: Any, advice: str) -> None:
    with pytest.raises(StoreConfigurationError, match=re.escape(advice)):
        World({"s:1": answer}).find(WATCHED)


def test_what_is_found_is_logged_once_and_when_it_changes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "astrum")
    world = World({"s:1": named("m", 9), "m:9": MASTER})
    world.find(WATCHED)
    world.find(WATCHED)
    world.answers = {"s:2": named("n", 7), "n:7": MASTER}
    world.find(WATCHED)
    told = ["URL: the server is m:9", "URL: the server is n:7 now, and was m:9"]
    assert caplog.messages == told


def test_a_plain_server_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "astrum")
    World({"a:1": [None, NOT_IN_CLUSTER]}).find(PLAIN)
    assert caplog.messages == []
