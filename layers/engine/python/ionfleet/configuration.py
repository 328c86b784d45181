"""The configuration of a job: what a user may say, and what that comes to for a dataset.

docs/annotation.md, Configuration. `JobConfiguration` is the `job.json` beside a dataset, every field of it optional.
`resolve` fills in what was left out, from the dataset's header and the defaults, and gives a `ResolvedConfiguration`,
which has an answer to every question.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from difflib import get_close_matches
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    ValidationError,
    model_validator,
)

from ionfleet.errors import InvalidConfigurationError
from ionfleet.findings import Finding
from ionfleet.formula import UNCHANGED, Compatibility, InvalidFormulaError, parse_modifier
from ionfleet.index import Analyzer, DatasetHeader, Polarity
from ionfleet.ions import IonSettings, modifier_table

MAX_BYTES = 256 * 1024
"""Size of a configuration's text."""

MAX_DEPTH = 32
"""Lists and objects within each other."""

MAX_PROBLEMS = 10
"""Problems that a message spells out; the rest is counted."""

MAX_SHOWN = 80
"""Characters of a wrong value that a message shows."""

MAX_MODIFIERS = 400
"""Values of each list of adducts, losses and modifications."""

N_LEVELS = 30
"""Thresholds of the measure of spatial chaos."""

DEFAULT_ADDUCTS: dict[Polarity, tuple[str, ...]] = {"positive": ("+H", "+Na", "+K"), "negative": ("-H", "+Cl")}

DEFAULT_RESOLVING_POWER = 140_000.0
"""Resolving power at m/z 200 that is assumed, with a warning, where none is given."""

_ANALYZER_WORDS: tuple[tuple[Analyzer, tuple[str, ...]], ...] = (
    ("orbitrap", ("orbitrap", "exactive", "exploris", "hf-x", "uhmr")),
    ("fticr", ("fticr", "ft-icr", "ftms", "ft-ms")),
    ("tof", ("tof", "mrt", "synapt", "xevo")),
)

# Classes of resolving power at m/z 200: below the first number, peaks are this wide (sigma in Da).
_SIGMA_CLASSES = (
    (85_000, 0.002476),
    (120_000, 0.001733),
    (195_000, 0.001238),
    (265_000, 0.000693),
    (390_000, 0.000619),
    (625_000, 0.000347),
    (875_000, 0.000231),
    (math.inf, 0.000173),
)


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _modifier(value: str) -> str:
    try:
        fragments = parse_modifier(value)
    except InvalidFormulaError as error:
        raise ValueError(f"{_shown(repr(value))}: {error}") from None
    if not fragments and value not in UNCHANGED:
        raise ValueError("a blank text is no adduct, loss or modification")
    return value


def _changing_modifier(value: str) -> str:
    if value in UNCHANGED:
        raise ValueError(f"{value!r} is an adduct; give it as one")
    return _modifier(value)


def _printable(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError("it is blank or has characters that cannot be printed")
    return value


def _file_name(value: str) -> str:
    if "/" in _printable(value) or value in (".", ".."):
        raise ValueError(f"{_shown(repr(value))} is no name of a file beside the dataset")
    return value


def _invertible(matrix: Transform) -> Transform:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    if abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)) < 1e-12:
        raise ValueError("the matrix has no inverse: it takes the image to a line or a point")
    return matrix


Row = tuple[float, float, float]
Transform = tuple[Row, Row, Row]
"""Rows of the matrix that takes pixels of the ion image (x, y, 1) to pixels of the optical image."""

Text = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(_printable)]
Modification = Annotated[str, AfterValidator(_changing_modifier)]
Positive = Annotated[int, Field(ge=1, le=2**53)]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Planning(_Strict):
    """What the planner decides by itself; given for tests and by experts. It changes no result."""

    sort_task_peaks: Positive | None = Field(default=None, description="a whole number of at least 1")
    segment_peaks: Positive | None = Field(default=None, description="a whole number of at least 1")
    isotope_task_formulas: Positive | None = Field(default=None, description="a whole number of at least 1")


