"""The command ``python -m benchmarks``: measures, prints the table, writes JSON and a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from benchmarks.case import Setting
from benchmarks.cases import CASES
from benchmarks.picture import draw
from benchmarks.record import as_json, write
from benchmarks.rounds import install, measure
from benchmarks.systems import PEERS
from benchmarks.table import render, render_markdown

RESULTS = Path(__file__).parent / "results"
QUICK_CASES = ("fan_out", "chain", "sync_fan_out", "in_process", "start_up")
QUICK_PEERS = ("ray", "dramatiq", "arq", "taskiq")


def split_names(_: click.Context, __: click.Parameter, text: str | None) -> list[str] | None:
    """Return the names in a list with commas; "none" and nothing name none."""
    if text is None:
        return None
    return [name.strip() for name in text.split(",") if name.strip() not in ("", "none")]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--only", callback=split_names, metavar="A,B", help=f"Of: {', '.join(CASES)}.")
@click.option(
    "--peers", callback=split_names, metavar="A,B", help=f"Of: {', '.join(PEERS)}; or none."
)
@click.option("--rounds", type=click.IntRange(min=1), help="[default: 3; quick: 1]")
@click.option("--peer-tasks", default=5_000, show_default=True, help="Size of peers' fan-outs.")
@click.option(
    "--timeout", "timeout_s", default=900.0, show_default=True, help="Of one measurement."
)
@click.option("--quick", is_flag=True, help="Small sizes, few cases and peers: two minutes.")
@click.option("--markdown", is_flag=True, help="Print goals as Markdown instead of the table.")
@click.option("--json", "json_only", is_flag=True, help="Print JSON instead of the table.")
def main(
    only: list[str] | None,
    peers: list[str] | None,
    rounds: int | None,
    peer_tasks: int,
    timeout_s: float,
    quick: bool,
    markdown: bool,
    json_only: bool,
) -> None:
    """Measure Astrum beside the floor and its peers, in interleaved rounds."""
    names = only if only is not None else list(QUICK_CASES if quick else CASES)
    wanted = peers if peers is not None else list(QUICK_PEERS if quick else PEERS)
    _check(names, CASES, "--only")
    _check(wanted, PEERS, "--peers")
    reasons = install(wanted, _tell)
    there = tuple(name for name in wanted if name not in reasons)
    setting = Setting(quick=quick, peers=there, peer_tasks=peer_tasks, timeout_s=timeout_s)
    cases = [CASES[name] for name in names]
    samples = measure(cases, setting, rounds or (1 if quick else 3), _tell)
    data = as_json(cases, samples, setting, reasons)
    path = write(data, RESULTS)
    draw(cases, samples, path.with_suffix(".svg"), _tell)
    if json_only:
        click.echo(path.read_text())
    elif markdown:
        click.echo(render_markdown(cases, samples))
    else:
        click.echo(render(cases, samples, reasons))
    _tell(f"written: {path} and {path.with_suffix('.svg').name}")


def _check(names: list[str], known: Mapping[str, object], option: str) -> None:
    for name in names:
        if name not in known:
            raise click.BadParameter(f"{name!r} is none of {', '.join(known)}", param_hint=option)


def _tell(line: str) -> None:
    click.echo(line, err=True)
