"""Writes a whole simulated dataset: imzML, ibd, the truth about it, and the configuration to annotate it with."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from ionfleet.errors import InvalidConfigurationError
from ionfleet_simulate.imzml import DatasetWriter
from ionfleet_simulate.ions import PlantedIon, make_template, plant
from ionfleet_simulate.optical import transform, write_section
from ionfleet_simulate.simulation import Simulation
from ionfleet_simulate.spectra import Sample


@dataclass(frozen=True)
class SimulatedDataset:
    """The files of a simulated dataset, and how many spectra and peaks it has.

    `truth` has a row for each planted ion (see `ions.PlantedIon`); `configuration` is the `<stem>.job.json`.
    """

    imzml: Path
    ibd: Path
    truth: Path
    configuration: Path
    spectra: int
    peaks: int


def write_dataset(
    simulation: Simulation, folder: Path | str, stem: str = "simulated", *, optical: bool = False
) -> SimulatedDataset:
    """Simulate a dataset and write it into a folder, in memory that does not grow with the number of spectra.

    Parameters
    ----------
    simulation
        What to simulate; the same settings give the same bytes.
    folder
        Where to; made when it is not there. Files of the same names are replaced.
    stem
        Name of the files: `<stem>.imzML`, `<stem>.ibd`, `<stem>.truth.tsv`, `<stem>.job.json`.
    optical
        Write a picture of the stained tissue too, `<stem>.section.png`, which the configuration names.

    Raises
    ------
    InvalidConfigurationError
        The simulation's ions cannot be planted, the stem is no file name, or the folder cannot be written to.

    Examples
    --------
    >>> dataset = write_dataset(DEMO, "demo")  # doctest: +SKIP
    >>> dataset.imzml  # doctest: +SKIP
    PosixPath('demo/simulated.imzML')

    """
    if not stem or Path(stem).name != stem:
        raise InvalidConfigurationError(f"The name of the dataset is {stem!r}; give a file name without an extension.")
    folder = Path(folder)
    ions = plant(simulation)
    sample = Sample(simulation, make_template(simulation, ions))
    truth, configuration = folder / f"{stem}.truth.tsv", folder / f"{stem}.job.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with DatasetWriter(folder, stem, simulation, len(sample)) as writer:
            for block in sample.blocks():
                writer.write(block)
            _write_truth(truth, ions)
            section = folder / f"{stem}.section.png" if optical else None
            if section is not None:
                write_section(section, simulation)
            _write_configuration(configuration, simulation, section)
    except OSError as error:
        raise InvalidConfigurationError(
            f"The dataset cannot be written into {folder}: {error}. Give a folder with write permission and room."
        ) from error
    return SimulatedDataset(writer.imzml, writer.ibd, truth, configuration, len(sample), writer.peaks)


def _write_truth(path: Path, ions: Sequence[PlantedIon]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(field.name for field in fields(PlantedIon))
        writer.writerows(astuple(ion) for ion in ions)


def _write_configuration(path: Path, simulation: Simulation, section: Path | None) -> None:
    configuration: dict[str, object] = {
        "polarity": simulation.polarity,
        "analyzer": simulation.analyzer,
        "resolving_power": simulation.resolving_power,
        "resolving_power_mz": simulation.resolving_power_mz,
    }
    if section is not None:
        configuration |= {"optical_image": section.name, "transform": transform()}
    path.write_text(json.dumps(configuration, indent=2) + "\n", encoding="utf-8")
