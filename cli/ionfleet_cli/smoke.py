"""`ionfleet smoke`: proves that a deployment annotates, with a tiny dataset whose ions are known, and cleans up."""

from __future__ import annotations

import csv
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq
from botocore.exceptions import ClientError
from rich.console import Console

from ionfleet.databases import bundled_database
from ionfleet.uploads import DATABASES, DatasetName, database_status_key
from ionfleet_cli import terminal
from ionfleet_cli.deployment import Deployment
from ionfleet_cli.display import Display, display_on
from ionfleet_cli.failures import CommandError
from ionfleet_cli.following import Following
from ionfleet_cli.results import download
from ionfleet_cli.run import prepare
from ionfleet_cli.submit import await_plan, submit
from ionfleet_simulate.dataset import SimulatedDataset, write_dataset
from ionfleet_simulate.simulation import Simulation

IONS = 12
"""Ions that are planted, each with a true isotope pattern."""

NEEDED = 0.75
"""The share of them that has to be found at an FDR of at most `LEVEL`: noise may hide one or two."""

LEVEL = 0.2
ROWS = slice(1, 3001, 60)
"""Which rows of the bundled database make the small one."""

Ion = tuple[str, str]


@dataclass
class Traces:
    """What a smoke test puts into a deployment, to be removed again."""

    database: str
    dataset: DatasetName | None = None
    results: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def smoke(deployment: Deployment, console: Console, *, keep: bool = False) -> None:
    """Annotate a simulated dataset with a small database, and compare what is found with what was planted.

    Raises
    ------
    CommandError
        The deployment does not do what it should; what is wrong, and what was left.

    """
    display = display_on(console)
    with tempfile.TemporaryDirectory() as name, _cleaned_up(deployment, display, keep=keep) as traces:
        folder = Path(name)
        dataset = _write_inputs(folder, traces.database)
        found = _annotate(deployment, dataset, folder, traces, console)
        planted = _planted(dataset.truth)
    missing = planted - found
    told = f"{len(planted - missing)} of {len(planted)} planted ions were found at {LEVEL:.0%} FDR"
    if len(missing) > (1 - NEEDED) * len(planted):
        listed = ", ".join(f"{formula}{adduct}" for formula, adduct in sorted(missing))
        raise CommandError(f"{_title(deployment)} works, but its results are wrong: {told}. Missing are {listed}.")
    console.print(terminal.styled(f"{_title(deployment)} works: {told}.", "green"))


def _title(deployment: Deployment) -> str:
    return deployment.title[:1].upper() + deployment.title[1:]


def _write_inputs(folder: Path, database: str) -> SimulatedDataset:
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    chosen = rows[ROWS]
    formulas = tuple(dict.fromkeys(row.split("\t")[2] for row in chosen))
    (folder / f"{database}.tsv").write_text("".join([header, *chosen]), encoding="utf-8")
    simulation = Simulation(
        width=12, height=10, seed=7, peaks_per_spectrum=150, ions=IONS, formulas=formulas, wrong_patterns=0.0
    )
    return write_dataset(simulation, folder, database)


def _annotate(
    deployment: Deployment, dataset: SimulatedDataset, folder: Path, traces: Traces, console: Console
) -> set[Ion]:
    """Return the ions that the deployment finds in a dataset."""
    files = [folder / f"{traces.database}.tsv"]
    request = prepare(dataset.imzml, files, dataset.configuration, {}, known=True)
    traces.dataset = submit(request, deployment, console)
    planned = await_plan(deployment, traces.dataset, None)
    traces.results.append(f"results/{planned.dataset}/{planned.job}/")
    status = Following(deployment, display_on(console)).to_end(planned.dataset, planned.job)
    results = folder / "results"
    results.mkdir()
    download(deployment.buckets.results, status.results, results)
    facts = json.loads((results / "summary.json").read_bytes())
    annotations = pq.read_table(results / "annotations.parquet", columns=["formula", "adduct", "fdr"]).to_pylist()
    images = list((results / "ion_images").iterdir())
    if facts["images"] != len(images):
        raise CommandError(f"The summary counts {facts['images']} ion images, but {len(images)} were there to fetch.")
    return {(row["formula"], row["adduct"]) for row in annotations if row["fdr"] <= LEVEL}


def _planted(truth: Path) -> set[Ion]:
    with truth.open(encoding="utf-8", newline="") as file:
        return {(row["formula"], row["adduct"]) for row in csv.DictReader(file, delimiter="\t")}


@contextmanager
def _cleaned_up(deployment: Deployment, display: Display, *, keep: bool) -> Iterator[Traces]:
    """Remove what the block put into a deployment, as far as the caller may, and say what stays."""
    traces = Traces(f"ionfleet-smoke-{secrets.token_hex(4)}")
    try:
        yield traces
    finally:
        if keep:
            display.note(f"Kept: the dataset and database {traces.database}, and its results")
        else:
            _clean_up(deployment, traces, display)


def _clean_up(deployment: Deployment, traces: Traces, display: Display) -> None:
    buckets = deployment.buckets
    wanted = [
        (buckets.input, f"{DATABASES}{traces.database}.tsv"),
        (buckets.results, database_status_key(traces.database)),
    ]
    if traces.dataset is not None:
        wanted += [(buckets.input, traces.dataset.folder), (buckets.results, f"inputs/{traces.dataset.folder}")]
    wanted += [(buckets.results, prefix) for prefix in traces.results]
    for bucket, prefix in wanted:
        try:
            bucket.purge(prefix)
        except ClientError as error:
            display.note(f"Left, since it may not be deleted: {prefix}… ({error.response['Error']['Code']})")
    display.note(
        "Left: what the stages passed on, in the work bucket until its retention ends, and the execution's history "
        "and logs"
    )
