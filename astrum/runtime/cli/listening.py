"""An address that a command answers on, given as ``HOST:PORT``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from astrum.runtime.http import HttpServer


def checked_address(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> tuple[str, int] | None:
    """Return host and port of an option."""
    from astrum.runtime.http import parse_address  # late: few commands have such an option

    if value is None:
        return None
    try:
        return parse_address(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


async def start_listening(server: HttpServer, option: str, address: tuple[str, int]) -> None:
    """Start the server on the address of an option; raises ``UsageError`` if that is not free."""
    from astrum.runtime.http import cannot_listen

    try:
        await server.start()
    except OSError as error:
        raise click.UsageError(cannot_listen(option, address, error)) from None
