"""`python -m ionfleet_simulate`: the simulator without the rest of the command line."""

from __future__ import annotations

import sys

import typer

from ionfleet.errors import IonfleetError
from ionfleet_simulate.command import simulate


def main(arguments: list[str] | None = None) -> int:
    """Run the command with its arguments, those of the process by default; return the exit code."""
    application = typer.Typer(add_completion=False)
    application.command()(simulate)
    try:
        application(arguments, prog_name="python -m ionfleet_simulate")
    except IonfleetError as error:
        typer.echo(f"Error: {error}", err=True)
        return 2
    except SystemExit as end:
        return int(end.code or 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
