"""The part of an imzML file before its spectra, understood by pyimzML's metadata classes."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from xml.etree.ElementTree import Element, SubElement

from pyimzml.metadata import XMLNS_PREFIX, Metadata, ParamGroup
from pyimzml.ontology.ontology import ACCESSION_FIX_MAPPING, all_terms

from ionfleet.findings import FindingLog
from ionfleet.imzml import terms
from ionfleet.imzml.markup import MAX_ATTRIBUTES, MAX_DEPTH, MAX_TEXT, MarkupReader, UnreadableError
from ionfleet.index import Analyzer

_MAX_BYTES = 16 << 20
_MAX_ELEMENTS = 10_000
# Each reference is followed through all the groups behind it, which costs the product of these.
_AT_MOST = {"referenceableParamGroup": 256, "referenceableParamGroupRef": 1000}
_SKIPPED = frozenset(
    {"cvList", "sourceFileList", "contact", "sampleList", "softwareList", "dataProcessingList", "userParam"}
)
# pyimzML cannot convert values of these types.
_UNREADABLE_TERMS = frozenset(accession for accession, (_, kind) in all_terms.items() if kind == "xsd:dateTime")


@dataclass(frozen=True)
class FileFacts:
    """What the header says; `groups` has the terms of each referenceable parameter group, through all references."""

    content: frozenset[str]
    groups: dict[str, frozenset[str]]
    uuid: str
    sha1: str
    md5: str
    instrument: str
    analyzer: Analyzer | None
    resolving_power: float | None
    pixel_size_um: tuple[float, float] | None


class HeaderBuilder:
    """Builds the tree of the header from start and end tags; at the first `spectrumList` calls `on_spectra` once.

    Tags are kept in the namespace that pyimzML expects, whatever prefix or namespace the file has or lacks.
    """

    def __init__(
        self, reader: MarkupReader, log: FindingLog, on_spectra: Callable[[str, dict[str, str]], None]
    ) -> None:
        self._reader = reader
        self._log = log
        self._on_spectra = on_spectra
        self._elements = 0
        self._counts = dict.fromkeys(_AT_MOST, 0)
        self._skipping = 0
        self._wrapped = False
        self.open: list[Element] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Take an element in."""
        local = name.rpartition(":")[2]
        if self._skipping or local in _SKIPPED:
            self._skipping += 1
            self._check_depth()
        elif local == "spectrumList":
            self._on_spectra(name, attributes)
        elif self.open:
            self._append(local, attributes)
        elif local == "mzML":
            self.open.append(Element(XMLNS_PREFIX + local))
        elif local != "indexedmzML" or self._wrapped:
            raise self._reader.not_imzml(f"its first element is <{name[:40]}>, where <mzML> is expected")
        else:
            self._wrapped = True

    def end(self, _: str) -> None:
        """Close an element."""
        if self._skipping:
            self._skipping -= 1
        elif self.open:
            self.open.pop()

    def _append(self, local: str, attributes: dict[str, str]) -> None:
        if local in _AT_MOST:
            self._count(local)
        self._elements += 1
        self._check_depth()
        if self._elements > _MAX_ELEMENTS or self._reader.position > _MAX_BYTES:
            message = (
                f"The header of the imzML, all before its spectra, has more than {_MAX_ELEMENTS:,} elements or "
                f"{_MAX_BYTES:,} bytes. Export the dataset again."
            )
            raise UnreadableError("header-too-large", message)
        self._check_attributes(attributes)
        if local == "cvParam":
            attributes = {"value": "", **attributes}
            self._note_mislabelled(attributes)
        self.open.append(SubElement(self.open[-1], XMLNS_PREFIX + local, attributes))
        if attributes.get("accession") in _UNREADABLE_TERMS:
            self.open[-2].remove(self.open[-1])

    def _count(self, local: str) -> None:
        self._counts[local] += 1
        if self._counts[local] > _AT_MOST[local]:
            message = (
                f"The header of the imzML, all before its spectra, has more than {_AT_MOST[local]:,} elements "
                f"<{local}>. Export the dataset again."
            )
            raise UnreadableError("header-too-large", message)

    def _check_attributes(self, attributes: dict[str, str]) -> None:
        if len(attributes) > MAX_ATTRIBUTES:
            message = (
                f"An element of the imzML's header at byte {self._reader.position:,} has {len(attributes):,} "
                f"attributes, at most {MAX_ATTRIBUTES} are read. Export the dataset again."
            )
            raise UnreadableError("too-many-attributes", message)
        for text in attributes.values():
            if len(text) > MAX_TEXT:
                raise self._reader.refuse_long(text)

    def _check_depth(self) -> None:
        if len(self.open) + self._skipping > MAX_DEPTH:
            raise too_deep()

    def _note_mislabelled(self, attributes: dict[str, str]) -> None:
        accession, name = attributes.get("accession"), attributes.get("name")
        if (accession, name) in ACCESSION_FIX_MAPPING:
            message = (
                f"The header gives {accession} the name {name!r}, which belongs to another term; the name is believed."
            )
            self._log.warning("mislabelled-term", message)


def too_deep() -> UnreadableError:
    """Return the error for elements within elements without end."""
    message = f"The elements of the imzML are nested more than {MAX_DEPTH} deep. Export the dataset again."
    return UnreadableError("too-deep", message)


