"""The question before something is deleted."""

from __future__ import annotations

import io

import pytest

from astrum_coordinator.cli.confirmation import is_confirmed


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def answers(monkeypatch: pytest.MonkeyPatch, answer: str | type[BaseException]) -> None:
    def read(prompt: str) -> str:
        if isinstance(answer, str):
            return answer
        raise answer

    for name in ("stdin", "stderr"):
        monkeypatch.setattr(f"sys.{name}", Terminal())
    monkeypatch.setattr("click.termui.visible_prompt_func", read)


@pytest.mark.parametrize(("answer", "goes_on"), [("y", True), ("n", False), (EOFError, False)])
def test_only_a_yes_deletes(
    monkeypatch: pytest.MonkeyPatch, answer: str | type[BaseException], goes_on: bool
) -> None:
    answers(monkeypatch, answer)
    assert is_confirmed("Delete?", yes=False) is goes_on


def test_an_interrupt_is_an_interrupt(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        is_confirmed("Delete?", yes=False)
