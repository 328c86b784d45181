"""The commands about a job's results and its dataset: what can be said on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ionfleet_cli import options, terminal
from ionfleet_cli.failures import UsageError, error_boundary
from ionfleet_cli.remote import Endpoint, Follow, Local, Stack, follow_to_end

PANEL = "What came out"

ResultsPlace = Annotated[
    str,
    typer.Argument(
        metavar="RESULTS",
        help="Folder of results, job of a deployment (its id, or the name of its dataset), or s3://… of a job's "
        "results.",
        show_default=False,
    ),
]
DatasetPlace = Annotated[
    str,
    typer.Argument(
        metavar="DATASET_OR_JOB",
        help="An imzML file, a folder of results, a job of a deployment, or s3://WORK_BUCKET/datasets/ds-…/.",
        show_default=False,
    ),
]
ReportFile = Annotated[
    Path | None, typer.Option("--out", metavar="FILE", help="The page to write.", show_default="JOB.html")
]
Hours = Annotated[float, typer.Option("--hours", min=0.01, max=168, help="How long the page can be opened.")]
ExportOut = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the files go.", show_default="the folder RESULTS, or JOB-export"),
]
WithAnnData = Annotated[bool, typer.Option("--h5ad", help="annotations.h5ad, for scanpy and its kin; needs anndata.")]
WithPixels = Annotated[bool, typer.Option("--pixels", help="pixel_intensities.csv: a row an ion, a column a pixel.")]
WithIons = Annotated[
    list[str] | None,
    typer.Option(
        "--ion",
        metavar="ION",
        help="pictures/ION.png in colours, such as C6H12O6+K; several times.",
        show_default=False,
    ),
]
Colours = Annotated[str, typer.Option("--colours", help="Of pictures: viridis, magma, cividis or grey.")]
ExportFdr = Annotated[float, typer.Option("--fdr", min=0, max=1, help="Annotations up to this FDR.")]
ExportDatabase = Annotated[
    str | None, typer.Option("--database", help="Annotations with this database.", show_default="the first")
]
AgainDatabase = Annotated[
    Path, typer.Option("--database", metavar="FILE", help="The other database, a table as TSV or CSV.")
]
AgainDataset = Annotated[
    Path | None,
    typer.Option("--dataset", metavar="DATASET.imzML", help="Of results in a folder.", show_default="beside RESULTS"),
]
ImageMz = Annotated[float, typer.Option("--mz", help="Centre of the window.")]
ImagePpm = Annotated[float, typer.Option("--ppm", help="Half width of the window.")]
ImageOut = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="A picture (.png) or intensities (.npy).", show_default="DATASET-mzM.png"
    ),
]


def register(application: typer.Typer, epilog: str) -> None:
    """Add the commands to the application."""
    for command in (report, image, export):
        application.command(epilog=epilog, rich_help_panel=PANEL)(command)
    application.command("annotate-again", epilog=epilog, rich_help_panel=PANEL)(annotate_again)


def report(
    results: ResultsPlace,
    out: ReportFile = None,
    hours: Hours = 12,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Make the page of a job's results in a private bucket: one file that opens anywhere, for some hours.

    Results in a folder have their page already; where it is, is printed.

    [bold]Examples[/bold]

    ionfleet report job-0123456789abcdef0123

    ionfleet report s3://results-bucket/results/ds-0123456789abcdef0123/job-0123456789abcdef0123/ --hours 24
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.deployment import Address, explained
        from ionfleet_cli.private_report import make_report

        with explained():
            make_report(results, out, hours, Address(stack, endpoint, local), terminal.output())


def image(
    dataset: DatasetPlace,
    mz: ImageMz,
    ppm: ImagePpm = 3.0,
    out: ImageOut = None,
    colours: Colours = "viridis",
    cache: options.RunsCache = None,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Write the image of a dataset at any m/z, annotated or not.

    A dataset of this machine that has not been annotated here is sorted when it is asked about for the first time;
    after that, and for jobs of a deployment, an image takes less than a second.

    [bold]Examples[/bold]

    ionfleet image brain.imzML --mz 760.585 --ppm 3

    ionfleet image job-0123456789abcdef0123 --mz 760.585 --out image.npy
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.deployment import Address, explained
        from ionfleet_cli.image import Where, show_image

        with explained():
            where = Where(options.runs_folder(cache), Address(stack, endpoint, local), terminal.output())
            show_image(dataset, (mz, ppm), out, colours, where)


def export(
    results: ResultsPlace,
    out: ExportOut = None,
    h5ad: WithAnnData = False,
    pixels: WithPixels = False,
    ion: WithIons = None,
    colours: Colours = "viridis",
    fdr: ExportFdr = 0.5,
    database: ExportDatabase = None,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Make files for other programs of a job's results: both tables, unless something is asked for by name.

    [bold]Examples[/bold]

    ionfleet export brain-results

    ionfleet export job-0123456789abcdef0123 --out brain --ion C42H82NO8P+K --colours magma
    """
    with error_boundary(debug=debug):
        from ionfleet_cli.deployment import Address, explained
        from ionfleet_cli.export import Wanted, folder_of
        from ionfleet_cli.export import export as make
        from ionfleet_cli.named import find_results
        from ionfleet_cli.results import ANNDATA, PIXELS

        both = not (h5ad or pixels or ion)
        tables = tuple(name for name, asked in ((ANNDATA, h5ad), (PIXELS, pixels)) if asked or both)
        with explained():
            found = find_results(results, Address(stack, endpoint, local))
            wanted = Wanted(tables, tuple(ion or ()), colours, fdr, database)
            make(found, out or folder_of(results), wanted, terminal.output())


def annotate_again(
    results: ResultsPlace,
    database: AgainDatabase,
    dataset: AgainDataset = None,
    scoring_model: options.ScoringModel = None,
    optical_image: options.OpticalImage = None,
    out: options.AgainOut = None,
    cache: options.Cache = None,
    no_cache: options.NoCache = False,
    follow: Follow = False,
    stack: Stack = None,
    endpoint: Endpoint = None,
    local: Local = None,
    debug: options.Debug = False,
) -> None:
    """Do what a job did with another database, on the runs that are sorted already.

    [bold]Examples[/bold]

    ionfleet annotate-again brain-results --database lipids.tsv

    ionfleet annotate-again job-0123456789abcdef0123 --database lipids.tsv --watch
    """
    with error_boundary(debug=debug):
        from ionfleet_cli import again
        from ionfleet_cli.deployment import Address, explained
        from ionfleet_cli.run import Extras

        asked, console = again.Again.of(results, database), terminal.output()
        if asked.is_here:
            places = options.places(out, cache, off=no_cache, resume=True)
            again.annotate_here(asked, dataset, Extras(scoring_model, optical_image), places, console)
            return
        if any(given is not None for given in (dataset, scoring_model, optical_image, out)):
            raise UsageError(
                "Files and --out are given for results in a folder; those of a job have theirs in the cloud."
            )
        with explained():
            deployment, planned = again.annotate_deployed(asked, Address(stack, endpoint, local), console)
            follow_to_end(deployment, planned, watch=follow)
