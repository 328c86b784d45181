"""The options of the commands, and what those that set the configuration come to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ionfleet_cli.failures import UsageError
from ionfleet_cli.isotope_cache import default_folder

if TYPE_CHECKING:
    from ionfleet_cli.run import Places

_IONS = "Ions"
_INSTRUMENT = "Instrument"
_SCORING = "Scoring"
_LOCAL = "This run"
_EXAMPLES = {"--plan": "segment_peaks=100000", "--metadata": "organism=mouse"}

Dataset = Annotated[Path, typer.Argument(metavar="DATASET.imzML", help="The dataset; its ibd lies beside it.")]
DatabaseFile = Annotated[Path, typer.Argument(metavar="FILE", help="A table as TSV or CSV, gzipped or not.")]
Configuration = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Configuration of the job. Otherwise STEM.job.json or job.json beside the dataset.",
        show_default=False,
    ),
]
Debug = Annotated[bool, typer.Option("--debug", help="On an error, show where in the program it came from.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")]
EstimateAsJson = Annotated[bool, typer.Option("--json", help="Print the estimate as JSON.")]
StrictCheck = Annotated[bool, typer.Option("--strict", help="Take warnings for errors.")]
Checksums = Annotated[
    bool, typer.Option("--checksums", help="Compare the whole ibd with the checksums that the imzML declares.")
]

Databases = Annotated[
    list[Path] | None,
    typer.Option(
        "--database",
        metavar="FILE",
        help="Molecular database, a table as TSV or CSV; may be given several times. "
        "Otherwise those of the configuration, or ionfleet-core, which comes with Ionfleet.",
        show_default=False,
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Folder of the results.", show_default="STEM-results", rich_help_panel=_LOCAL
    ),
]
AgainOut = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="DIR",
        help="Folder of the results.",
        show_default="STEM-DATABASE-results",
        rich_help_panel=_LOCAL,
    ),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Write into a folder that holds other files, too.", rich_help_panel=_LOCAL),
]
Assembly = Annotated[
    Path | None,
    typer.Option(
        "--assembly",
        metavar="DIR",
        help="Synthesized template, such as cdk.out. Otherwise it is synthesized.",
        show_default=False,
        rich_help_panel=_LOCAL,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=256,
        help="Functions that run at one time.",
        show_default="the processors of this machine",
        rich_help_panel=_LOCAL,
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where isotope patterns and sorted runs are kept for later commands. To clear it, remove the folder.",
        show_default="~/.cache/ionfleet",
        rich_help_panel=_LOCAL,
    ),
]
NoCache = Annotated[
    bool,
    typer.Option(
        "--no-cache", help="Compute all isotope patterns; keep neither them nor sorted runs.", rich_help_panel=_LOCAL
    ),
]
RunsCache = Annotated[
    Path | None,
    typer.Option(
        "--cache",
        metavar="DIR",
        help="Where sorted runs are kept for later commands.",
        show_default="~/.cache/ionfleet",
    ),
]
Keep = Annotated[
    bool,
    typer.Option(
        "--keep", help="Keep the folder of the local cloud, its logs and objects included.", rich_help_panel=_LOCAL
    ),
]
Plan = Annotated[
    list[str] | None,
    typer.Option(
        "--plan",
        metavar="KEY=VALUE",
        help="How the work is cut: sort_task_peaks, segment_peaks or isotope_task_formulas. It changes no result.",
        show_default=False,
        rich_help_panel=_LOCAL,
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost-usd",
        metavar="DOLLARS",
        help="Refuse the job if on AWS it is estimated to cost more. A run on this machine costs nothing.",
        show_default="no limit",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata",
        metavar="KEY=VALUE",
        help="Something about the sample, shown with the results; may be given several times.",
        show_default=False,
    ),
]
OpticalImage = Annotated[
    Path | None,
    typer.Option(
        "--optical-image",
        metavar="FILE",
        help="A photograph or stained section beneath the ion images, PNG or JPEG.",
        show_default="that of the configuration",
    ),
]
Transform = Annotated[
    Path | None,
    typer.Option(
        "--transform",
        metavar="FILE.json",
        help="Where that lies, as the page exports it once the picture is placed.",
        show_default=False,
    ),
]
Notify = Annotated[
    str | None,
    typer.Option(
        "--notify",
        metavar="TEXT",
        help="Goes with the news of the job's end, for subscribers who filter by it.",
        show_default=False,
    ),
]
Name = Annotated[str | None, typer.Option(help="Name of the dataset in the results.", show_default="STEM")]

Adducts = Annotated[
    list[str] | None,
    typer.Option(
        "--adduct",
        metavar="ADDUCT",
        help="Such as +H, -H, +Na or [M]+; several times, or divided by commas.",
        show_default="+H,+Na,+K or -H,+Cl",
        rich_help_panel=_IONS,
    ),
]
NeutralLosses = Annotated[
    list[str] | None,
    typer.Option(
        "--neutral-loss",
        metavar="LOSS",
        help="Such as -H2O; likewise.",
        show_default=False,
        rich_help_panel=_IONS,
    ),
]
ChemicalModifications = Annotated[
    list[str] | None,
    typer.Option(
        "--chemical-modification",
        metavar="MODIFICATION",
        help="Such as +C2H2O; likewise.",
        show_default=False,
        rich_help_panel=_IONS,
    ),
]
MoleculeClasses = Annotated[
    list[str] | None,
    typer.Option(
        "--molecule-class",
        metavar="CLASS",
        help="Take only molecules of this class of the databases; may be given several times.",
        show_default=False,
        rich_help_panel=_IONS,
    ),
]
SkipInvalid = Annotated[
    bool | None,
    typer.Option(
        "--skip-invalid/--no-skip-invalid",
        help="Take the good rows of a database that has bad ones.",
        show_default=False,
        rich_help_panel=_IONS,
    ),
]

Chaos = Annotated[
    int | None,
    typer.Option(
        "--chaos",
        metavar="SEED",
        help="Let things go wrong in the local cloud: workers killed, calls refused or lost, events late and twice. "
        "What exactly follows from the seed.",
        show_default=False,
        rich_help_panel=_LOCAL,
    ),
]
Recordings = Annotated[
    list[Path],
    typer.Argument(metavar="EVENT.json…", help="An event of EventBridge, or a batch that a queue gave to a function."),
]
ReplayDataset = Annotated[
    Path | None,
    typer.Option(
        "--dataset",
        metavar="DATASET.imzML",
        help="Lies in the input bucket, with its ibd, under the keys that the events name.",
        show_default=False,
    ),
]
Shuffle = Annotated[
    int | None,
    typer.Option(
        "--shuffle", metavar="SEED", help="Send the events in an order that follows from the seed.", show_default=False
    ),
]
Twice = Annotated[bool, typer.Option("--twice", help="Send every event twice.")]


def _instrument(text: str, default: str | bool = False) -> object:
    return typer.Option(help=text, show_default=default, rich_help_panel=_INSTRUMENT)


def _scoring(text: str, default: str | bool = False) -> object:
    return typer.Option(help=text, show_default=default, rich_help_panel=_SCORING)


Polarity = Annotated[str | None, _instrument("positive or negative.", "that of the header")]
Analyzer = Annotated[str | None, _instrument("orbitrap, fticr or tof.", "told from the header")]
ResolvingPower = Annotated[
    float | None, _instrument("Decides how wide isotope peaks are.", "that of the header, or 140000")
]
ResolvingPowerMz = Annotated[float | None, _instrument("The m/z that the resolving power is given at.", "200")]
IsotopeSigma = Annotated[float | None, _instrument("Width of peaks at m/z 200 in Da, instead of a resolving power.")]
Ppm = Annotated[float | None, _instrument("Tolerance of m/z.", "3")]

FdrMethod = Annotated[str | None, _scoring("v1 or v3.", "v3")]
DecoySampleSize = Annotated[int | None, _scoring("Decoys for each target.", "20")]
IsotopePeaks = Annotated[int | None, _scoring("Peaks of an isotope pattern that are looked for.", "4")]
MinPixels = Annotated[int | None, _scoring("Pixels that an ion image must have.", "1")]
Compatibility = Annotated[str | None, _scoring("ionfleet, or metaspace with its known quirks.", "ionfleet")]
ScoringModel = Annotated[
    Path | None,
    typer.Option(
        "--scoring-model",
        metavar="FILE",
        help="A METASPACE-ML model (.cbm, or converted) whose score is ranked instead of the MSM.",
        show_default=False,
        rich_help_panel=_SCORING,
    ),
]
ModelFile = Annotated[Path, typer.Argument(metavar="FILE.cbm", help="A CatBoost model, such as METASPACE publishes.")]
ModelOut = Annotated[
    Path | None, typer.Option("--out", metavar="FILE.json", help="Where to write it.", show_default="STEM.json")
]
Strict = Annotated[bool | None, _scoring("Take warnings about the inputs for errors.", False)]


def places(out: Path | None, cache: Path | None, *, off: bool, resume: bool = False) -> Places:
    """Return where a run's results go, and what is kept where; `off` for nothing.

    Raises
    ------
    UsageError
        A cache is given, and that none is to be used.

    """
    from ionfleet_cli.run import Places

    if off and cache is not None:
        raise UsageError("--cache and --no-cache exclude each other; give one of them.")
    if off:
        return Places(out)
    return Places(out, cache=cache or default_folder(), runs=runs_folder(cache), resume=resume)


def runs_folder(cache: Path | None) -> Path:
    """Return where sorted runs are kept: beside the isotope patterns, unless a folder is given for both."""
    return cache or default_folder().parent


def given(**values: object) -> dict[str, object]:
    """Return the values of configuration fields that were given on the command line.

    Lists of modifiers may be divided by commas; a class of molecules may have a comma in its name.
    """
    fields = {
        name: _parts(value) if isinstance(value, list) and name not in ("molecule_classes", "transform") else value
        for name, value in values.items()
    }
    return {name: value for name, value in fields.items() if value is not None and value != []}


def _parts(texts: Sequence[str]) -> list[str]:
    return [part.strip() for text in texts for part in text.split(",")]


def planning(given_pairs: Sequence[str] | None) -> dict[str, object] | None:
    """Return the values of `planning` in pairs KEY=VALUE; whether they are known and possible is checked later.

    Raises
    ------
    UsageError
        A text is no such pair, or a key is given twice.

    """
    found = pairs("--plan", given_pairs) or {}
    values: dict[str, object] = {key: int(value) if _is_number(value) else value for key, value in found.items()}
    return values or None


def pairs(option: str, texts: Sequence[str] | None) -> dict[str, str] | None:
    """Return what an option says that is given as KEY=VALUE, as often as need be; None where it is not given.

    Raises
    ------
    UsageError
        A text is no such pair, or a key is given twice.

    """
    values: dict[str, str] = {}
    for text in texts or ():
        key, equals, value = (part.strip() for part in text.partition("="))
        if not (key and equals and value):
            raise UsageError(f"{option} {text!r} is not KEY=VALUE, such as {_EXAMPLES[option]}.")
        if key in values:
            raise UsageError(f"{option} {key} is given more than once; give it once.")
        values[key] = value
    return values or None


def matrix(path: Path | None) -> object:
    """Return the `transform` in a file, which is that alone or the lines of a configuration; checked later.

    Raises
    ------
    UsageError
        It cannot be read, or is no JSON of this kind.

    """
    if path is None:
        return None
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UsageError(f"--transform {path} cannot be read as JSON: {error}") from None
    if isinstance(content, dict):
        content = content.get("transform")
    if not isinstance(content, list):
        raise UsageError(
            f"--transform {path} holds no `transform`, three rows of three numbers; export it in the page."
        )
    return content


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()
