"""`ionfleet validate` and `validate-database`: all that is wrong with an input, or worth knowing."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from ionfleet.configuration import JobConfiguration, ResolvedConfiguration, resolve_for
from ionfleet.databases import MAX_BYTES, Database, inspect_database
from ionfleet.errors import InvalidConfigurationError, InvalidDatasetError
from ionfleet.findings import Finding, errors_of
from ionfleet.imzml import check_checksums, inspect_imzml
from ionfleet.index import DatasetHeader, SpectraIndex
from ionfleet_cli import terminal
from ionfleet_cli.failures import UsageError
from ionfleet_cli.local_files import (
    LocalDataset,
    check_database,
    database_name,
    find_dataset,
    read_bytes,
    read_configuration_bytes,
)

UUID_BYTES = 16
CHUNK = 8 * 2**20
STYLES = {"error": "red", "warning": "yellow"}


@dataclass(frozen=True)
class Inspection:
    """What was found out about an input: facts by name, and everything wrong or unusual."""

    subject: Path
    facts: dict[str, str]
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """Whether nothing forbids to use the input."""
        return not errors_of(self.findings)

    def to_json(self) -> str:
        """Return the inspection as JSON for programs."""
        findings = [asdict(finding) for finding in self.findings]
        document = {"subject": str(self.subject), "good": self.good, "facts": self.facts, "findings": findings}
        return json.dumps(document, indent=2)


def validate_dataset(
    imzml: Path, configuration: Path | None, *, polarity: str | None = None, strict: bool, checksums: bool
) -> Inspection:
    """Inspect a dataset and the configuration that a run would take, as the planner would.

    `polarity` is that of the dataset, where neither its header nor the configuration tells.

    With `strict`, here or in the configuration, warnings about the dataset are errors. With `checksums` the whole ibd
    is read.
    """
    findings: list[Finding] = []
    try:
        dataset = find_dataset(imzml)
    except InvalidDatasetError as error:
        return Inspection(imzml, {}, (Finding("error", "no-dataset", str(error)),))
    job = _read_configuration(configuration or dataset.configuration, findings)
    if polarity is not None:
        job = _with_polarity(job, polarity)
    index, found = _inspect(dataset, checksums=checksums)
    if strict or job.strict:
        found = [replace(finding, severity="error") for finding in found]
    if index is None:
        return Inspection(imzml, {}, (*found, *findings))
    resolved = _resolve(job, index.header, findings)
    return Inspection(imzml, _dataset_facts(index, resolved), (*found, *findings))


def _with_polarity(job: JobConfiguration, polarity: str) -> JobConfiguration:
    try:
        return job.override(polarity=polarity)
    except InvalidConfigurationError as error:
        raise UsageError(str(error)) from None


def validate_database(path: Path, *, strict: bool) -> Inspection:
    """Inspect a molecular database, row by row. With `strict`, warnings are errors."""
    check_database(path)
    database, findings = inspect_database(read_bytes(path, MAX_BYTES), database_name(path))
    if strict:
        findings = [replace(finding, severity="error") for finding in findings]
    return Inspection(path, {} if database is None else _database_facts(database), tuple(findings))


def show(inspection: Inspection, console: Console) -> None:
    """Print an inspection for people: facts, errors, warnings, and what follows from them."""
    terminal.print_facts(inspection.facts, console)
    for severity, style in STYLES.items():
        for finding in inspection.findings:
            if finding.severity == severity:
                console.print(terminal.labelled(f"{severity}: ", style, str(finding)))
    console.print(_verdict(inspection))


def _verdict(inspection: Inspection) -> Text:
    found = [
        terminal.counted(sum(each.count for each in inspection.findings if each.severity == severity), severity)
        for severity in STYLES
    ]
    counts = ", ".join(found)
    if inspection.good:
        return terminal.styled(f"{inspection.subject} can be used: {counts}.", "green")
    return terminal.styled(f"{inspection.subject} cannot be used: {counts}.", "bold red")


def _read_configuration(path: Path | None, findings: list[Finding]) -> JobConfiguration:
    if path is None:
        return JobConfiguration()
    try:
        return JobConfiguration.from_json(read_configuration_bytes(path), str(path))
    except InvalidConfigurationError as error:
        findings.append(Finding("error", "configuration", str(error)))
        return JobConfiguration()


def _inspect(dataset: LocalDataset, *, checksums: bool) -> tuple[SpectraIndex | None, list[Finding]]:
    with dataset.imzml.open("rb") as stream, dataset.ibd.open("rb") as ibd:
        sizes = dataset.imzml.stat().st_size, dataset.ibd.stat().st_size
        index, findings = inspect_imzml(stream, *sizes, ibd.read(UUID_BYTES))
        if checksums and index is not None:
            ibd.seek(0)
            findings += check_checksums(index.header, iter(lambda: ibd.read(CHUNK), b""))
    return index, findings


def _resolve(job: JobConfiguration, header: DatasetHeader, findings: list[Finding]) -> ResolvedConfiguration | None:
    """Return what a job with this dataset would compute; note what it would assume, or why it cannot be."""
    try:
        resolved = resolve_for(job, header)
    except InvalidConfigurationError as error:
        findings.append(Finding("error", "configuration", str(error)))
        return None
    findings += resolved.findings
    return resolved


def _dataset_facts(index: SpectraIndex, resolved: ResolvedConfiguration | None) -> dict[str, str]:
    header, grid = index.header, index.geometry()
    facts = {
        "spectra": f"{header.n_spectra:,}",
        "pixels": f"{len(grid.pixel_index):,} in an image of {grid.width:,} by {grid.height:,}",
        "pixel size": _pixel_size(header.pixel_size_um),
        "peaks": f"{header.n_points:,}",
        "m/z": _mz_range(index),
        "spectra are": _of(header.centroided, "centroided", "profile spectra"),
        "mode": _of(header.continuous, "continuous", "processed"),
        "polarity": header.polarity or "not said",
        "instrument": header.instrument or "not said",
    }
    if resolved is not None:
        facts["a run takes"] = (
            f"{resolved.polarity}, {resolved.analyzer}, resolving power {resolved.resolving_power:,.0f} at m/z 200, "
            f"{resolved.ppm:g} ppm, {' '.join(resolved.adducts)}, databases {', '.join(resolved.databases)}"
        )
    return facts


def _of(value: bool | None, true: str, false: str) -> str:
    if value is None:
        return "not said"
    return true if value else false


def _pixel_size(size: tuple[float, float] | None) -> str:
    return "not said" if size is None else f"{size[0]:g} by {size[1]:g} µm"


def _mz_range(index: SpectraIndex) -> str:
    if index.min_mz is None or index.max_mz is None or not len(index):
        return "not said"
    return f"{index.min_mz.min():.4f} to {index.max_mz.max():.4f}"


def _database_facts(database: Database) -> dict[str, str]:
    return {
        "good rows": f"{database.table.num_rows:,}",
        "distinct formulas": f"{len(database.formulas):,}",
        "columns": ", ".join(database.table.column_names),
        "imported as": database.name,
    }
