"""The inputs of a run as they stand on a command line and in a JSON file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from astrum.errors import InjectionError, RunInputError, TransportError
from astrum.execution.input_values import exact_json, value_from_json, value_from_text
from astrum.execution.invoke import Flow
from astrum.execution.run_inputs import Collected, collect, wanted_by

_FROM_FILE = "@"


def inputs_from_text(
    flow: Flow, texts: Mapping[str, str], values: Mapping[str, Any] | None = None
) -> Collected:
    """Return the inputs of a run of ``flow``, and all that is wrong with them.

    ``texts`` are converted by the declared types; a string that begins with ``@`` names the file
    whose content counts, and ``@@`` stands for one ``@``. ``values`` come from JSON; of a name in
    both the text counts.
    """
    of_json = values or {}

    def convert(name: str) -> Any:
        kind = flow.inputs[name].type
        if name in texts:
            return _from_argument(texts[name], kind)
        return value_from_json(of_json[name], kind)

    return collect(wanted_by(flow), [*texts, *(n for n in of_json if n not in texts)], convert)


def read_json_inputs(path: Path) -> dict[str, Any]:
    """Return the inputs in a file that holds a JSON object; raises `RunInputError`."""
    try:
        found = exact_json(_content(path))
    except TransportError as error:
        raise RunInputError([str(error)]) from None
    except ValueError as error:
        raise RunInputError([f"the file {str(path)!r} is not JSON: {error}"]) from None
    if not isinstance(found, dict):
        raise RunInputError(
            [f"the file {str(path)!r} holds a {type(found).__name__}, not a JSON object of inputs"]
        )
    return found


def _from_argument(text: str, kind: Any) -> Any:
    if not text.startswith(_FROM_FILE):
        return value_from_text(text, kind)
    rest = text.removeprefix(_FROM_FILE)
    if rest.startswith(_FROM_FILE):
        return value_from_text(rest, kind)
    content = _content(Path(rest))
    if kind is bytes:
        return content
    try:
        return value_from_text(content.decode(), kind)
    except UnicodeDecodeError:
        raise TransportError(f"the file {rest!r} is not text in UTF-8") from None
    except InjectionError as error:
        raise InjectionError(f"{error} (from the file {rest!r})") from None


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TransportError(f"the file {str(path)!r} cannot be read: {error.strerror}") from None
