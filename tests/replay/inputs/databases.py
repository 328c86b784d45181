"""The rows of what molecular databases are like, each as one file."""

from __future__ import annotations

import gzip
from dataclasses import dataclass


@dataclass(frozen=True)
class File:
    """A database, and what should become of it.

    `formulas` are those that it has once imported, in their order; without any it is refused. `says` is a regular
    expression for what the error, or the warning, says.
    """

    data: bytes
    formulas: tuple[str, ...] = ()
    says: str = ""
    extension: str = ".tsv"


def table(*rows: str, header: str = "id\tname\tformula") -> bytes:
    """Return a table with tabs."""
    return "\n".join([header, *rows, ""]).encode()


def one(formula: str, says: str) -> File:
    """Return a table with one bad formula, which is refused by row and column."""
    return File(table("1\tGood\tC6H12O6", f"2\tBad\t{formula}"), says=f"(?i)row 3, column 'formula'.*{says}")


def zeros(megabytes: int) -> bytes:
    """Return a gzip archive of a megabyte that unpacks to so many of them."""
    return gzip.compress(b"id\tname\tformula\n" + bytes(1 << 20), 9) + gzip.compress(bytes(1 << 20), 9) * megabytes


GLUCOSE = ("C6H12O6",)
GOOD = {
    "tabs": File(table("1\tGlucose\tC6H12O6"), GLUCOSE),
    "commas, gzipped": File(gzip.compress(b'id,name,formula\n1,"Glucose, D-",C6H12O6\n'), GLUCOSE, extension=".CSV.GZ"),
    "semicolons, CRLF": File(b"id;name;formula\r\n1;Glucose;C6H12O6\r\n", GLUCOSE, extension=".csv"),
    "further columns": File(table("1\tGlucose\tC6H12O6\tx", header="id\tname\tformula\tInChI"), GLUCOSE),
    "HMDB": File(b"accession,name,chemical_formula\nHMDB0000122,D-Glucose,C6H12O6\n", GLUCOSE, extension=".csv"),
    "LIPID MAPS": File(b"LM_ID,COMMON_NAME,FORMULA\nLMFA01,Oleic acid,C18H34O2\n", ("C18H34O2",), extension=".csv"),
    "ChEBI": File(table("CHEBI:1\tGlucose\tC6H12O6", header="chebi_accession\tchebi_name\tformula"), GLUCOSE),
    "SwissLipids": File(
        table("SLM:1\tPalmitate\tC16H31O2\t-1", header="Lipid ID\tName\tFormula (pH7.3)\tCharge (pH7.3)"), ("C16H32O2",)
    ),
    "CoreMetabolome": File(table("1\tGlucose\tC6H12O6\tInChI=1S", header="mol_id\tmol_name\tformula\tinchi"), GLUCOSE),
    "a bare list": File(b"sf\nC6H12O6\nC3H7NO2\n", ("C6H12O6", "C3H7NO2")),
    "the name NA": File(table("NA\tNA\tC6H12O6"), GLUCOSE),
    "repeated ids": File(table("1\ta\tC6H12O6", "1\tb\tC3H7NO2"), ("C6H12O6", "C3H7NO2"), "1 ids stand in more"),
    "order of first occurrence": File(
        table("1\ta\tO2", "2\tb\tC6H12O6", "3\tc\tO2", "4\td\tH2O"), ("O2", "C6H12O6", "H2O")
    ),
    "parentheses and repetition": File(table("1\ta\t(CH3)2CO", "2\tb\tCH3COOH"), ("(CH3)2CO", "CH3COOH")),
    "not UTF-8": File("id\tname\tformula\n1\tSäure\tC6H12O6\n".encode("cp1252"), GLUCOSE, "read as Windows-1252"),
}
"""What is imported."""

BAD = {
    "a blank cell": File(table("1\t\tC6H12O6"), says="row 2, column 'name': the name is blank"),
    "an unparsable formula": one("hello", "'h' at position 1 is not part"),
    "an unknown element": one("C6Xy2", "'Xy' is not an element"),
    "a second component": one("NaCl.H2O", "second component"),
    "a charge": one("C6H12O6+", "a charge or a bond"),
    "isotope digits": one("[13C]6H12O6", "isotope numbers"),
    "a number beyond 2^53": one("C9007199254740993", "is too large"),
    "a number of 0": one("C0H4", "is 0"),
    "more atoms than there are patterns for": one("C30000", "more than 29,999 atoms of C"),
    "a formula over long": one("C" * 3000, "3,000 characters, at most 2,500"),
    "a name over long": File(table("1\t" + "x" * 3000 + "\tC"), says="the name has 3,000 characters"),
    "a row too short": File(table("1\tGlucose"), says="row 2: there are 2 cells, the header has 3"),
    "no column for the formula": File(b"id\tname\n1\tGlucose\n", says="but not formula"),
    "a column twice": File(table("1\ta\tC\tC", header="id\tname\tformula\tformula"), says="'formula' more than once"),
    "an empty file": File(b"", says="The file is empty"),
    "a header alone": File(table(), says="no row below it"),
    "no text": File(b"id\tname\tformula\n1\t\x00\tC\n", says="not text"),
    "a spreadsheet": File(b"PK\x03\x04" + bytes(100), says="zip archive or a spreadsheet"),
    "a quote never closed": File(table('1\t"a\tC', *["2\tb\tC"] * 20_000), says="quote that is never closed"),
    "a row without end": File(table("1\t2\t" + "ab\t" * 500_000), says="more than 1,048,576 characters"),
    "a cell without end": File(table("1\t2\t" + "a" * 200_000), says="quote that is never closed"),
    "a header without end": File(("c\t" * 5000).encode(), says="5,001 columns"),
    "a long title": File(table(header="id\tname\tformula\t" + "x" * 201), says="has 201 characters"),
    "a damaged archive": File(gzip.compress(b"sf\nC\n" * 9999)[:-20], says="gzip archive is damaged"),
    "a decompression bomb": File(zeros(300), says="more than 256 MiB"),
}
"""What is refused."""