class JobConfiguration(_Strict):
    """What a user says about a job. The description of a field says which values it may have."""

    name: Text | None = Field(default=None, description="a text of 1 to 1,000 printable characters")
    polarity: Annotated[Polarity, BeforeValidator(_lower)] | None = Field(
        default=None, description="positive or negative; otherwise that of the dataset's header"
    )
    analyzer: Annotated[Analyzer, BeforeValidator(_lower)] | None = Field(
        default=None, description="orbitrap, fticr or tof; otherwise told from the dataset's header"
    )
    resolving_power: float | None = Field(default=None, ge=100, le=1e8, description="a number from 100 to 100,000,000")
    resolving_power_mz: float | None = Field(
        default=None, gt=0, le=1e5, description="the m/z that resolving_power is given at, above 0 and up to 100,000"
    )
    ppm: float = Field(default=3.0, gt=0, le=100, description="a number above 0 and up to 100")
    databases: tuple[Text, ...] = Field(
        default=("ionfleet-core",),
        min_length=1,
        max_length=50,
        description="a list of 1 to 50 names or keys of databases",
    )
    adducts: tuple[Annotated[str, AfterValidator(_modifier)], ...] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_MODIFIERS,
        description="a list of 1 to 400 adducts such as +H, -H, +Na or [M]+; otherwise those of the polarity",
    )
    neutral_losses: tuple[Modification, ...] = Field(
        default=(), max_length=MAX_MODIFIERS, description="a list of up to 400 losses such as -H2O"
    )
    chemical_modifications: tuple[Modification, ...] = Field(
        default=(),
        max_length=MAX_MODIFIERS,
        description="a list of up to 400 modifications such as +C2H2O or -H2O+C2H4O2",
    )
    decoy_sample_size: int = Field(default=20, ge=1, le=80, description="a whole number from 1 to 80")
    fdr_method: Annotated[Literal["v1", "v3"], BeforeValidator(_lower)] = Field(default="v3", description="v1 or v3")
    molecule_classes: tuple[Text, ...] = Field(
        default=(), max_length=1000, description="a list of up to 1,000 values of the databases' column class"
    )
    scoring_model: Text | None = Field(
        default=None, description="the name of a converted model in models/, with or without .cbm or .json"
    )
    isotope_peaks: int = Field(default=4, ge=2, le=10, description="a whole number from 2 to 10")
    min_pixels: Positive = Field(default=1, description="a whole number of at least 1")
    isotope_sigma: float | None = Field(
        default=None, ge=1e-6, le=1, description="a number from 0.000001 to 1, in Da at m/z 200"
    )
    compatibility: Annotated[Compatibility, BeforeValidator(_lower)] = Field(
        default="ionfleet", description="ionfleet or metaspace"
    )
    optical_image: Annotated[str, Field(min_length=1, max_length=250), AfterValidator(_file_name)] | None = Field(
        default=None, description="the name of a PNG or JPEG file beside the dataset"
    )
    transform: Annotated[Transform, AfterValidator(_invertible)] | None = Field(
        default=None, description="three rows of three numbers that make a matrix with an inverse"
    )
    planning: Planning = Field(default=Planning(), description="an object of planning values")
    skip_invalid: bool = Field(default=False, description="true or false")
    strict: bool = Field(default=False, description="true or false")
    max_cost_usd: float | None = Field(default=None, gt=0, description="a number above 0")
    notify: Text | None = Field(default=None, description="a text of 1 to 1,000 printable characters")
    metadata: dict[str, JsonValue] = Field(default={}, description="an object of anything")

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.resolving_power_mz is not None and self.resolving_power is None:
            raise ValueError("resolving_power_mz is given without resolving_power; give both or neither")
        if self.scoring_model is not None and self.fdr_method == "v1":
            raise ValueError("fdr_method v1 ranks the MSM alone; leave scoring_model out, or give fdr_method v3")
        if self.transform is not None and self.optical_image is None:
            raise ValueError("transform is given without optical_image; give the picture that it is for")
        for name in ("adducts", "databases"):
            counts = Counter(getattr(self, name) or ())
            repeated = ", ".join(sorted(value for value, count in counts.items() if count > 1))
            if repeated:
                raise ValueError(f"{name}: {_shown(repeated)} is given more than once; give it once")
        return self

    @classmethod
    def from_json(cls, data: bytes, where: str) -> JobConfiguration:
        """Return the configuration in the bytes of a `job.json`.

        Parameters
        ----------
        data
            UTF-8 JSON, an object.
        where
            What to call it in messages, such as its key.

        Raises
        ------
        InvalidConfigurationError
            It is not JSON, has unknown or repeated fields, or impossible values; the message names each of them and
            what is allowed.

        """
        return cls._validated(_parse_object(data, where), where)

    def override(self, where: str = "the command line", **values: Any) -> JobConfiguration:
        """Return the configuration with other values for some fields; those that are None stay as they are.

        Values of `planning` and `metadata` are laid over those there, the others replace them.

        Raises
        ------
        InvalidConfigurationError
            As `from_json`.

        """
        given = self.model_dump(mode="json", exclude_unset=True)
        for name, value in values.items():
            if isinstance(value, dict) and isinstance(given.get(name), dict):
                given[name] = given[name] | value
            elif value is not None:
                given[name] = value
        return self._validated(given, where)

    @classmethod
    def _validated(cls, fields: dict[str, Any], where: str) -> JobConfiguration:
        try:
            # By way of JSON, in whose strict mode a list is a tuple, but a text is no number.
            return cls.model_validate_json(json.dumps(fields))
        except ValidationError as error:
            raise InvalidConfigurationError(_described(error, where)) from None


