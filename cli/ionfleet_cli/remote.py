"""The commands about a deployment, in AWS or on this machine: what can be said on the command line."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ionfleet_cli import options, terminal
from ionfleet_cli.asked import Asking, asking
from ionfleet_cli.failures import error_boundary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ionfleet_cli.deployment import Deployment
    from ionfleet_cli.submit import Planned

PANEL = "A deployment, in AWS or on this machine"
_WHERE = "Which deployment"

Stack = Annotated[
    str | None,
    typer.Option("--stack", metavar="NAME", help="Name of the stack.", show_default="Ionfleet", rich_help_panel=_WHERE),
]
Endpoint = Annotated[
    str | None,
    typer.Option(
        "--endpoint",
        metavar="URL",
        help="Where AWS is, instead of at amazonaws.com.",
        show_default="AWS_ENDPOINT_URL, or the local cloud that is up",
        rich_help_panel=_WHERE,
    ),
]
Local = Annotated[
    str | None,
    typer.Option(
        "--local",
        metavar="NAME",
        help="The cloud of this machine of this name.",
        show_default=False,
        rich_help_panel=_WHERE,
    ),
]
JobName = Annotated[
    str,
    typer.Argument(
        metavar="JOB",
        help="The id of a job, or enough of its beginning; one of its executions; or the name of its dataset.",
        show_default=False,
    ),
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many are shown, the latest first.")]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; the job's status quotes it.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Folder of the results.", show_default="JOB-results")
]
Force = Annotated[bool, typer.Option("--force", help="Write into a folder that holds other files, too.")]
Follow = Annotated[bool, typer.Option("--watch/--no-watch", help="Go on with `watch` once the job is planned.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE…", help="Tables as TSV or CSV, gzipped or not.")]
DatabaseName = Annotated[str, typer.Argument(metavar="NAME", help="The name that it was imported under.")]
KeepSmoke = Annotated[bool, typer.Option("--keep", help="Leave the dataset, the database and the results there.")]
databases_commands = typer.Typer(
    no_args_is_help=True, help="The molecular databases that jobs of a deployment can name."
)


def register(application: typer.Typer, epilog: str) -> None:
    """Add the commands to the application."""
    for command in (submit, jobs, watch, fetch, cancel, redrive, smoke):
        application.command(epilog=epilog, rich_help_panel=PANEL)(command)
    application.add_typer(databases_commands, name="databases", epilog=epilog, rich_help_panel=PANEL)


@asking
def submit(
    asked: Asking,
    follow: Follow = False,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Upload a dataset into a deployment, and print the job that it becomes.

    An upload that was interrupted goes on where it was. Options override the configuration.

    [bold]Example[/bold]

    ionfleet submit brain.imzML --database hmdb.tsv --polarity positive --watch
    """
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli.submit import await_plan, last_told, place_of
        from ionfleet_cli.submit import submit as upload

        request = asked().request(known=True)
        since = last_told(deployment, place_of(request.dataset))
        planned = await_plan(deployment, upload(request, deployment, terminal.output()), since)
        follow_to_end(deployment, planned, watch=follow)


def follow_to_end(deployment: Deployment, planned: Planned, *, watch: bool) -> None:
    """Print which job an upload has become; with `watch`, show it to its end."""
    terminal.output().print(terminal.styled(f"It is {planned.job}: ionfleet watch {planned.job}", "bold"))
    if watch:
        _watch(deployment, planned.dataset, planned.job)


def _watch(deployment: Deployment, dataset: str, job: str) -> None:
    from ionfleet_cli.display import display_on
    from ionfleet_cli.following import Following

    Following(deployment, display_on(terminal.output())).to_end(dataset, job)
    terminal.output().print(terminal.styled(f"{job} has succeeded: ionfleet fetch {job}", "bold"))


def jobs(
    limit: Limit = 20,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """List the latest jobs of a deployment, and the uploads that did not become one, with the reason."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli.jobs import list_jobs

        list_jobs(deployment.buckets.results, limit, terminal.output())


def watch(
    job: JobName,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Show how far a job is and what it has cost, until it ends; where it fails, why, and where its logs are."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli.jobs import find_job

        status = find_job(deployment.buckets.results, job)
        _watch(deployment, status.dataset, status.job)


def fetch(
    job: JobName,
    out: Out = None,
    force: Force = False,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Bring the results of a job into a folder."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet.report.page import NAME as PAGE
        from ionfleet_cli import jobs

        status = jobs.find_job(deployment.buckets.results, job)
        path = jobs.fetch(deployment, status, out, terminal.output(), force=force)
        told = f"The results are in {path}; look at them in {path / PAGE}"
        terminal.output().print(terminal.styled(told, "bold"), soft_wrap=True)


def cancel(
    job: JobName,
    reason: Reason = "by its user",
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Stop a job: nothing of it is published; what is computed already is used by its next attempt."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli import jobs

        ended = jobs.cancel(deployment, jobs.find_job(deployment.buckets.results, job), reason)
        terminal.output().print(terminal.styled(f"{ended.execution} is {ended.state}"))


def redrive(
    job: JobName,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Try a job again that ended in failure: a new attempt, which uses what the earlier ones computed."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli import jobs

        planned = jobs.redrive(deployment, jobs.find_job(deployment.buckets.results, job))
        terminal.output().print(terminal.styled(f"It is {planned.execution}: ionfleet watch {planned.job}", "bold"))


def smoke(
    keep: KeepSmoke = False,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Prove a deployment: annotate a tiny simulated dataset, compare what is found with what is in it, clean up."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli.smoke import smoke as prove

        prove(deployment, terminal.output(), keep=keep)


@databases_commands.command("add")
def add_databases(
    files: Files,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Import databases, each under the name of its file without extension."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli.databases import add_database
        from ionfleet_cli.local_files import find_databases

        for database in find_databases(files):
            line = add_database(deployment.buckets, database, terminal.output())
            terminal.output().print(terminal.styled(line))


@databases_commands.command("list")
def list_databases(
    stack: Stack = None, endpoint: Endpoint = None, local: Local = None, debug: options.Debug = False
) -> None:
    """List the databases that jobs can name, and those that were refused, with the reason."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli import databases

        databases.list_databases(deployment.buckets, terminal.output())


@databases_commands.command("remove")
def remove_database(
    name: DatabaseName,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Remove a database: later jobs cannot name it any more."""
    with error_boundary(debug=debug), _deployment(stack, endpoint, local) as deployment:
        from ionfleet_cli import databases

        databases.remove_database(deployment.buckets, name)
        terminal.output().print(terminal.styled(f"{name} is removed"))


@contextmanager
def _deployment(stack: str | None, endpoint: str | None, local: str | None) -> Iterator[Deployment]:
    """Give the deployment that is meant; what goes wrong with a call to it is explained."""
    from ionfleet_cli.deployment import Address, explained, find_deployment

    with explained():
        yield find_deployment(Address(stack, endpoint, local))
