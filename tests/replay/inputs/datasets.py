"""The rows of what imzML files in the wild are like, each as the files of one dataset."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ionfleet.isotopes import Instrument, centroids

from ...unit.imzml_files import FORMATS, PLAIN, UUID, ZLIB, Dataset, Place, document, header, make, spectrum_xml

DATABASE = b"id\tname\tformula\nG\tGlucose\tC6H12O6\nA\tAlanine\tC3H7NO2\n"
IONS = ("C6H13O6", "C6H12O6Na", "C3H8NO2", "C6H12O6Au")
"""Three targets and a decoy."""
WIDTH, HEIGHT = 4, 3
POLARITY = '<cvParam accession="MS:1000130" name="positive scan"/>'


def spectra() -> list[tuple[list[float], list[float]]]:
    """Return a row after row of spectra of the same m/z values, whole intensities, and the ions in some of them."""
    rng = np.random.default_rng(8)
    patterns = centroids(IONS, Instrument("orbitrap", 0.001238, 1))
    used = patterns.mz > 0
    mz = np.concatenate([patterns.mz[used], np.linspace(60, 700, 20)])
    order = np.argsort(mz)
    made = []
    for pixel in range(WIDTH * HEIGHT):
        signal = np.round(patterns.intensity[used] * (1000 if pixel % WIDTH > 1 else 100) * (1 + pixel / 50)) + 1
        intensity = np.concatenate([signal, rng.integers(1, 1000, 20)])
        made.append((mz[order].tolist(), intensity[order].tolist()))
    return made


def grid(x: int = 1, y: int = 1) -> list[tuple[int, int]]:
    """Return the coordinates of the spectra, the first at (x, y)."""
    return [(x + pixel % WIDTH, y + pixel // WIDTH) for pixel in range(WIDTH * HEIGHT)]


def plain(**options: Any) -> Dataset:
    """Return the dataset that every odd one should be annotated as."""
    return make(spectra(), options.pop("coordinates", grid()), **options)


@dataclass(frozen=True)
class Row:
    """One dataset, and what should become of it.

    `says` is a regular expression for what the error, or the warning, says; an error without a stage is found before
    any array is read, one of the stage `plan` in the spectra that the planner samples. `names` are those of the imzML
    and of the ibd, or ibds.
    """

    make: Callable[[], Dataset]
    error: str = ""
    says: str = ""
    stage: str = ""
    configuration: dict[str, Any] | bytes = field(default_factory=dict)
    names: tuple[str, ...] = ("x.imzML", "x.ibd")

    def files(self) -> dict[str, bytes]:
        """Return what is put into the input bucket, by name; the imzML last."""
        dataset = self.make()
        given = self.configuration
        text = given if isinstance(given, bytes) else json.dumps({"databases": ["wild"]} | given).encode()
        return {"job.json": text, **dict.fromkeys(self.names[1:], dataset.ibd), self.names[0]: dataset.imzml.encode()}


def edited(old: str, new: str, count: int = -1) -> Callable[[], Dataset]:
    """Return a maker of the plain dataset with a text of its imzML replaced."""
    return lambda: plain().edit(old, new, count)


def without(*elements: str) -> Callable[[], Dataset]:
    """Return a maker of the plain dataset without some elements and all that is in them."""

    def made() -> Dataset:
        text = plain().imzml
        for name in elements:
            text, count = re.subn(rf"<{name}\b.*?</{name}>", "", text, flags=re.DOTALL)
            assert count
        return Dataset(text, plain().ibd)

    return made


def unwrapped_scans() -> Dataset:
    return plain().edit('<scanList count="1"><scan>', "").edit("</scan></scanList>", "")


def continuous() -> Dataset:
    """Return spectra that share one m/z array."""
    ibd, parts = bytearray(UUID), []
    mz = np.asarray(spectra()[0][0], "<f8")
    ibd += mz.tobytes()
    for (x, y), (_, intensity) in zip(grid(), spectra(), strict=True):
        place = Place(len(ibd), len(mz), 4 * len(mz))
        ibd += np.asarray(intensity, "<f4").tobytes()
        parts.append(spectrum_xml(x, y, Place(16, len(mz), 8 * len(mz)), place))
    return Dataset(document(parts), bytes(ibd)).edit("IMS:1000031", "IMS:1000030")


def shared_pixels() -> Dataset:
    """Return every spectrum as two of the same pixel, on two planes, each with every other peak."""
    halves = [(mz[i::2], intensity[i::2]) for mz, intensity in spectra() for i in (0, 1)]
    dataset = make(halves, [place for place in grid() for _ in (0, 1)])
    return dataset.edit("</scan>", '<cvParam accession="IMS:1000052" name="position z" value="2"/></scan>', 5)


def polluted() -> Dataset:
    """Return the spectra with points that mean nothing among theirs, and out of order."""
    junk = [(150.0, np.nan), (160.0, -5.0), (170.0, 0.0), (np.nan, 5.0), (np.inf, 5.0), (180.0, -np.inf)]
    made = []
    for number, (mz, intensity) in enumerate(spectra()):
        points = [*zip(mz, intensity, strict=True), *junk]
        order = np.random.default_rng(number).permutation(len(points))
        made.append(tuple(np.array([points[i] for i in order]).T))
    return make(made, grid())


def every_format() -> Dataset:
    """Return spectra whose intensities are in turn 32 and 64 bit float, 32 and 64 bit integer."""
    ibd, parts = bytearray(UUID), []
    for number, ((x, y), (mz, intensity)) in enumerate(zip(grid(), spectra(), strict=True)):
        item = [*FORMATS][number % len(FORMATS)]
        start, points = len(ibd), len(mz)
        ibd += np.asarray(mz, "<f8").tobytes() + np.asarray(intensity, item).tobytes()
        places = Place(start, points, 8 * points), Place(start + 8 * points, points, int(item[2]) * points)
        parts.append(spectrum_xml(x, y, *places).replace("intensityArray", f"intensity{item[1:]}"))
    term, end = '<cvParam accession="MS:1000515" name="intensity array"/>', "</referenceableParamGroup>"
    groups = [
        f'<referenceableParamGroup id="intensity{item[1:]}">{term}{FORMATS[item]}{PLAIN}{end}' for item in FORMATS
    ]
    return Dataset(document(parts), bytes(ibd)).edit(f"{end[:-1]}List>", f"{''.join(groups)}{end[:-1]}List>")


BOMB = zlib.compress(bytes(64 << 20), 9)
HARMLESS = [zlib.compress(bytes(24 * width)) for width in (8, 4)]
SIDE = 20
SAMPLED, UNSAMPLED = 0, SIDE
"""Spectra of a dataset of `SIDE` by `SIDE` pixels: of one that the planner samples, and of one that it does not."""


def bomb(armed: int) -> Dataset:
    """Return arrays of compressed zeros, those of one spectrum far more than the points that they are said to have."""
    sizes = [len(BOMB), *map(len, HARMLESS)]
    bad, mz, intensity = (Place(16 + sum(sizes[:number]), 24, size) for number, size in enumerate(sizes))
    places = [(bad, bad) if number == armed else (mz, intensity) for number in range(SIDE**2)]
    parts = [spectrum_xml(1 + number % SIDE, 1 + number // SIDE, *pair) for number, pair in enumerate(places)]
    return Dataset(document(parts, header(compression=ZLIB)), b"".join([UUID, BOMB, *HARMLESS]))


def no_zlib(damaged: int) -> Dataset:
    """Return compressed arrays, of which that of one spectrum does not begin as it should."""
    some = spectra()
    made = make(
        [some[number % len(some)] for number in range(SIDE**2)],
        [(1 + number % SIDE, 1 + number // SIDE) for number in range(SIDE**2)],
        compress=True,
    )
    offset = int(re.findall(r'name="external offset" value="(\d+)"', made.imzml)[2 * damaged])
    return Dataset(made.imzml, made.ibd[:offset] + bytes(2) + made.ibd[offset + 2 :])


def beyond(accession: str, value: str) -> Callable[[], Dataset]:
    """Return a maker of the plain dataset with another value for the first array's term."""

    def made() -> Dataset:
        text, count = re.subn(rf'(accession="{accession}"[^>]* value=")[^"]*', rf"\g<1>{value}", plain().imzml, count=1)
        assert count
        return Dataset(text, plain().ibd)

    return made


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
DATASET, CONFIGURATION, BUDGET = "InvalidDatasetError", "InvalidConfigurationError", "OutOfBudgetError"

