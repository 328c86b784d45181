"""The options that say which job to make of a dataset: the same for every command that makes or estimates one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from ionfleet_cli import options

if TYPE_CHECKING:
    from ionfleet_cli.run import Request

Command = Callable[..., None]


@dataclass(frozen=True)
class Asked:
    """What a command line says about a job: files as they were given, and fields of the configuration."""

    dataset: Path
    databases: tuple[Path, ...]
    configuration: Path | None
    fields: dict[str, object]
    scoring_model: Path | None
    optical_image: Path | None

    def request(self, *, known: bool = False) -> Request:
        """Return the request that it comes to; with `known`, databases and models may be in the cloud already.

        Raises
        ------
        InvalidInputError
            A file is missing or evidently wrong.
        UsageError
            The options make no configuration.

        """
        from ionfleet_cli.run import Extras, prepare

        extras = Extras(self.scoring_model, self.optical_image)
        return prepare(self.dataset, self.databases, self.configuration, self.fields, extras, known=known)


Asking = Callable[[], Asked]
"""Returns what is asked for; raises `UsageError` for options that mean nothing."""


def asking(command: Command) -> Command:
    """Give a command, whose first parameter is an `Asking`, the options that it tells of before its own."""
    first, *own = _parameters(command)
    shared = _parameters(_asked)

    @functools.wraps(command)
    def told(**values: Any) -> None:
        mine = {parameter.name: values.pop(parameter.name) for parameter in shared}
        command(**{first.name: functools.partial(_asked, **mine)}, **values)

    # What Typer makes options of.
    told.__signature__ = inspect.Signature([*shared, *own])  # type: ignore[attr-defined]
    told.__annotations__ = {parameter.name: parameter.annotation for parameter in (*shared, *own)}
    return told


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    # The types of other parameters than options are known to type checkers alone.
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    return [
        parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
        for parameter in parameters
    ]


def _asked(
    dataset: options.Dataset,
    database: options.Databases = None,
    config: options.Configuration = None,
    name: options.Name = None,
    metadata: options.Metadata = None,
    optical_image: options.OpticalImage = None,
    transform: options.Transform = None,
    max_cost_usd: options.MaxCost = None,
    notify: options.Notify = None,
    adduct: options.Adducts = None,
    neutral_loss: options.NeutralLosses = None,
    chemical_modification: options.ChemicalModifications = None,
    molecule_class: options.MoleculeClasses = None,
    skip_invalid: options.SkipInvalid = None,
    polarity: options.Polarity = None,
    analyzer: options.Analyzer = None,
    resolving_power: options.ResolvingPower = None,
    resolving_power_mz: options.ResolvingPowerMz = None,
    isotope_sigma: options.IsotopeSigma = None,
    ppm: options.Ppm = None,
    fdr_method: options.FdrMethod = None,
    decoy_sample_size: options.DecoySampleSize = None,
    isotope_peaks: options.IsotopePeaks = None,
    min_pixels: options.MinPixels = None,
    compatibility: options.Compatibility = None,
    scoring_model: options.ScoringModel = None,
    strict: options.Strict = None,
    plan: options.Plan = None,
) -> Asked:
    fields = options.given(
        name=name, metadata=options.pairs("--metadata", metadata), transform=options.matrix(transform),
        max_cost_usd=max_cost_usd, notify=notify, adducts=adduct, neutral_losses=neutral_loss,
        chemical_modifications=chemical_modification, molecule_classes=molecule_class, skip_invalid=skip_invalid,
        polarity=polarity, analyzer=analyzer, resolving_power=resolving_power, resolving_power_mz=resolving_power_mz,
        isotope_sigma=isotope_sigma, ppm=ppm, fdr_method=fdr_method, decoy_sample_size=decoy_sample_size,
        isotope_peaks=isotope_peaks, min_pixels=min_pixels, compatibility=compatibility, strict=strict,
        planning=options.planning(plan),
    )  # fmt: skip
    return Asked(dataset, tuple(database or ()), config, fields, scoring_model, optical_image)
