"""The printed rules follow the scripts: whatever a script calls, its caller may call."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import astrum.redis
from astrum_coordinator.cli.acl import COMMANDS, rule

LUA = Path(astrum.redis.__file__).parent / "lua"
CALL = re.compile(r"redis\.p?call\('(\w+)'(?:, '(CREATE|DELCONSUMER)')?")
SCRIPTS = {
    "coordinator": "create dispatch drop fact finish lead now orphans put_blob settle",
    "worker": "beat claim drop group now put_blob register set_aside settle status",
}


def calls(script: str) -> set[str]:
    found = CALL.findall((LUA / f"{script}.lua").read_text())
    return {f"{name}|{sub}".lower() if sub else name.lower() for name, sub in found}


def allowed(role: str) -> set[str]:
    return {word[1:] for word in COMMANDS[role].split() if word.startswith("+")}


@pytest.mark.parametrize("role", SCRIPTS)
def test_every_command_of_every_script_is_allowed(role: str) -> None:
    for script in SCRIPTS[role].split():
        assert calls(script) <= allowed(role), script


def test_every_script_has_a_role() -> None:
    known = {name for names in SCRIPTS.values() for name in names.split()}
    assert {path.stem for path in LUA.glob("*.lua")} == known


def test_a_rule_reaches_no_key_or_channel_of_another_prefix() -> None:
    text = rule("worker", "mine", "{mine}:ctl")
    assert "resetkeys ~{mine}:* resetchannels &{mine}:ctl -@all" in text
    assert "allkeys" not in text
    assert "allchannels" not in text


@pytest.mark.parametrize("role", SCRIPTS)
def test_no_command_is_allowed_that_nothing_sends(role: str) -> None:
    sent = {"evalsha", "subscribe", "unsubscribe"}  # by the client library
    for script in SCRIPTS[role].split():
        sent |= calls(script)
    texts = "".join(path.read_text() for path in LUA.parent.glob("*.py"))
    unused = {
        name
        for name in allowed(role) - sent
        if not name.startswith("@") and f'"{name.split("|")[0].upper()}"' not in texts
    }
    assert unused == set()