ACCEPTED = {
    "zlib arrays": Row(lambda: plain(compress=True)),
    "without namespace": Row(edited(' xmlns="http://psi.hupo.org/ms/mzml"', "")),
    "without scanSettings and instrument": Row(
        without("scanSettingsList", "instrumentConfigurationList"), says="an orbitrap was assumed"
    ),
    "without scan": Row(unwrapped_scans),
    "polarity in the configuration only": Row(edited(POLARITY, ""), configuration={"polarity": "positive"}),
    "another UUID": Row(lambda: Dataset(plain().imzml, bytes(16) + plain().ibd[16:]), says="belong together"),
    "coordinates from 0": Row(lambda: plain(coordinates=grid(0, 0))),
    "coordinates below 0 and far out": Row(lambda: plain(coordinates=grid(-7, 2_000_000_000))),
    "planes and duplicate coordinates": Row(shared_pixels, says="share a pixel"),
    "profile mode": Row(edited("MS:1000127", "MS:1000128"), says="profile spectra"),
    "continuous mode": Row(continuous),
    "every number format in one file": Row(every_format),
    "NaN, negative, infinite, unsorted": Row(polluted),
    "encoded length of 0": Row(beyond("IMS:1000104", "0")),
    "spaces, percent, plus, case, CRLF": Row(
        lambda: Dataset(plain().imzml.replace("\n", "\r\n"), plain().ibd), names=("a b%20c+d.ImzML", "a b%20c+d.IBD")
    ),
    "one file composed, one decomposed": Row(plain, names=("Gehirn a\u0308.imzML", "Gehirn \u00e4.ibd")),
}
"""What is legal, however odd: annotated as the plain dataset is."""

