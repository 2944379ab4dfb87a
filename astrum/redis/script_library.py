"""The Lua scripts as texts, and the commands that call them or make a server know them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import NamedTuple

Argument = str | int | float | bytes


@dataclass(frozen=True)
class Script:
    """One Lua script and the name under which the server caches it."""

    name: str
    source: str

    @property
    def sha(self) -> str:
        """The server's name for the script."""
        return hashlib.sha1(self.source.encode(), usedforsecurity=False).hexdigest()


class ScriptCall(NamedTuple):
    """A script with its keys and arguments, ready to send."""

    name: str
    keys: Sequence[str]
    arguments: Sequence[Argument]


class ScriptLibrary:
    """All scripts by name; tests replace sources to show that a safeguard is needed."""

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        texts = dict(read_sources(), **(sources or {}))
        self.scripts = {name: Script(name, text) for name, text in texts.items()}
        self._shas = {name: script.sha for name, script in self.scripts.items()}

    def command(self, call: ScriptCall) -> tuple[Argument, ...]:
        """Return the EVALSHA command of a call."""
        return (
            "EVALSHA",
            self._shas[call.name],
            len(call.keys),
            *call.keys,
            *call.arguments,
        )

    def load_command(self, name: str) -> tuple[Argument, ...]:
        """Return the command that makes the server know a script."""
        return ("SCRIPT", "LOAD", self.scripts[name].source)


def read_sources() -> dict[str, str]:
    """Return the text of every script, the shared beginning included."""
    folder = resources.files("astrum.redis") / "lua"
    texts = {
        item.name.removesuffix(".lua"): item.read_text("utf-8")
        for item in folder.iterdir()
        if item.name.endswith(".lua")
    }
    beginning = texts.pop("shared")
    return {name: beginning + text for name, text in texts.items()}
