"""Molecular databases: read from what users have, checked row by row, kept as one normal table.

docs/annotation.md, Formulas and ions. A database is a text table with a header, its columns divided by tabs, commas or
semicolons. Of the columns it becomes `id`, `name` and `formula` from whatever they are called; the others are kept.
"""

from __future__ import annotations

import codecs
import csv
import dataclasses
import gzip
import hashlib
import importlib.resources
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ionfleet.errors import InvalidConfigurationError, InvalidDatabaseError
from ionfleet.findings import Finding, errors_of, report
from ionfleet.formula import Compatibility, InvalidFormulaError, check_formula, format_formula, parse_formula
from ionfleet.parquet import read_table
from ionfleet.text import shortened

if TYPE_CHECKING:
    import _csv

MAX_BYTES = 256 * 1024 * 1024
"""Size of the text of a database, unpacked."""

MAX_ROWS = 1_000_000
"""Rows of a database; METASPACE takes 100,000."""

MAX_CELL = 2500
"""Characters of an id, a name or a formula."""

MAX_ROW = 1024 * 1024
"""Characters of a row, the header included."""

MAX_COLUMNS = 1000
MAX_TITLE = 200
"""Characters of a column's name."""

_BATCH_CELLS = 1_000_000
_PIECE = 1024 * 1024

REQUIRED = ("id", "name", "formula")

_PH_FORMULA = "Formula (pH7.3)"
_PH_CHARGE = "Charge (pH7.3)"

# What HMDB, LIPID MAPS, ChEBI, SwissLipids and METASPACE's own databases call the columns, the one to prefer first.
_COLUMN_NAMES = {
    "id": ("id", "mol_id", "accession", "hmdb_id", "lm_id", "regno", "Lipid ID", "chebi_accession", "chebi_id"),
    "name": ("name", "mol_name", "common_name", "chebi_name", "systematic_name"),
    "formula": ("formula", "sf", "chemical_formula", "molecular_formula", _PH_FORMULA),
    "class": ("class", "Lipid class*", "Lipid class", "main_class"),
}

