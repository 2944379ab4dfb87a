"""One page of the guide as a program: its code blocks, in order, run as a reader would run them.

A page is Markdown. These blocks count, everything else is prose:

``python`` that begins with ``# name.py``
    is saved under that name in the page's folder. So are ``toml``, ``ini``, ``json`` and ``yaml``.
``python``
    runs as a program of its own in that folder; ``await`` is allowed at the top level.
``console``
    runs in bash: each line behind ``$ `` is a command, the other lines are its expected output.
    A command that fails ends the test, unless a line of the block asks for ``$?``.
``text`` behind a python block
    is what the program prints.

In expected output ``...`` stands for any characters. Lines that are not shown are not compared.
A block that cannot run in a test (``host-a$`` as the prompt, or ``yaml`` without a name) is prose.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SERVER = "redis://localhost:6379/0"
"""What the pages call the server; tests put the address of a private one in its place."""

_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_NAME = re.compile(r"# ([\w/.-]+\.(?:py|toml|ini|json|yaml))\n")
_RUNNER = Path(__file__).with_name("run_block.py")
_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Block:
    """One code block: its language, its text, and the line of the page at which it begins."""

    language: str
    text: str
    line: int

    @property
    def file_name(self) -> str:
        """The name under which the block is saved, "" if it is not a file."""
        named = _NAME.match(self.text)
        return named.group(1) if named else ""


def blocks(markdown: str) -> Iterator[Block]:
    """Return the code blocks of a page in order."""
    for match in _FENCE.finditer(markdown):
        yield Block(match.group(1), match.group(2), markdown[: match.start()].count("\n") + 1)


class Page:
    """Runs the blocks of one page in one folder; `close` ends what they left running."""

    def __init__(self, path: Path, folder: Path, server_url: str) -> None:
        self._path = path
        self._folder = folder
        self._server_url = server_url
        self._printed: str | None = None
        self._groups: list[int] = []

    def run(self) -> None:
        """Run all blocks; raises ``AssertionError`` with the place in the page."""
        for block in blocks(self._path.read_text(encoding="utf-8")):
            try:
                self._run(block)
            except AssertionError as error:
                raise AssertionError(f"{self._path.name}, line {block.line}: {error}") from None

    def close(self) -> None:
        """End all processes that the page started in the background."""
        for group in self._groups:
            for kind in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(group, kind)
                except ProcessLookupError:
                    break
                _wait_for_group(group)

    def _run(self, block: Block) -> None:
        text = block.text.replace(SERVER, self._server_url)
        if block.file_name:
            self._save(block.file_name, text)
        elif block.language == "python":
            self._printed = self._program(text)
        elif block.language == "console":
            self._console(text)
        elif block.language == "text" and self._printed is not None:
            check_output(text, self._printed)
            self._printed = None

    def _save(self, name: str, text: str) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def _program(self, text: str) -> str:
        self._save("block.py", text)
        return self._call([sys.executable, str(_RUNNER), "block.py"])

    def _console(self, text: str) -> None:
        lines = text.splitlines()
        commands = [line[2:] for line in lines if line.startswith("$ ")]
        if not commands:
            return
        stops = "" if any("$?" in command for command in commands) else "set -e\n"
        printed = self._call(["bash", "-c", stops + "\n".join(commands)])
        check_output("\n".join(line for line in lines if not line.startswith("$ ")), printed)

    def _call(self, command: list[str]) -> str:
        output = self._folder / "output"
        output.write_bytes(b"")
        # What earlier blocks left running still writes here: what is appended overwrites nothing.
        with output.open("ab") as sink:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._groups.append(process.pid)
        code = process.wait(_TIMEOUT_S)
        printed = output.read_text(encoding="utf-8", errors="replace")
        assert code == 0, f"exit code {code}\n{printed}"
        return printed

    def _environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ASTRUM_")}
        programs = str(Path(sys.executable).parent)
        return {**kept, "PATH": f"{programs}:{kept['PATH']}", "HOME": str(self._folder)}


def check_output(expected: str, printed: str) -> None:
    """Raise ``AssertionError`` unless the output has the expected lines in their order."""
    rest = iter(printed.splitlines())
    for line in filter(None, (each.strip() for each in expected.splitlines())):
        pattern = ".*".join(re.escape(part) for part in line.split("..."))
        found = any(re.fullmatch(pattern, each.strip()) for each in rest)
        assert found, f"expected the line {line!r} in this output:\n{printed}"


def _wait_for_group(group: int) -> None:
    for _ in range(100):
        try:
            os.killpg(group, 0)
            os.waitpid(-group, os.WNOHANG)
        except (ProcessLookupError, ChildProcessError):
            return
        signal.sigtimedwait([signal.SIGCHLD], 0.05)
