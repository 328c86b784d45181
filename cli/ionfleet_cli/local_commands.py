"""The commands of `ionfleet local`: what can be said on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ionfleet_cli import options, terminal
from ionfleet_cli.failures import ExitCode, error_boundary

DEFAULT_NAME = "local"

commands = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", help="The whole deployed stack on this machine, in the background."
)

Name = Annotated[str, typer.Option("--name", metavar="NAME", help="Which cloud, where there are several.")]
AnyName = Annotated[
    str | None, typer.Option("--name", metavar="NAME", help="Only this cloud.", show_default="all of them")
]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        metavar="DIR",
        help="Keep objects, logs and results in this folder when the cloud ends. Otherwise they go with it.",
        show_default=False,
    ),
]
Variables = Annotated[
    bool, typer.Option("--env", help='Print the lines for a shell alone: eval "$(ionfleet local status --env)".')
]


@commands.command()
def up(
    name: Name = DEFAULT_NAME,
    folder: Folder = None,
    assembly: options.Assembly = None,
    workers: options.Workers = None,
    debug: options.Debug = False,
) -> None:
    """Start the stack on this machine and leave it running: buckets, queues, functions and state machine.

    Prints lines to paste into a shell; the AWS command line and SDKs then talk to it.

    [bold]Example[/bold]

    ionfleet local up && eval "$(ionfleet local status --env)"

    aws s3 cp brain.ibd s3://$INPUT_BUCKET/datasets/brain/brain.ibd
    """
    with error_boundary(debug=debug):
        from ionfleet_cli import local_clouds

        local_clouds.up(name, assembly, workers, folder, terminal.output())


@commands.command()
def down(name: Name = DEFAULT_NAME, debug: options.Debug = False) -> None:
    """End a stack on this machine, with whatever it works on."""
    with error_boundary(debug=debug):
        from ionfleet_cli import local_clouds

        local_clouds.down(name, terminal.output())


@commands.command()
def status(name: AnyName = None, env: Variables = False, debug: options.Debug = False) -> None:
    """Tell which stacks are up on this machine, and what they have done; exit with 1 where none is."""
    with error_boundary(debug=debug):
        from ionfleet_cli import local_clouds

        if not local_clouds.status(name, terminal.output(), variables=env):
            raise typer.Exit(ExitCode.FAILURE)