_SIGNATURES = (
    (b"PAR1", "a Parquet file"),
    (b"PK\x03\x04", "a zip archive or a spreadsheet (xlsx, ods)"),
    (b"\xd0\xcf\x11\xe0", "an Excel spreadsheet (xls)"),
    (b"%PDF", "a PDF"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\x89HDF", "an HDF5 file"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (b"<", "XML or HTML"),
    (b"{", "JSON"),
)


@dataclass(frozen=True, eq=False)
class Database:
    """A molecular database, normalised.

    Attributes
    ----------
    name
        The name that it was imported under.
    table
        Columns `id`, `name`, `formula`, then those kept as they were (`class` under this name), all strings, in the
        order of the file.
    findings
        Warnings; with `skip_invalid`, also the rows that were left out.

    """

    name: str
    table: pa.Table
    findings: tuple[Finding, ...] = ()

    @cached_property
    def digest(self) -> str:
        """20 hex digits of the SHA-256 of the table's content, whatever file it came from."""
        content = hashlib.sha256()
        for column in self.table.column_names:
            content.update(json.dumps([column, *self.table[column].to_pylist()]).encode())
        return content.hexdigest()[:20]

    @cached_property
    def formulas(self) -> list[str]:
        """The distinct formulas in the order of their first occurrence, which fixes the decoys of each."""
        return list(self._rows)

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, formula in enumerate(self._column("formula")):
            rows.setdefault(formula, []).append(row)
        return rows

    def _column(self, name: str) -> list[str]:
        return cast(list[str], self.table[name].to_pylist())

    def molecules_of(self, formula: str) -> pa.Table:
        """Return the rows with a formula, in the order of the file; none where no row has it."""
        return self.table.take(pa.array(self._rows.get(formula, []), pa.int64()))

    def select_classes(self, classes: Collection[str]) -> Database:
        """Return the database of the rows whose `class` is one of those, whatever their case; itself for none.

        Raises
        ------
        InvalidConfigurationError
            There is no `class` column, or no row of these classes.

        """
        if not classes:
            return self
        if "class" not in self.table.column_names:
            raise InvalidConfigurationError(
                f"molecule_classes: database {self.name!r} has no column 'class', but "
                f"{_listed(self.table.column_names)}; leave molecule_classes out or give a database with classes."
            )
        wanted = {name.strip().casefold() for name in classes}
        column = self._column("class")
        rows = [row for row, name in enumerate(column) if name.casefold() in wanted]
        if not rows:
            raise InvalidConfigurationError(
                f"molecule_classes: database {self.name!r} has no molecule of {_listed(classes)}; "
                f"its classes are {_listed(sorted(set(column) - {''}))}."
            )
        return Database(self.name, self.table.take(rows), self.findings)

    def to_parquet(self) -> bytes:
        """Return the table as Parquet, with name, digest and counts as JSON in the schema's metadata."""
        facts = {
            "name": self.name,
            "digest": self.digest,
            "rows": self.table.num_rows,
            "formulas": len(self.formulas),
        }
        metadata = {b"ionfleet": json.dumps(facts, sort_keys=True).encode()}
        sink = io.BytesIO()
        pq.write_table(self.table.replace_schema_metadata(metadata), sink, compression="zstd")
        return sink.getvalue()

    @classmethod
    def from_parquet(cls, data: bytes) -> Database:
        """Return the database that `to_parquet` wrote; errors as `ionfleet.parquet.read_table`."""
        table = read_table(data)
        facts = json.loads((table.schema.metadata or {})[b"ionfleet"])
        if tuple(table.column_names[: len(REQUIRED)]) != REQUIRED or not isinstance(facts["name"], str):
            raise ValueError(f"a table of {_listed(table.column_names)}")
        if any(column.type != pa.string() or column.null_count for column in table.columns):
            raise ValueError("cells that are no text")
        return cls(facts["name"], table.replace_schema_metadata(None))


def read_database(
    data: bytes, name: str, *, skip_invalid: bool = False, compatibility: Compatibility = "ionfleet"
) -> Database:
    """Return the database in a file.

    Parameters
    ----------
    data
        The bytes of the file, gzipped or not.
    name
        The name to import it under; messages carry it.
    skip_invalid
        Leave out the rows that are refused, and list them in the findings, instead of refusing the file.
    compatibility
        Whose rules decide what a formula is.

    Raises
    ------
    InvalidDatabaseError
        The file is no table with the columns needed, or rows are refused; the message names them.

    """
    database, findings = inspect_database(data, name, compatibility=compatibility)
    errors = errors_of(findings)
    if database is None:
        raise InvalidDatabaseError(f"Database {name!r} cannot be read. {report(errors)}")
    if errors and not skip_invalid:
        raise InvalidDatabaseError(
            f"Database {name!r}: {len(errors):,} rows are refused, {database.table.num_rows:,} are good. Correct them, "
            f"or set skip_invalid to go on with the good ones.\n{report(errors)}"
        )
    left_out = (
        dataclasses.replace(finding, severity="warning", message=f"{finding.message}; the row is left out")
        if finding.severity == "error"
        else finding
        for finding in findings
    )
    return dataclasses.replace(database, findings=tuple(left_out))


def inspect_database(
    data: bytes, name: str, *, compatibility: Compatibility = "ionfleet"
) -> tuple[Database | None, list[Finding]]:
    """Return the database of a file's good rows, and everything wrong or unusual about the file.

    The database is None where the file as a whole cannot be used; otherwise each error is a row that was left out.
    """
    findings: list[Finding] = []
    try:
        table = _read_table(data, compatibility, findings)
    except InvalidDatabaseError as error:
        return None, [*findings, Finding("error", "unreadable-file", str(error))]
    if table.num_rows == 0:
        message = "No row is good." if errors_of(findings) else "There is a header but no row below it."
        return None, [*findings, Finding("error", "no-rows", f"{message} Give at least one molecule.")]
    _warn_of_repeated_ids(table, findings)
    return Database(name, table, tuple(findings)), findings


def bundled_database(name: str = "ionfleet-core") -> bytes:
    """Return the file of a database that comes with Ionfleet.

    Raises
    ------
    InvalidDatabaseError
        There is none of that name.

    """
    folder = importlib.resources.files("ionfleet") / "data"
    files = {file.name.removesuffix(".tsv"): file for file in folder.iterdir()} if folder.is_dir() else {}
    if name not in files:
        raise InvalidDatabaseError(f"No database {name!r} comes with Ionfleet; there is {_listed(sorted(files))}.")
    return files[name].read_bytes()


def _listed(names: Collection[str], limit: int = 20) -> str:
    shown = ", ".join(shortened(repr(name), 100) for name in list(names)[:limit])
    return f"{shown} and {len(names) - limit:,} more" if len(names) > limit else shown or "nothing"


def _read_table(data: bytes, compatibility: Compatibility, findings: list[Finding]) -> pa.Table:
    lines = _Lines(_open_text(_unpack(data), findings))
    first_line = next(lines, "")
    if not first_line.strip():
        raise InvalidDatabaseError("The first line is blank; it must name the columns, such as id, name and formula.")
    try:
        separator = _separator(first_line)
        columns = _Columns(next(csv.reader([first_line], delimiter=separator)))
        return _read_rows(lines, separator, _RowChecker(columns, compatibility), findings)
    except csv.Error as error:
        raise InvalidDatabaseError(
            f"The row on line {lines.number:,} cannot be cut into cells ({error}); look for a quote that is never "
            "closed."
        ) from None


def _read_rows(lines: _Lines, separator: str, checker: _RowChecker, findings: list[Finding]) -> pa.Table:
    """Return the table of the good rows; note the others."""
    names = checker.columns.names
    cells: list[list[str]] = [[] for _ in names]
    batches = [_as_table(names, cells)]
    for number, row in _numbered(lines, csv.reader(lines, delimiter=separator)):
        try:
            good = checker.cells(row)
        except _RefusedRowError as refused:
            findings.append(refused.finding(number))
            continue
        for column, cell in zip(cells, good, strict=True):
            column.append(cell)
        if len(cells[0]) * len(names) >= _BATCH_CELLS:
            # As Arrow's columns, cells take a tenth of the memory that they take as strings of Python.
            batches.append(_as_table(names, cells))
            cells = [[] for _ in names]
    return pa.concat_tables([*batches, _as_table(names, cells)]).combine_chunks()


def _as_table(names: Sequence[str], cells: Sequence[list[str]]) -> pa.Table:
    return pa.table({name: pa.array(column, pa.string()) for name, column in zip(names, cells, strict=True)})


class _Lines(Iterator[str]):
    """The lines of a text. What no row needs, a line or a quoted cell without end, is refused before it is held."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._row = 0
        self.number = 0

    def __next__(self) -> str:
        line = self._text.readline(MAX_ROW + 1)
        if not line:
            raise StopIteration
        self.number += 1
        self._row += len(line)
        if self._row > MAX_ROW:
            raise InvalidDatabaseError(
                f"The row that ends on line {self.number:,} or later has more than {MAX_ROW:,} characters; look for a "
                "quote that is never closed, or for line breaks that got lost."
            )
        return line

    def end_row(self) -> None:
        """Count anew from the next line on."""
        self._row = 0


def _numbered(lines: _Lines, rows: _csv.Reader) -> Iterator[tuple[int, list[str]]]:
    """Yield the rows that are not blank, with the number of the line that each begins on; the header is on line 1."""
    lines.end_row()
    number = lines.number + 1
    for count, row in enumerate(rows, start=1):
        if count > MAX_ROWS:
            raise InvalidDatabaseError(f"There are more than {MAX_ROWS:,} rows; split the database.")
        lines.end_row()
        if any(cell.strip() for cell in row):
            yield number, row
        number = lines.number + 1


def _unpack(data: bytes) -> bytes:
    """Return the bytes of the text, unpacked where they were gzipped, or refuse what is no text."""
    if data.startswith(b"\x1f\x8b"):
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
                data = file.read(MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            raise InvalidDatabaseError(f"The gzip archive is damaged ({error}); make or upload it again.") from None
    if len(data) > MAX_BYTES:
        raise InvalidDatabaseError(
            f"The table has more than {MAX_BYTES // 1024**2} MiB; leave out columns that are not needed, or split it."
        )
    beginning = data[:1000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not beginning:
        raise InvalidDatabaseError("The file is empty; give a table with a header and a row for each molecule.")
    for signature, kind in _SIGNATURES:
        if beginning.startswith(signature):
            raise InvalidDatabaseError(f"The file is {kind}; save it as a text table (TSV or CSV) and give that.")
    return data


def _open_text(data: bytes, findings: list[Finding]) -> io.TextIOWrapper:
    """Return the text of a file in UTF-8, UTF-16 with a mark, or, with a warning, Windows-1252."""
    encoding, binary = "utf-8-sig", "\x00"
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    wrong = _first_undecodable(data, encoding, binary)
    if wrong is not None:
        encoding, binary = "cp1252", r"[\x00-\x08\x0e-\x1f]"
        message = f"Byte {wrong:,} is not UTF-8; the text was read as Windows-1252. Look at names with accents."
        findings.append(Finding("warning", "not-utf-8", message))
        if _first_undecodable(data, encoding, binary) is not None:
            raise _not_text(f" (byte {wrong:,} is not UTF-8)")
    return io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")


def _first_undecodable(data: bytes, encoding: str, binary: str) -> int | None:
    """Return the place of the first byte that an encoding does not have; refuse what matches `binary`.

    The text is looked at piece by piece: whole, it could take four times the memory of its bytes.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    for start in range(0, len(data), _PIECE):
        pending = len(decoder.getstate()[0])
        try:
            piece = decoder.decode(data[start : start + _PIECE], final=start + _PIECE >= len(data))
        except UnicodeDecodeError as error:
            return start - pending + error.start
        if re.search(binary, piece):
            raise _not_text("")
    return None


def _not_text(why: str) -> InvalidDatabaseError:
    return InvalidDatabaseError(f"The file is not text{why}; save the table as TSV or CSV in UTF-8 and give that.")


def _separator(first_line: str) -> str:
    """Return what divides the header into the most columns that are known, or else the most columns."""

    def columns(separator: str) -> tuple[int, int]:
        names = {_normalised(cell) for cell in next(csv.reader([first_line], delimiter=separator), [])}
        known = sum(not names.isdisjoint(map(_normalised, spellings)) for spellings in _COLUMN_NAMES.values())
        return known, len(names)

    return max("\t,;", key=columns)


def _normalised(name: str) -> str:
    return re.sub(r"\s+", "_", name.strip().casefold())


class _Columns:
    """Which columns of a file become which columns of the table.

    Attributes
    ----------
    names
        The table's columns: `id`, `name`, `formula`, then the rest.
    sources
        For each of them the columns of the file, the first of which that is not blank counts.
    titles
        The file's own names of its columns.
    charge
        Column of the charge that the formulas were written with, None where they are neutral.

    """

    def __init__(self, header: Sequence[str]) -> None:
        self.titles = [cell.strip() or f"column_{place}" for place, cell in enumerate(header, start=1)]
        self._refuse_beyond_limits()
        self._places = {_normalised(title): place for place, title in enumerate(self.titles)}
        self._refuse_repeated()
        found = {name: self._known(spellings) for name, spellings in _COLUMN_NAMES.items()}
        if not found["id"] and not found["name"] and self._is_bare_list():
            found["id"] = found["name"] = found["formula"]
        self._refuse_missing([name for name in REQUIRED if not found[name]])
        # Of the names that LIPID MAPS has for a molecule, often only the systematic one is filled in.
        chosen = {name: places if name == "name" else places[:1] for name, places in found.items() if places}
        used = {places[0] for places in chosen.values()}
        chosen |= {title: (place,) for place, title in enumerate(self.titles) if place not in used}
        self.names = tuple(chosen)
        self.sources = tuple(chosen.values())
        self.charge = self._charge_column(found["formula"][0])

    def _known(self, spellings: Sequence[str]) -> tuple[int, ...]:
        normal = map(_normalised, spellings)
        return tuple(self._places[name] for name in normal if name in self._places)

    def _is_bare_list(self) -> bool:
        return "sf" in self._places or len(self.titles) == 1

    def _refuse_beyond_limits(self) -> None:
        longest = max(self.titles, key=len)
        if len(self.titles) > MAX_COLUMNS or len(longest) > MAX_TITLE:
            raise InvalidDatabaseError(
                f"The header has {len(self.titles):,} columns, the longest name of which has {len(longest):,} "
                f"characters; at most {MAX_COLUMNS:,} and {MAX_TITLE} are allowed. Leave out what is not needed."
            )

    def _refuse_repeated(self) -> None:
        normal = [_normalised(title) for title in self.titles]
        repeated = [title for title, name in zip(self.titles, normal, strict=True) if normal.count(name) > 1]
        if repeated:
            raise InvalidDatabaseError(
                f"The header has the column {repeated[0]!r} more than once; rename or remove one."
            )

    def _refuse_missing(self, missing: Sequence[str]) -> None:
        if missing:
            expected = "; ".join(f"{name} (also as {', '.join(_COLUMN_NAMES[name][1:])})" for name in missing)
            raise InvalidDatabaseError(
                f"The header has the columns {_listed(self.titles)} but not {expected}. The first line must name the "
                "columns, divided by tabs, commas or semicolons: id, name and formula at least, or sf alone."
            )

    def _charge_column(self, formula: int) -> int | None:
        if _normalised(self.titles[formula]) != _normalised(_PH_FORMULA):
            return None
        if _normalised(_PH_CHARGE) not in self._places:
            raise InvalidDatabaseError(
                f"The formulas are those at pH 7.3 ({self.titles[formula]!r}), but there is no column {_PH_CHARGE!r} "
                "to make neutral ones with; keep that column too."
            )
        return self._places[_normalised(_PH_CHARGE)]


class _RefusedRowError(Exception):
    """Why a row is refused, and the file's name of the column at fault, where it is one."""

    def __init__(self, code: str, message: str, title: str = "") -> None:
        super().__init__(message)
        self._code = code
        self._title = title

    def finding(self, number: int) -> Finding:
        """Return the finding about the row that begins on a line of that number."""
        where = f"row {number:,}, column {self._title!r}" if self._title else f"row {number:,}"
        return Finding("error", self._code, str(self), where)


class _RowChecker:
    """Turns rows of the file into rows of the table."""

    def __init__(self, columns: _Columns, compatibility: Compatibility) -> None:
        self.columns = columns
        self._compatibility: Compatibility = compatibility
        self._titles = {name: columns.titles[columns.sources[place][0]] for place, name in enumerate(REQUIRED)}
        self._verdicts: dict[str, str] = {}

    def cells(self, row: list[str]) -> list[str]:
        """Return the cells of the table's row, or refuse the row."""
        self._check_shape(row)
        cells = [_first_filled(row, places) for places in self.columns.sources]
        for name, cell in zip(REQUIRED, cells[: len(REQUIRED)], strict=True):
            if not cell:
                raise _RefusedRowError("blank-cell", f"the {name} is blank", self._titles[name])
            if len(cell) > MAX_CELL:
                message = f"the {name} has {len(cell):,} characters, at most {MAX_CELL:,} are allowed"
                raise _RefusedRowError("long-cell", message, self._titles[name])
        cells[2] = self._formula(cells[2], row)
        return cells

    def _check_shape(self, row: list[str]) -> None:
        if any("\n" in cell or "\r" in cell for cell in row):
            lines = sum(cell.count("\n") for cell in row) + 1
            message = f"a cell goes on over {lines:,} lines; look for a quote that is never closed"
            raise _RefusedRowError("line-break", message)
        width = len(self.columns.titles)
        if len(row) < width or any(cell.strip() for cell in row[width:]):
            raise _RefusedRowError("row-length", f"there are {len(row)} cells, the header has {width}")

    def _formula(self, formula: str, row: list[str]) -> str:
        if formula not in self._verdicts:
            self._verdicts[formula] = self._verdict(formula)
        if self._verdicts[formula]:
            message = f"formula {shortened(repr(formula), 200)}: {self._verdicts[formula]}"
            raise _RefusedRowError("invalid-formula", message, self._titles["formula"])
        if self.columns.charge is None:
            return formula
        try:
            return _neutral(formula, row[self.columns.charge].strip())
        except InvalidFormulaError as error:
            title = self.columns.titles[self.columns.charge]
            raise _RefusedRowError("invalid-charge", str(error), title) from None

    def _verdict(self, formula: str) -> str:
        """Return why a formula is refused, nothing where it is good."""
        try:
            check_formula(formula, self._compatibility)
        except InvalidFormulaError as error:
            return str(error)
        return ""


def _first_filled(row: list[str], places: tuple[int, ...]) -> str:
    cells = (row[place].strip() for place in places)
    return next((cell for cell in cells if cell), "")


def _neutral(formula: str, charge: str) -> str:
    """Return a formula with the hydrogens added that its charge lacks, or without those that it has too many."""
    if not re.fullmatch(r"[+-]?[0-9]{1,3}(\.0*)?", charge):
        raise InvalidFormulaError(f"the charge {charge!r} is not a whole number")
    protons = int(float(charge))
    if protons == 0:
        return formula
    counts = parse_formula(formula)
    counts["H"] = counts.get("H", 0) - protons
    if counts["H"] < 0:
        raise InvalidFormulaError(f"formula {formula!r} has no {protons} H to give for its charge of {charge}")
    return format_formula(counts)


def _warn_of_repeated_ids(table: pa.Table, findings: list[Finding]) -> None:
    repeated = [name for name, count in Counter(table["id"].to_pylist()).items() if count > 1]
    if repeated:
        first = shortened(repr(repeated[0]), 100)
        message = f"{len(repeated):,} ids stand in more than one row, such as {first}; all of them are kept."
        findings.append(Finding("warning", "repeated-ids", message))
