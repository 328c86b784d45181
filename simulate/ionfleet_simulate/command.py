"""The command that simulates a dataset, for Typer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ionfleet.errors import InvalidConfigurationError
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import PRESETS, Simulation


def simulate(
    folder: Annotated[
        Path, typer.Argument(help="Folder to write into; made when it is not there.", show_default=False)
    ],
    name: Annotated[str, typer.Option(help="Name of the files, without extension.")] = "simulated",
    preset: Annotated[
        str | None, typer.Option(help=f"Settings to start from: {', '.join(PRESETS)}.", show_default=False)
    ] = None,
    width: Annotated[int | None, typer.Option(help="Pixels across.", show_default="60")] = None,
    height: Annotated[int | None, typer.Option(help="Pixels down.", show_default="60")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed makes the same bytes.", show_default="1")] = None,
    peaks: Annotated[int | None, typer.Option(help="Mean number of peaks in a spectrum.", show_default="900")] = None,
    ions: Annotated[int | None, typer.Option(help="How many ions to plant.", show_default="150")] = None,
    wrong_patterns: Annotated[
        float | None, typer.Option(help="Share of the planted ions with wrong isotope ratios.", show_default="0.1")
    ] = None,
    jitter: Annotated[float | None, typer.Option(help="Standard deviation of m/z in ppm.", show_default="0.7")] = None,
    analyzer: Annotated[str | None, typer.Option(help="orbitrap, fticr or tof.", show_default="orbitrap")] = None,
    resolving_power: Annotated[
        float | None, typer.Option(help="Resolving power at m/z 200.", show_default="140000")
    ] = None,
    polarity: Annotated[str | None, typer.Option(help="positive or negative.", show_default="positive")] = None,
    mode: Annotated[
        str | None, typer.Option(help="Of the imzML: processed or continuous.", show_default="processed")
    ] = None,
    optical: Annotated[
        bool, typer.Option("--optical", help="Write a picture of the stained tissue too, to lie beneath ion images.")
    ] = False,
) -> None:
    """Simulate an imaging mass spectrometry dataset with known ions in it.

    Writes NAME.imzML, NAME.ibd, NAME.truth.tsv (the planted ions) and NAME.job.json (the instrument) into FOLDER.
    Options that are given override those of the preset.
    """
    options = {
        "width": width,
        "height": height,
        "seed": seed,
        "peaks_per_spectrum": peaks,
        "ions": ions,
        "wrong_patterns": wrong_patterns,
        "jitter_ppm": jitter,
        "analyzer": analyzer,
        "resolving_power": resolving_power,
        "polarity": polarity,
        "mode": mode,
    }
    given: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    dataset = write_dataset(replace(_base(preset), **given), folder, name, optical=optical)
    console = Console(soft_wrap=True, highlight=False)
    console.print(f"{dataset.imzml}: {dataset.spectra:,} spectra, {dataset.peaks:,} peaks", markup=False)
    console.print(f"The ions planted in it are in {dataset.truth}.", markup=False)


def _base(preset: str | None) -> Simulation:
    if preset is None:
        return Simulation()
    if preset not in PRESETS:
        raise InvalidConfigurationError(f"There is no preset {preset!r}; give one of {', '.join(PRESETS)}.")
    return PRESETS[preset]
