"""The options that give a run its inputs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from astrum.runtime.cli.options import option

if TYPE_CHECKING:
    from astrum.execution.invoke import Flow
    from astrum.execution.run_inputs import CheckedInputs, Collected

Command = TypeVar("Command", bound=Callable[..., Any])


class InputArguments(NamedTuple):
    """The inputs on a command line: texts by name, and the JSON file with others."""

    texts: Mapping[str, str] = {}
    file: Path | None = None


def _texts(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, str]:
    texts: dict[str, str] = {}
    for pair in pairs:
        name, is_pair, text = pair.partition("=")
        if not is_pair or not name:
            raise click.BadParameter(f"{pair!r} is not of the form NAME=VALUE")
        if name in texts:
            raise click.BadParameter(f"the input {name!r} is given twice")
        texts[name] = text
    return texts


_INPUT = option(
    "--input",
    "input_texts",
    multiple=True,
    metavar="NAME=VALUE",
    callback=_texts,
    help="An input of the run: a string as it is, anything else as JSON or as pydantic reads it. "
    "@FILE takes the content of a file, @@ stands for one @. Repeatable.",
)
_INPUTS = option(
    "--inputs",
    "inputs_file",
    type=click.Path(path_type=Path),
    metavar="FILE.json",
    help="A JSON object with inputs; those that --input names as well are not taken from it.",
)


def inputs_options(command: Command) -> Command:
    """Declare the options of inputs; the command gets them as ``given``, an `InputArguments`."""

    @wraps(command)
    def with_inputs(
        *args: Any, input_texts: dict[str, str], inputs_file: Path | None, **rest: Any
    ) -> Any:
        return command(*args, given=InputArguments(input_texts, inputs_file), **rest)

    return _INPUT(_INPUTS(with_inputs))  # type: ignore[return-value]


def read_inputs(flow: Flow, given: InputArguments) -> Collected:
    """Return the inputs on a command line, and all that is wrong with them."""
    from astrum.execution.input_texts import inputs_from_text, read_json_inputs

    values = {} if given.file is None else read_json_inputs(given.file)
    return inputs_from_text(flow, given.texts, values)


def checked_in_part(flow: Flow, given: InputArguments) -> CheckedInputs:
    """Return the inputs on a command line alone; raises `RunInputError` for wrong ones.

    Those that are missing may come from an earlier run.
    """
    from astrum.errors import RunInputError
    from astrum.execution.run_inputs import CheckedInputs

    found = read_inputs(flow, given)
    mistakes = without_missing(flow, found, flow.inputs).mistakes
    if mistakes:
        raise RunInputError(mistakes)
    return CheckedInputs(found.values)


def without_missing(flow: Flow, found: Collected, known: Iterable[str]) -> Collected:
    """Return inputs without the mistakes that those in ``known`` are missing."""
    from astrum.execution.run_inputs import missing_inputs

    missing = missing_inputs(flow, flow.inputs.keys() - set(known))
    mistakes = [mistake for mistake in found.mistakes if mistake not in missing]
    return found._replace(mistakes=mistakes)


def checked(flow: Flow, given: InputArguments) -> CheckedInputs:
    """Return all inputs of a run; raises `RunInputError` with all mistakes."""
    from astrum.execution.run_inputs import complete

    return complete(flow, read_inputs(flow, given))