REJECTED = {
    "truncated ibd": Row(
        lambda: Dataset(plain().imzml, plain().ibd[:-10]), DATASET, r"spectrum 12: .*array lies at bytes"
    ),
    "empty ibd": Row(lambda: Dataset(plain().imzml, b""), DATASET, "ibd is empty. Upload it again"),
    "unequal lengths": Row(beyond("IMS:1000103", "23"), DATASET, "23 m/z values but 36 intensities"),
    "offset beyond the end": Row(beyond("IMS:1000102", "999999"), DATASET, "spectrum 1: .*bytes 999,999 to"),
    "offset beyond 2^63": Row(beyond("IMS:1000102", str(1 << 63)), DATASET, "spectrum 1: .*whole number"),
    "negative offset": Row(beyond("IMS:1000102", "-5"), DATASET, "cannot be told apart"),
    "offset is no number": Row(beyond("IMS:1000102", "NaN"), DATASET, "spectrum 1: .*'NaN', where a whole number"),
    "length with an underscore": Row(beyond("IMS:1000103", "3_6"), DATASET, "'3_6', where a whole number"),
    "length in other digits": Row(beyond("IMS:1000103", "\u0663\u0666"), DATASET, "where a whole number"),
    "infinite length": Row(beyond("IMS:1000103", "1e400"), DATASET, "spectrum 1: .*'1e400', where a whole number"),
    "length of 2^53 and more": Row(beyond("IMS:1000103", str((1 << 53) + 1)), DATASET, "which cannot be in"),
    "negative length": Row(beyond("IMS:1000103", "-1"), DATASET, "said to have -1 points"),
    "position is infinite": Row(beyond("IMS:1000050", "Infinity"), DATASET, "x coordinate .*'Infinity'"),
    "no position": Row(without("scanList"), DATASET, "x coordinate .* is missing"),
    "no intensities": Row(edited('ref="intensityArray"', 'ref="mzArray"', 1), DATASET, "spectrum 1: There is"),
    "no polarity": Row(edited(POLARITY, ""), CONFIGURATION, "set polarity to positive or negative"),
    "another UUID, strict": Row(
        lambda: Dataset(plain().imzml, bytes(16) + plain().ibd[16:]),
        DATASET,
        "belong together",
        configuration={"strict": True},
    ),
    "DOCTYPE": Row(edited("<mzML", "<!DOCTYPE mzML><mzML"), DATASET, "declares a document type"),
    "external entity": Row(
        edited("<mzML", '<!DOCTYPE mzML [<!ENTITY e SYSTEM "file:///etc/passwd">]><mzML'), DATASET, "document type"
    ),
    "billion laughs": Row(
        edited("<mzML", f'<!DOCTYPE mzML [<!ENTITY l0 "ha">{LAUGHS}]><mzML'), DATASET, "declares a document type"
    ),
    "undefined entity": Row(edited('value="20"', 'value="&boom;"'), DATASET, r"not well-formed XML .*\(line 18\)"),
    "nested without end": Row(edited("<run>", "<run>" + "<a>" * 100), DATASET, "nested more than 64 deep"),
    "a long attribute": Row(edited('value="20"', f'value="{"9" * 5000}"'), DATASET, "has 5,000 characters, at most"),
    "a long attribute of a spectrum": Row(beyond("IMS:1000102", "9" * 5000), DATASET, "has 5,000 characters, at most"),
    "many attributes": Row(
        edited('value="20"', " ".join(f'a{n}="1"' for n in range(100))), DATASET, "102 attributes, at most 64"
    ),
    "a box of 2^31 by 2^31 pixels": Row(
        lambda: plain(coordinates=[(-(2**30), -(2**30)), *grid()[1:-1], (2**30, 2**30)]),
        DATASET,
        "span 2,147,483,649 by",
    ),
    "not XML": Row(lambda: Dataset("PK\x03\x04"), DATASET, "not (an )?imzML"),
    "other XML": Row(lambda: Dataset("<html><body/></html>"), DATASET, "<mzML> is expected"),
    "an empty imzML": Row(lambda: Dataset(""), DATASET, "is empty"),
    "a truncated imzML": Row(
        lambda: Dataset(plain().imzml[:3000], plain().ibd), DATASET, r"not well-formed XML at byte [\d,]+ \(line \d+\)"
    ),
    "MS-Numpress": Row(edited(PLAIN, '<cvParam accession="MS:1002312" name="x"/>', 1), DATASET, "MS-Numpress linear"),
    "two files that differ in case": Row(plain, DATASET, "x.IBD", names=("x.imzML", "x.ibd", "x.IBD")),
    "arrays that are not zlib": Row(edited(PLAIN, ZLIB), DATASET, "spectrum 1 .*decompressed", stage="plan"),
    "an array that is not zlib": Row(lambda: no_zlib(UNSAMPLED), DATASET, "spectrum 21 .*decompressed", stage="sort"),
    "a decompression bomb": Row(lambda: bomb(UNSAMPLED), DATASET, "decompresses to more than", stage="sort"),
    "a decompression bomb in the sample": Row(lambda: bomb(SAMPLED), DATASET, "decompresses to more", stage="plan"),
}
"""What cannot be annotated, and what its owner is told."""


