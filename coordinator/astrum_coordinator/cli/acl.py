"""The command ``acl``: the smallest access rules for coordinators and workers.

Commands inside scripts are checked against the caller's rules like any others, each with its
keys, so the grants follow the scripts. EVALSHA itself must be allowed for the keys of all
scripts, and grants nothing by itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

import click

from astrum.runtime.cli.options import option, prefix_option
from astrum_coordinator.cli.options import log_option
from astrum_coordinator.cli.printing import print_text

if TYPE_CHECKING:
    from astrum.protocol.keys import Keys

ROLES = ("coordinator", "worker", "starter", "viewer")
_KEYLESS = ("client|id", "client|unblock", "evalsha", "info", "script|load", "select", "time")
KEYLESS = {
    "coordinator": (*_KEYLESS, "publish"),
    "worker": (*_KEYLESS, "subscribe"),
    "starter": _KEYLESS,
    "viewer": _KEYLESS,
}
"""Commands without keys that each role may send; the channel is that of the hints."""
OF_CLUSTERS = ("cluster|slots",)
"""What all roles may ask a node of a cluster besides, to know the other nodes."""


class Grant(NamedTuple):
    """Commands that may be sent for some keys, given as glob patterns."""

    patterns: tuple[str, ...]
    commands: tuple[str, ...]


def grants(role: str, keys: Keys) -> list[Grant]:
    """Return what a role must be allowed, besides the commands without keys."""
    rows = _ROWS[role](keys)
    return [Grant(patterns, tuple(commands.split())) for patterns, commands in rows]


def _of_coordinators(keys: Keys) -> list[tuple[tuple[str, ...], str]]:
    attempts, journal, blobs = keys.attempts("*"), keys.journal("*"), keys.blobs("*")
    return [
        # This pattern takes in all other keys of a run.
        ((keys.run("*"),), "exists hdel hget hgetall hmget hset pexpire pttl rename unlink"),
        ((keys.plan("*"),), "exists getrange pexpire pttl set"),
        ((attempts,), "hincrby hlen hscan"),
        ((journal,), "xadd xlen xrange"),
        ((keys.done,), "pexpire pttl xadd xrange xrevrange"),
        ((journal, keys.done), "xread"),  # one grant: a single command reads streams of both
        ((blobs,), "sadd sismember spop sscan"),
        ((keys.blob("*", "*"),), "copy exists getrange pexpire unlink"),
        (
            _streams(keys),
            "pexpire pttl xack xadd xdel xgroup|create xgroup|delconsumer xinfo|consumers "
            "xinfo|groups xlen xpending xrange unlink",
        ),
        ((keys.queues,), "pexpire sadd smembers srem"),
        ((keys.want("*"),), "pexpire zadd zcard zcount zrangebyscore zrem zremrangebyscore"),
        ((keys.alone,), "pexpire sadd srem"),
        ((keys.wake,), "pexpire xadd xgroup|create xreadgroup"),
        ((keys.runs,), "pexpire zadd zcard zrangebyscore zrem zrevrangebyscore zscore"),
        ((keys.delayed,), "pexpire pttl zadd zcard zrange zrangebyscore zrem zrevrange"),
        ((keys.history,), "pexpire pttl zadd zcard zrange zrem"),
        ((keys.index,), "pexpire pttl zadd zrange zrem zrevrange"),
        ((keys.coordinators,), "pexpire pttl zadd zrange zrem zremrangebyscore"),
        ((keys.coordinator("*"),), "del hgetall hset pexpire"),
        ((keys.untidied,), "pexpire pttl zadd zrange zrem zscore"),
        ((keys.leases,), "zadd zcount zrange zrem zrevrangebyscore zscore"),
        ((keys.worker("*"),), "del hget hmget hset pexpire pttl"),
        ((keys.dead_letters,), "pexpire xadd xdel xrange"),
        ((keys.paused,), "hdel hgetall hset pexpire"),
        ((keys.flows,), "hdel hget hgetall hset"),
        ((keys.chronicle("*"),), "getrange set unlink"),
        ((keys.chronicles,), "pexpire pttl zadd zrange zrangebyscore zrem"),
        ((keys.chronicle_sizes,), "hdel hget hincrby hset pexpire pttl"),
    ]


def _of_workers(keys: Keys) -> list[tuple[tuple[str, ...], str]]:
    return [
        (
            _streams(keys),
            "pexpire xack xdel xgroup|create xgroup|delconsumer xlen xpending xrange xreadgroup",
        ),
        ((keys.queues,), "pexpire sadd sismember smembers smismember srem"),
        ((keys.alone,), "smismember srem"),
        ((keys.attempts("*"),), "hincrby hmget hset pttl"),
        ((keys.journal("*"),), "pexpire xadd"),
        ((keys.blobs("*"),), "pexpire sadd scard"),
        ((keys.blob("*", "*"),), "getrange set"),
        ((keys.leases,), "pexpire zadd zcount zrem zscore"),
        ((keys.exclusive,), "pexpire pttl zadd zcard zrem zremrangebyscore zscore"),
        ((keys.worker("*"),), "del exists hdel hget hset pexpire"),
        ((keys.dead_letters,), "pexpire xadd"),
    ]


def _of_starters(keys: Keys) -> list[tuple[tuple[str, ...], str]]:
    """Start runs of published flows, ask, cancel and retry: no queue, and no plan to write."""
    return [
        ((keys.run("*"),), "exists hdel hget hgetall hmget hset pexpire pttl unlink"),
        ((keys.attempts("*"),), "hscan"),
        ((keys.journal("*"),), "xadd xlen xrange"),
        ((keys.done,), "xrange xrevrange"),
        ((keys.journal("*"), keys.done), "xread"),
        ((keys.blobs("*"),), "sadd sscan"),
        ((keys.blob("*", "*"),), "getrange pexpire set"),
        ((keys.plan("*"),), "exists getrange pexpire pttl"),
        ((keys.flows,), "hget hgetall"),
        ((keys.wake,), "xadd"),
        ((keys.runs,), "pexpire zadd zscore"),
        ((keys.delayed,), "pexpire pttl zadd zrem"),
        ((keys.index,), "pexpire pttl zadd zrange zrem zrevrange"),
        ((keys.history, keys.untidied), "zrem"),
        ((keys.leases,), "zrange zscore"),
        ((keys.worker("*"),), "hmget"),  # what running tasks tell of their progress
    ]


def _of_viewers(keys: Keys) -> list[tuple[tuple[str, ...], str]]:
    """Read all that the commands of people and dashboards show; write nothing."""
    return [
        ((keys.run("*"),), "hget hgetall hmget"),
        ((keys.attempts("*"),), "hscan"),
        ((keys.journal("*"),), "xrange"),
        ((keys.done,), "xrange xrevrange"),
        ((keys.journal("*"), keys.done), "xread"),
        ((keys.blob("*", "*"), keys.plan("*"), keys.chronicle("*")), "getrange"),
        ((keys.flows,), "hget hgetall"),
        (_streams(keys), "xlen xpending xrange"),
        ((keys.queues,), "smembers"),
        ((keys.runs,), "zscore"),
        ((keys.index,), "zrevrange"),
        ((keys.coordinators, keys.chronicles), "zrange"),
        ((keys.leases,), "zrange zscore"),
        ((keys.coordinator("*"), keys.paused), "hgetall"),
        ((keys.worker("*"),), "hget hmget"),
        ((keys.dead_letters,), "xrange"),
    ]


_ROWS = {
    "coordinator": _of_coordinators,
    "worker": _of_workers,
    "starter": _of_starters,
    "viewer": _of_viewers,
}


def _streams(keys: Keys) -> tuple[str, ...]:
    from astrum.protocol.keys import LANE_SUFFIX
    from astrum.protocol.streams import Stream

    return tuple(keys.queue(Stream("*", lane, "*")) for lane in LANE_SUFFIX)


@click.command(short_help="Print access rules for the server.")
@prefix_option
@option(
    "--plain",
    is_flag=True,
    help="For Redis 6.2: without selectors, so each user may send its commands for all its keys.",
)
@log_option
def acl(prefix: str | None, plain: bool) -> None:
    """Print ACL rules for Redis or Valkey: users for coordinators, workers, starters and viewers.

    A starter is a service that starts published flows and asks for their results; a viewer only
    reads.

    Replace the passwords, then send the lines to the server. They are valid for one --prefix.
    """
    from astrum.protocol.keys import DEFAULT_PREFIX, Keys

    try:
        keys = Keys(prefix or DEFAULT_PREFIX)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--prefix") from None
    for role in ROLES:
        print_text(rule(role, keys, grants(role, keys), plain=plain))


def rule(
    role: str,
    keys: Keys,
    granted: list[Grant],
    *,
    keyless: Iterable[str] | None = None,
    password: str = "CHANGE-ME",
    plain: bool = False,
) -> str:
    """Return the ACL SETUSER command of one role."""
    patterns = dict.fromkeys(pattern for grant in granted for pattern in grant.patterns)
    sent = (*KEYLESS[role], *OF_CLUSTERS) if keyless is None else keyless
    channels = " ".join(f"&{pattern}" for pattern in keys.controls)
    root = f"resetchannels {channels} -@all {_allowed(sent)} {_reached(patterns)}"
    if plain:
        commands = dict.fromkeys(command for grant in granted for command in grant.commands)
        rest = _allowed(commands)
    else:
        rest = " ".join(
            f"({_allowed(grant.commands)} {_reached(grant.patterns)})" for grant in granted
        )
    return f"ACL SETUSER astrum-{role} reset on >{password} {root} {rest}"


def _allowed(commands: Iterable[str]) -> str:
    return " ".join(f"+{command}" for command in commands)


def _reached(patterns: Iterable[str]) -> str:
    return " ".join(f"~{pattern}" for pattern in patterns)
