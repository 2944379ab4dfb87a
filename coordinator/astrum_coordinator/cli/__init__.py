"""The command ``astrum-coordinator``.

The modules of this package import nothing slow at their top: ``--help`` must answer at once, so
the client library, rich and the coordinator itself are imported by the commands that need them.
May import `astrum`, and of the coordinator `app`, `asking`, `config`, `start_time`, `submission`,
`display`, `embedded` and `health`.
"""

from __future__ import annotations

import click

from astrum.runtime.cli.commands import CONTEXT
from astrum_coordinator.cli.acl import acl
from astrum_coordinator.cli.cancel import cancel
from astrum_coordinator.cli.compare import compare
from astrum_coordinator.cli.coordinators import coordinators
from astrum_coordinator.cli.dead import dead
from astrum_coordinator.cli.drain import drain
from astrum_coordinator.cli.endings import Commands
from astrum_coordinator.cli.export import export
from astrum_coordinator.cli.forget import forget
from astrum_coordinator.cli.options import log_option
from astrum_coordinator.cli.pause import pause, unpause
from astrum_coordinator.cli.plan import plan
from astrum_coordinator.cli.published import flows, publish, unpublish
from astrum_coordinator.cli.queues import queues
from astrum_coordinator.cli.release import release
from astrum_coordinator.cli.retry import retry
from astrum_coordinator.cli.run import run
from astrum_coordinator.cli.runs import runs
from astrum_coordinator.cli.serve import resume, serve
from astrum_coordinator.cli.show import show
from astrum_coordinator.cli.submit import submit
from astrum_coordinator.cli.wait import wait
from astrum_coordinator.cli.why import why
from astrum_coordinator.cli.workers import workers

__all__ = ["main"]


@click.group(cls=Commands, context_settings=CONTEXT)
@click.version_option(package_name="astrum-pool", prog_name="astrum-coordinator")
@log_option
def main() -> None:
    """Run task graphs: in one process, on local workers, or on a pool of them over Redis.

    Exit codes: 0 done, 1 the run or the work failed, 2 wrong usage or configuration, 3 a person
    must act, 4 results could not be handed over, 130 Ctrl-C, 143 SIGTERM.
    """


_COMMANDS = (
    run,
    plan,
    submit,
    serve,
    resume,
    wait,
    runs,
    show,
    why,
    export,
    compare,
    cancel,
    retry,
    release,
)
_ABOUT_THE_POOL = (workers, queues, coordinators, acl)
_OPERATING = (pause, unpause, drain, dead, forget)
_PUBLISHED = (publish, flows, unpublish)
for command in (*_COMMANDS, *_PUBLISHED, *_ABOUT_THE_POOL, *_OPERATING):
    main.add_command(command)
