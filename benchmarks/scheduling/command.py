"""The command ``python -m benchmarks.scheduling``: an old and a new checkout in turn."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.case import Setting
from benchmarks.command import RESULTS, split_names
from benchmarks.record import as_json, write
from benchmarks.rounds import measure
from benchmarks.scheduling.cases import NEW, OLD, cases
from benchmarks.scheduling.checkout import Checkout
from benchmarks.scheduling.table import render

PYTHON = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--old", type=PYTHON, help="The interpreter of the checkout to compare with.")
@click.option("--new", type=PYTHON, help="The interpreter of the checkout that is judged.")
@click.option("--only", callback=split_names, metavar="A,B", help="Cases; --list names them.")
@click.option("--rounds", type=click.IntRange(min=1), default=3, show_default=True)
@click.option("--timeout", "timeout_s", default=600.0, show_default=True, help="Of one work.")
@click.option("--quick", is_flag=True, help="Small sizes.")
@click.option("--list", "lists", is_flag=True, help="Print the cases and measure nothing.")
def main(
    old: Path | None,
    new: Path | None,
    only: list[str] | None,
    rounds: int,
    timeout_s: float,
    quick: bool,
    lists: bool,
) -> None:
    """Measure turns, routing and versions with two checkouts, in interleaved rounds."""
    checkouts = _checkouts({OLD: old, NEW: new})
    known = cases(checkouts)
    if lists:
        for case in known.values():
            click.echo(f"{case.name:<22}{case.title}")
        return
    if not checkouts:
        raise click.UsageError("name --old, --new or both: interpreters of checkouts")
    names = only if only is not None else list(known)
    unknown = [name for name in names if name not in known]
    if unknown:
        raise click.BadParameter(
            f"{unknown[0]!r} is none of {', '.join(known)}", param_hint="--only"
        )
    chosen = [known[name] for name in names]
    setting = Setting(quick=quick, timeout_s=timeout_s)
    samples = measure(chosen, setting, rounds, _tell)
    data = as_json(chosen, samples, setting, {})
    data["checkouts"] = {name: c.revision() for name, c in checkouts.items()}
    path = write(data, RESULTS)
    click.echo(render(chosen, samples))
    _tell(f"written: {path}")


def _checkouts(pythons: dict[str, Path | None]) -> dict[str, Checkout]:
    try:
        return {name: Checkout.of(name, python) for name, python in pythons.items() if python}
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _tell(line: str) -> None:
    click.echo(line, err=True)