def configured(data: bytes | dict[str, Any], says: str, error: str = CONFIGURATION) -> Row:
    return Row(plain, error, says, configuration=data)


CONFIGURED = {
    "an unknown field": configured({"polarty": "positive"}, "'polarty', perhaps 'polarity' is meant"),
    "an impossible value": configured({"ppm": -3}, "ppm is -3; allowed is a number above 0 and up to 100"),
    "NaN": configured(b'{"ppm": NaN}', "NaN is not a number"),
    "infinity": configured(b'{"ppm": -Infinity}', "-Infinity is not a number"),
    "1e400": configured(b'{"metadata": {"a": 1e400}}', "1e400 is not a number"),
    "beyond 2^53": configured(b'{"min_pixels": 9007199254740993}', "min_pixels is 9007199254740993"),
    "a number of 5,000 digits": configured(b'{"ppm": ' + b"9" * 5000 + b"}", "is not a number"),
    "a field twice": configured(b'{"ppm": 3, "ppm": 4}', "'ppm' stands there more than once"),
    "nested 300 deep": configured(b'{"metadata": {"a": ' + b"[" * 300 + b"]" * 300 + b"}}", "more than 32 deep"),
    "nested 100,000 deep": configured(b"[" * 100_000, "more than 32 deep"),
    "too long": configured(b'{"name": "' + b"a" * 300_000 + b'"}', "at most 262,144"),
    "20,000 unknown fields": configured({f"u{n}": 1 for n in range(20_000)}, "and 19,990 more problems"),
    "not JSON": configured(b"ppm: 3", "not JSON"),
    "not UTF-8": configured(b'{"name": "\xff"}', "not UTF-8"),
    "half a character": configured(b'{"name": "\\ud800"}', "half a character"),
    "a terminal's escape": configured(b'{"name": "\\u001b[31mred"}', "cannot be printed"),
    "text that turns around": configured({"name": "a\u202eb"}, "cannot be printed"),
    "400 adducts and more": configured({"adducts": ["+H"] * 401}, "a list of 1 to 400 adducts"),
    "too many combinations": configured(
        {"adducts": ["+H", "+Na"], "neutral_losses": [f"-C{n}" for n in range(1, 300)]}, "make 600 combinations"
    ),
    "too many ions": configured(
        {"databases": ["ionfleet-core"], "neutral_losses": [f"-C{n}" for n in range(1, 130)], "decoy_sample_size": 80},
        r"make [\d,]+ ions; a job on 432 peaks may have [\d,]+",
        BUDGET,
    ),
    "an unknown database": configured({"databases": ["nowhere"]}, "'nowhere'.* ionfleet-core"),
}
"""Configurations that no job can be made of."""
