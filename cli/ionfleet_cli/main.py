"""The `ionfleet` command: what can be said on the command line. What is done about it is in the other modules.

They are imported by the commands that need them, so that `--help` answers at once.
"""

from __future__ import annotations

import atexit
import gc
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import typer

from ionfleet_cli import local_commands, options, remote, results_commands, terminal
from ionfleet_cli.asked import Asking, asking
from ionfleet_cli.failures import ExitCode, error_boundary

if TYPE_CHECKING:
    from ionfleet_cli.validation import Inspection

EPILOG = "Exit codes: 0 done, 1 failed, 2 wrong command line, 3 wrong input, 130 stopped."
PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False}

OBJECTS_BETWEEN_COLLECTIONS = 50_000
"""More made than gone, before the collector of reference cycles looks at them."""

application = typer.Typer(
    name="ionfleet",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)


def main() -> None:
    """Run the command of this process, and end the process with its exit code."""
    terminal.tolerate_any_encoding()
    # What is imported lives as long as the process: the default goes through it a hundred times for nothing.
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)
    # The interpreter's last collection goes through all that boto3, moto and pyarrow left, for longer than it takes to
    # stop a cloud: who stops a run waits for that. Frozen objects are not looked at.
    atexit.register(gc.freeze)
    application(prog_name="ionfleet")


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"ionfleet {version('ionfleet')}")
        raise typer.Exit


@application.callback()
def ionfleet(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Annotate imaging mass spectrometry datasets against molecular databases.

    Runs the functions, queues and state machine of the cloud on this machine: no account is needed.
    """


@application.command(epilog=EPILOG)
@asking
def run(
    asked: Asking,
    out: options.Out = None,
    force: options.Force = False,
    assembly: options.Assembly = None,
    workers: options.Workers = None,
    chaos: options.Chaos = None,
    cache: options.Cache = None,
    no_cache: options.NoCache = False,
    keep: options.Keep = False,
    debug: options.Debug = False,
) -> None:
    """Annotate a dataset: run the whole chain on this machine, and write its results into a folder.

    Options override the configuration.

    [bold]Examples[/bold]

    ionfleet run brain.imzML

    ionfleet run brain.imzML --database hmdb.tsv --polarity positive --adduct +H,+Na --ppm 3

    ionfleet run brain.imzML --config job.json --out results --workers 4
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.run import annotate

        request, places = asked().request(), options.places(out, cache, off=no_cache)
        places = replace(places, assembly=assembly, force=force, keep=keep)
        annotate(request, places, workers, terminal.output(), chaos)


@application.command(epilog=EPILOG)
@asking
def estimate(
    asked: Asking,
    assembly: options.Assembly = None,
    workers: options.Workers = None,
    as_json: options.EstimateAsJson = False,
    debug: options.Debug = False,
) -> None:
    """Tell what annotating a dataset would take, by stage: tasks, memory, time here and in the cloud, dollars.

    The planner plans the job and nothing is run. Options are those of run.

    [bold]Example[/bold]

    ionfleet estimate brain.imzML --database hmdb.tsv
    """
    with error_boundary(debug=debug):
        from ionfleet_cli import estimate as estimates

        found = estimates.estimated(asked().request(), assembly, workers)
        if as_json:
            typer.echo(found.to_json())
        else:
            estimates.show(found, terminal.output())


@application.command(epilog=EPILOG)
def replay(
    events: options.Recordings,
    dataset: options.ReplayDataset = None,
    shuffle: options.Shuffle = None,
    twice: options.Twice = False,
    assembly: options.Assembly = None,
    workers: options.Workers = None,
    keep: options.Keep = False,
    debug: options.Debug = False,
) -> None:
    """Send recorded events into a local cloud, one after the other, and tell what each led to.

    [bold]Example[/bold]

    ionfleet replay event.json --dataset brain.imzML --twice
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.replay import Replay, replay_events

        wanted = Replay(tuple(events), dataset, shuffle, twice=twice)
        replay_events(wanted, assembly, workers, terminal.output(), keep=keep)


@application.command(epilog=EPILOG)
def validate(
    dataset: options.Dataset,
    config: options.Configuration = None,
    polarity: options.Polarity = None,
    strict: options.StrictCheck = False,
    checksums: options.Checksums = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Report everything that is wrong with a dataset, or worth knowing, without running anything.

    [bold]Example[/bold]

    ionfleet validate brain.imzML --checksums
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.validation import validate_dataset

        _tell(validate_dataset(dataset, config, polarity=polarity, strict=strict, checksums=checksums), as_json)


@application.command("validate-database", epilog=EPILOG)
def validate_database(
    file: options.DatabaseFile,
    strict: options.StrictCheck = False,
    as_json: options.AsJson = False,
    debug: options.Debug = False,
) -> None:
    """Report every row of a molecular database that is refused, and why, without running anything.

    [bold]Example[/bold]

    ionfleet validate-database hmdb.tsv
    """
    with error_boundary(debug=debug):
        from ionfleet_cli import validation

        _tell(validation.validate_database(file, strict=strict), as_json)


@application.command("convert-model", epilog=EPILOG)
def convert_model(file: options.ModelFile, out: options.ModelOut = None, debug: options.Debug = False) -> None:
    """Convert a METASPACE-ML scoring model into the form that jobs take, so that no job needs CatBoost.

    Upload it as models/NAME.json, and name it by scoring_model in a job's configuration.

    [bold]Example[/bold]

    ionfleet convert-model metaspace_ml_animal.cbm
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.scoring_models import read_model

        model, target = read_model(file), out or file.with_suffix(".json")
        target.write_bytes(model.data)
        typer.echo(f"The model is in {target}; upload it as models/{model.name}.json")


@application.command(add_help_option=False, context_settings=PASS_ON)
def simulate(context: typer.Context) -> None:
    """Simulate a dataset with known ions in it."""
    with error_boundary(debug=False):
        from ionfleet_simulate.command import simulate as command

        simulator = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        simulator.command()(command)
        simulator(context.args, prog_name="ionfleet simulate")


def _tell(inspection: Inspection, as_json: bool) -> None:
    from ionfleet_cli.validation import show

    if as_json:
        typer.echo(inspection.to_json())
    else:
        show(inspection, terminal.output())
    if not inspection.good:
        raise typer.Exit(ExitCode.INVALID_INPUT)


results_commands.register(application, EPILOG)
remote.register(application, EPILOG)
application.add_typer(local_commands.commands, name="local", epilog=EPILOG, rich_help_panel=remote.PANEL)