def read_facts(root: Element, log: FindingLog) -> FileFacts:
    """Read the tree that `HeaderBuilder` made."""
    metadata = _metadata(root)
    groups = {
        str(name): frozenset(accession for group in _reach(metadata, [name]) for _, accession, *_ in group.cv_params)
        for name in metadata.referenceable_param_groups
    }
    content = metadata.file_description
    configurations = list(metadata.instrument_configurations.values())
    components = [component for configuration in configurations for component in configuration.components]
    return FileFacts(
        content=frozenset(
            accession for group in _with_reached(metadata, content) for _, accession, *_ in group.cv_params
        ),
        groups=groups,
        uuid=_hex(_text(metadata, content, terms.UUID)),
        sha1=_hex(_text(metadata, content, terms.SHA1)),
        md5=_hex(_text(metadata, content, terms.MD5)),
        instrument=_instrument(metadata, configurations),
        analyzer=_analyzer(metadata, components),
        resolving_power=_resolving_power(metadata, [content, *configurations, *components]),
        pixel_size_um=_pixel_size(metadata, log),
    )


def _metadata(root: Element) -> Metadata:
    # pyimzML takes these two for granted; without them nothing is known of the file's content, which is legal for us.
    for parent, local in ((root, "fileDescription"), (None, "fileContent")):
        owner = parent if parent is not None else root.find(XMLNS_PREFIX + "fileDescription")
        if owner is not None and owner.find(XMLNS_PREFIX + local) is None:
            SubElement(owner, XMLNS_PREFIX + local)
    with warnings.catch_warnings():
        # Names that differ from the vocabulary's are as common as harmless; the harmful ones are in the findings.
        warnings.simplefilter("ignore")
        return Metadata(root)


def _reach(metadata: Metadata, names: Iterable[str]) -> list[ParamGroup]:
    """Return the parameter groups of these names, and those that they refer to, each once."""
    groups: dict[str, ParamGroup] = metadata.referenceable_param_groups
    waiting, reached = list(names), dict[str, ParamGroup]()
    while waiting:
        name = waiting.pop(0)
        if name in groups and name not in reached:
            reached[name] = groups[name]
            waiting += groups[name].param_group_refs
    return list(reached.values())


def _with_reached(metadata: Metadata, group: ParamGroup) -> list[ParamGroup]:
    return [group, *_reach(metadata, group.param_group_refs)]


def _text(metadata: Metadata, group: ParamGroup, accession: str) -> str:
    """Return the value of a term in a group or in what it refers to, "" where it is not there."""
    for part in _with_reached(metadata, group):
        for _, found, _, _, value, *_ in part.cv_params:
            if found == accession:
                return str(value).strip()
    return ""


def _hex(text: str) -> str:
    return text.strip("{}").replace("-", "").lower()


def _instrument(metadata: Metadata, configurations: list[ParamGroup]) -> str:
    names: list[str] = []
    for configuration in configurations:
        for part in _with_reached(metadata, configuration):
            for name, accession, _, _, value, *_ in part.cv_params:
                if accession == terms.INSTRUMENT_MODEL:
                    names.append(str(value or name))
                elif accession != terms.SERIAL_NUMBER:
                    names.append(str(name))
    return ", ".join(dict.fromkeys(names))


def _analyzer(metadata: Metadata, components: list[ParamGroup]) -> Analyzer | None:
    """Return the mass analyzer among the components; a hybrid's last one is what made the spectra."""
    found: Analyzer | None = None
    for component in components:
        for part in _with_reached(metadata, component):
            for _, accession, *_ in part.cv_params:
                found = terms.ANALYZERS.get(accession, found)
    return found


def _resolving_power(metadata: Metadata, groups: list[ParamGroup]) -> float | None:
    for group in groups:
        power = _positive(_text(metadata, group, terms.RESOLVING_POWER))
        if power is not None:
            return power
    return None


def _pixel_size(metadata: Metadata, log: FindingLog) -> tuple[float, float] | None:
    """Return the first pixel size of the scan settings, in micrometres; x serves for y where only x is given."""
    sizes: list[tuple[float, float]] = []
    for settings in metadata.scan_settings.values():
        found: dict[str, float] = {}
        for part in _with_reached(metadata, settings):
            for _, accession, _, _, value, _, unit in part.cv_params:
                if accession in (terms.PIXEL_SIZE_X, terms.PIXEL_SIZE_Y) and accession not in found:
                    length, factor = _positive(str(value)), terms.MICROMETRES.get(unit or "UO:0000017")
                    if length is None or factor is None:
                        message = (
                            f"The pixel size {str(value)[:40]!r} with the unit {unit or 'micrometre'} is no length."
                        )
                        log.warning("pixel-size", message, f"scan settings {settings.attrs.get('id')}")
                    else:
                        found[accession] = length * factor
        if terms.PIXEL_SIZE_X in found:
            x = found[terms.PIXEL_SIZE_X]
            sizes.append((x, found.get(terms.PIXEL_SIZE_Y, x)))
    if len(set(sizes)) > 1:
        message = f"The scan settings give {len(set(sizes))} different pixel sizes; the first is taken, {sizes[0]} µm."
        log.warning("pixel-sizes-differ", message)
    return sizes[0] if sizes else None


def _positive(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None
