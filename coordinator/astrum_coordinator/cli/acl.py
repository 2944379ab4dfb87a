"""``acl``: the least that the server's users for coordinators and workers must be allowed.

Commands inside scripts are checked against the caller's rules like any others, so these lists
follow the scripts.
"""

from __future__ import annotations

import click

from astrum_coordinator.cli.options import log_option, prefix_option

CONNECTION = "-@all +@connection -@admin -@dangerous +client|id +client|unblock +info"
SCRIPTS = "+evalsha +script|load +time"
SETTLING = (
    "+exists +hexists +hget +hincrby +hmget +hset +pexpire +pttl +xack +xadd +xdel +xlen "
    "+zadd +zscore"
)
LEAVING = "+del +smembers +xgroup|create +xgroup|delconsumer +xpending +xrange +zrem"
BLOBS = "+get +sadd +scard +set"
LEADING = (
    "+hgetall +publish +subscribe +unsubscribe +xinfo|consumers +xread "
    "+zrange +zrangebyscore +zrevrange"
)
WORKING = "+publish +subscribe +unsubscribe +xreadgroup"

COMMANDS = {
    "coordinator": " ".join((CONNECTION, SCRIPTS, SETTLING, LEAVING, BLOBS, LEADING)),
    "worker": " ".join((CONNECTION, SCRIPTS, SETTLING, LEAVING, BLOBS, WORKING)),
}


@click.command(short_help="Print access rules for the server.")
@prefix_option
@log_option
def acl(prefix: str | None) -> None:
    """Print ACL rules for Redis or Valkey: one user for coordinators, one for workers.

    Replace the passwords, then send the lines to the server. They hold for one --prefix.
    """
    from astrum.wire.keys import DEFAULT_PREFIX, Keys

    try:
        keys = Keys(prefix or DEFAULT_PREFIX)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--prefix") from None
    for role in COMMANDS:
        click.echo(rule(role, keys.prefix, keys.control))


def rule(role: str, prefix: str, channel: str, password: str = "CHANGE-ME") -> str:
    """Return the ACL SETUSER command of one role."""
    scope = f"resetkeys ~{{{prefix}}}:* resetchannels &{channel}"
    return f"ACL SETUSER astrum-{role} reset on >{password} {scope} {COMMANDS[role]}"
