"""The printed rules: for one prefix only, and nothing dangerous.

That they suffice, and that nothing in them is spare, is shown against servers in
`tests.contract.test_access`.
"""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from astrum.protocol.keys import Keys
from astrum_coordinator.cli import main
from astrum_coordinator.cli.acl import KEYLESS, ROLES, grants, rule

KEYS = Keys("mine")


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("role", ROLES)
def test_a_rule_reaches_no_key_or_channel_of_another_prefix(role: str, plain: bool) -> None:
    words = rule(role, KEYS, grants(role, KEYS), plain=plain).replace(")", " ").split()
    reached = [word for word in words if word.startswith(("~", "&"))]
    assert reached
    assert all(word[1:].startswith("{mine}:") for word in reached)
    assert not {"allkeys", "allchannels", "allcommands", "+@all"}.intersection(words)


@pytest.mark.parametrize("role", ROLES)
def test_no_rule_allows_scripts_of_the_callers_own_or_the_servers_administration(role: str) -> None:
    given = {command for grant in grants(role, KEYS) for command in grant.commands}
    given |= set(KEYLESS[role])
    assert not given & {"eval", "script", "config", "acl", "keys", "flushall", "client", "scan"}


def test_workers_reach_neither_plans_nor_the_records_of_runs() -> None:
    patterns = {pattern for grant in grants("worker", KEYS) for pattern in grant.patterns}
    assert not patterns & {KEYS.plan("*"), KEYS.run("*"), KEYS.runs, KEYS.history}


@pytest.mark.parametrize("options", [[], ["--plain"]])
def test_the_command_prints_one_line_per_role(options: list[str]) -> None:
    printed = CliRunner().invoke(main, ["acl", "--prefix", "mine", *options]).output
    lines = printed.splitlines()
    assert [line.split()[2] for line in lines] == [f"astrum-{role}" for role in ROLES]
    assert all(("(" in line) != bool(options) for line in lines)
