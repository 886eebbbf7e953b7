"""The command line: all commands, and what their errors become."""

from __future__ import annotations

import gc
import os
import signal
import sys
from types import FrameType

import click

from foundation.errors import RooftileError
from rooftile import __version__
from rooftile.commands.compare import compare
from rooftile.commands.files import check, counts, list_, passes, schema, show
from rooftile.commands.mapping import disasm, explain, map_
from rooftile.commands.requests import generate, scenario
from rooftile.commands.run import run
from rooftile.commands.teach import teach
from rooftile.explore.command import explore
from rooftile.pictures import plot, roofline
from rooftile.report import report
from rooftile.sweep.commands import results, sweep
from rooftile.sweep.optimize_command import optimize
from rooftile.technology import COMMANDS as TECHNOLOGY_COMMANDS
from rooftile.validate.commands import validate

#: File descriptor of standard output.
STDOUT = 1
#: Exit status for what the user can correct.
USER_ERROR = 2
#: Exit status after Ctrl-C: 128 + SIGINT.
INTERRUPTED = 130
#: New objects after which garbage is looked for: most of what a run makes stays.
_NEW_OBJECTS = 10_000


def main() -> None:
    """Run the command line: errors become one message and an exit status, never a traceback.

    Compiled code that meets Ctrl-C may turn it into an error of its own, which is no other thing.
    """
    interruptions: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        interruptions.append(number)
        signal.default_int_handler(number, frame)

    gc.set_threshold(_NEW_OBJECTS)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        status = _status()
    except Exception:
        if not interruptions:
            raise
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    finally:
        signal.signal(signal.SIGINT, before)
    gc.freeze()  # the process ends: its objects needn't be looked through once more
    sys.exit(status)


def _status() -> int:
    """Return the exit status of the command line; errors become one message."""
    try:
        status = cli.main(standalone_mode=False) or 0
        sys.stdout.flush()
    except RooftileError as error:
        click.echo(f"error: {error}", err=True)
        status = USER_ERROR
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        status = INTERRUPTED
    except (BrokenPipeError, SystemExit):  # the reader, such as `head`, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        status = 0
    return status


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="rooftile")
def cli() -> None:
    r"""Simulate neural networks on accelerators, cycle by cycle.

    \b
    rooftile run resnet50 --hw tpu_v1            latency, utilization, what limits it
    rooftile run net.yaml --hw chip.yaml -o out  your own files; writes roofline and timeline
    rooftile list networks                       what is there to start from
    """


for command in (
    run,
    list_,
    show,
    counts,
    passes,
    check,
    schema,
    map_,
    disasm,
    explain,
    generate,
    scenario,
    teach,
    compare,
    explore,
    report,
    validate,
    *TECHNOLOGY_COMMANDS,
    sweep,
    optimize,
    results,
    plot,
    roofline,
):
    cli.add_command(command)