class ResolvedConfiguration(_Strict):
    """What a job does: every value known, none to be looked up or assumed any more.

    Attributes
    ----------
    charge
        Of every ion, +1 or -1.
    resolving_power
        At m/z 200, by the rule of the analyzer.
    isotope_sigma
        Width of a peak in Da at m/z 200.
    n_levels
        Thresholds of the measure of spatial chaos.
    findings
        What was assumed, for the summary.

    Other fields are those of `JobConfiguration`.

    """

    name: str | None
    polarity: Polarity
    charge: Literal[-1, 1]
    analyzer: Analyzer
    resolving_power: float
    isotope_sigma: float
    ppm: float
    databases: tuple[str, ...]
    adducts: tuple[str, ...]
    neutral_losses: tuple[str, ...]
    chemical_modifications: tuple[str, ...]
    decoy_sample_size: int
    fdr_method: Literal["v1", "v3"]
    molecule_classes: tuple[str, ...]
    scoring_model: str | None
    isotope_peaks: int
    min_pixels: int
    n_levels: int
    compatibility: Compatibility
    optical_image: str | None = None
    transform: Transform | None = None
    planning: Planning
    skip_invalid: bool
    strict: bool
    max_cost_usd: float | None
    notify: str | None
    metadata: dict[str, JsonValue]
    findings: tuple[Finding, ...] = ()

    @property
    def ions(self) -> IonSettings:
        """What decides the job's ions."""
        return IonSettings(
            adducts=self.adducts,
            neutral_losses=self.neutral_losses,
            chemical_modifications=self.chemical_modifications,
            decoy_sample_size=self.decoy_sample_size,
            fdr_method=self.fdr_method,
            compatibility=self.compatibility,
        )

    def identity(self) -> bytes:
        """Return canonical JSON of all that is part of a job's id: not planning, budget, notification and findings."""
        fields = self.model_dump(mode="json", exclude={"planning", "max_cost_usd", "notify", "findings"})
        return json.dumps(fields, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()

    def to_json(self) -> bytes:
        """Return the configuration as JSON, for `from_json`."""
        return self.model_dump_json().encode()

    @classmethod
    def from_json(cls, data: bytes) -> ResolvedConfiguration:
        """Return the configuration that `to_json` wrote."""
        return cls.model_validate_json(data)


def model_name(reference: str) -> str:
    """Return the name of the scoring model that a configuration refers to: a file's, without folder and extension."""
    name = reference.replace("\\", "/").rpartition("/")[2]
    for extension in (".cbm", ".json"):
        if name.lower().endswith(extension) and len(name) > len(extension):
            name = name[: -len(extension)]
    return unicodedata.normalize("NFC", name)


def resolve_for(configuration: JobConfiguration, header: DatasetHeader) -> ResolvedConfiguration:
    """Return what a configuration comes to for the dataset of a header; raises what `resolve` raises."""
    return resolve(
        configuration,
        header_polarity=header.polarity,
        header_analyzer=header.analyzer,
        header_instrument=header.instrument,
        header_resolving_power=header.resolving_power,
    )


def resolve(
    configuration: JobConfiguration,
    header_polarity: Polarity | None = None,
    header_analyzer: Analyzer | None = None,
    header_instrument: str = "",
    header_resolving_power: float | None = None,
) -> ResolvedConfiguration:
    """Return what a configuration comes to for a dataset.

    Parameters
    ----------
    configuration
        What the user said; it goes before the header.
    header_polarity
        Polarity of the dataset's spectra by its header, None where it has none or both.
    header_analyzer
        Analyzer by the terms of the header, None where it has none of those known here.
    header_instrument
        What the header says of the instrument in free words; asked last.
    header_resolving_power
        Resolving power by the header, which does not say at which m/z; taken, with a warning, as that at m/z 200.

    Raises
    ------
    InvalidConfigurationError
        Neither says the polarity; the adducts do not go with it, or make too many modifiers; something is asked for
        that is not supported.

    """
    findings: list[Finding] = []
    polarity = _polarity(configuration, header_polarity, findings)
    analyzer = configuration.analyzer or header_analyzer or _analyzer(header_instrument, findings)
    resolving_power = _resolving_power(configuration, analyzer, header_resolving_power, findings)
    unresolved = {"resolving_power_mz", "planning"}
    known = configuration.model_dump(exclude=unresolved) | {
        "polarity": polarity,
        "charge": 1 if polarity == "positive" else -1,
        "analyzer": analyzer,
        "resolving_power": resolving_power,
        "isotope_sigma": configuration.isotope_sigma or sigma_of_class(resolving_power),
        "adducts": configuration.adducts or DEFAULT_ADDUCTS[polarity],
        "n_levels": N_LEVELS,
        "scoring_model": None if configuration.scoring_model is None else model_name(configuration.scoring_model),
        "planning": configuration.planning,
        "findings": tuple(findings),
    }
    resolved = ResolvedConfiguration(**known)
    _refuse_other_charge(resolved)
    modifier_table(resolved.ions)
    return resolved


def analyzer_of(instrument: str) -> Analyzer | None:
    """Return the analyzer that a free text about an instrument speaks of, None where it speaks of none."""
    text = instrument.casefold()
    return next((analyzer for analyzer, words in _ANALYZER_WORDS if any(word in text for word in words)), None)


def resolving_power_at_200(analyzer: Analyzer, resolving_power: float, mz: float) -> float:
    """Return the resolving power at m/z 200 of an analyzer that has the one given at another m/z."""
    if analyzer == "fticr":
        return resolving_power * mz / 200
    if analyzer == "orbitrap":
        return resolving_power * math.sqrt(mz / 200)
    return resolving_power


def sigma_of_class(resolving_power: float) -> float:
    """Return the width of a peak, sigma in Da at m/z 200, of the class that a resolving power at m/z 200 falls into."""
    return next(sigma for bound, sigma in _SIGMA_CLASSES if resolving_power < bound)


def _polarity(configuration: JobConfiguration, header: Polarity | None, findings: list[Finding]) -> Polarity:
    polarity = configuration.polarity or header
    if polarity is None:
        raise InvalidConfigurationError(
            "The dataset's header does not say one polarity and the configuration says none; "
            "set polarity to positive or negative in job.json, or give --polarity."
        )
    if header is not None and header != polarity:
        message = f"The configuration says {polarity}, the dataset's header {header}; the configuration was followed."
        findings.append(Finding("warning", "other-polarity", message, "polarity"))
    return polarity


def _analyzer(instrument: str, findings: list[Finding]) -> Analyzer:
    analyzer = analyzer_of(instrument)
    if analyzer is None:
        said = f"The dataset's header says {instrument[:100]!r}" if instrument else "The dataset's header names none"
        message = f"{said}; an orbitrap was assumed. Set analyzer to orbitrap, fticr or tof."
        findings.append(Finding("warning", "assumed-analyzer", message, "analyzer"))
        return "orbitrap"
    return analyzer


def _resolving_power(
    configuration: JobConfiguration, analyzer: Analyzer, header: float | None, findings: list[Finding]
) -> float:
    if configuration.resolving_power is not None:
        mz = configuration.resolving_power_mz or 200.0
        return resolving_power_at_200(analyzer, configuration.resolving_power, mz)
    assumed = header or DEFAULT_RESOLVING_POWER
    if configuration.isotope_sigma is None:
        origin = "that of the dataset's header" if header else "as neither configuration nor header give any"
        message = (
            f"{assumed:,.0f} at m/z 200 was assumed, {origin}; it decides how wide the peaks of isotope patterns are. "
            "Set resolving_power and resolving_power_mz."
        )
        findings.append(Finding("warning", "assumed-resolving-power", message, "resolving_power"))
    return assumed


def _refuse_other_charge(resolved: ResolvedConfiguration) -> None:
    other = "[M]-" if resolved.polarity == "positive" else "[M]+"
    if other in resolved.adducts:
        raise InvalidConfigurationError(
            f"adducts: {other} does not go with the polarity, which is {resolved.polarity}; leave it out."
        )


def _parse_object(data: bytes, where: str) -> dict[str, Any]:
    """Return the fields of a JSON object; refuse what is none, repeated fields, and numbers that are none."""
    if len(data) > MAX_BYTES:
        raise InvalidConfigurationError(f"{where} has {len(data):,} bytes, at most {MAX_BYTES:,} are allowed.")
    try:
        text = data.decode("utf-8-sig")
        fields = json.loads(
            text, object_pairs_hook=_unrepeated, parse_constant=_refuse_number, parse_float=_finite, parse_int=_whole
        )
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise InvalidConfigurationError(
            f"{where} has half a character (an escape from \\ud800 to \\udfff that stands alone); remove it."
        ) from None
    except UnicodeError:
        raise InvalidConfigurationError(f"{where} is not UTF-8 text; save it as UTF-8.") from None
    except RecursionError:
        raise _too_deep(where) from None
    except ValueError as error:
        raise InvalidConfigurationError(f"{where} is not JSON that can be used: {error}.") from None
    if not isinstance(fields, dict):
        raise InvalidConfigurationError(f"{where} is not a JSON object; write fields and values within {{ and }}.")
    if _deeper_than(fields, MAX_DEPTH):
        raise _too_deep(where)
    return fields


def _deeper_than(value: object, depth: int) -> bool:
    """Tell whether lists and objects lie in each other more than `depth` deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return depth == 0 or any(_deeper_than(each, depth - 1) for each in inner)


def _too_deep(where: str) -> InvalidConfigurationError:
    return InvalidConfigurationError(
        f"{where} has lists and objects within each other more than {MAX_DEPTH} deep; make it flatter."
    )


def _unrepeated(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = Counter(names).most_common(1)[0][0]
        raise ValueError(f"the field {_shown(repr(repeated))} stands there more than once")
    return fields


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is not a number that can be used")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_number(text)


def _whole(text: str) -> int:
    return int(text) if len(text) < 20 else _refuse_number(text)


def _described(error: ValidationError, where: str) -> str:
    """Return one message about all that is wrong with a configuration."""
    details = error.errors(include_url=False)
    inner = {each["loc"][:length] for each in details for length in range(1, len(each["loc"]))}
    # A list with a wrong value is reported again as one that is too short.
    outer = [each for each in details if each["loc"] not in inner]
    problems = list(dict.fromkeys(map(_problem, outer[:MAX_PROBLEMS])))
    rest = len(outer) - MAX_PROBLEMS
    return f"{where}: " + "; ".join([*problems, f"and {rest:,} more problems"] if rest > 0 else problems) + "."


def _problem(details: Any) -> str:
    location = details["loc"]
    if details["type"] == "extra_forbidden":
        return _unknown_field(location)
    if details["type"] == "value_error":
        reason = str(details["ctx"]["error"])
        return f"{location[0]}: {reason}" if location else reason
    name, field = str(location[0]), JobConfiguration.model_fields[location[0]]
    if name == "planning" and len(location) > 1:
        name, field = f"planning.{location[1]}", Planning.model_fields[location[1]]
    verb = "has" if any(isinstance(part, int) for part in location) else "is"
    shown = _shown(json.dumps(details["input"], ensure_ascii=False))
    return f"{name} {verb} {shown}; allowed is {field.description}"


def _unknown_field(location: tuple[Any, ...]) -> str:
    model = Planning if location[0] == "planning" and len(location) > 1 else JobConfiguration
    name = str(location[-1])
    near = get_close_matches(name[:MAX_SHOWN], model.model_fields, n=1)
    hint = f", perhaps {near[0]!r} is meant" if near else ""
    whose = "planning has no field" if model is Planning else "there is no field"
    return f"{whose} {_shown(repr(name))}{hint}; the fields are {', '.join(model.model_fields)}"
