"""Molecular databases: bytes in, a table of good rows out, and a finding for every other row."""

from __future__ import annotations

import gzip
from typing import cast

from ionfleet.databases import MAX_CELL, REQUIRED, Database, inspect_database, read_database
from ionfleet.errors import InvalidDatabaseError
from ionfleet.findings import errors_of
from ionfleet.formula import Compatibility, check_formula

from ..invariants import assert_findings, assert_named

WORDS = (
    b"id\tname\tformula\n", b"mol_id", b"mol_name", b"formula", b"sf", b"Formula (pH7.3)", b"Charge (pH7.3)", b"class",
    b"HMDB_ID", b"LM_ID", b"SYSTEMATIC_NAME", b"ChEBI_ID", b"\t", b",", b";", b'"', b'""', b"\r\n", b"\r", b"\n",
    b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff", b"\x1f\x8b", b"\x00", b"\xe9", b"C6H12O6", b"+1", b"-2", b"NA", b"=1+1",
    b"\x0b", b"\x0c", b"\x1c", b"\xc2\x85", b"\xe2\x80\xa8", b"\xc2\x9b",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return a table of every dialect."""
    plain = b"id\tname\tformula\n1\tGlucose\tC6H12O6\n2\tAlanine\tC3H7NO2\n"
    return {
        "plain": plain,
        "commas": b'id,name,formula,class\r\n1,"Glucose, D-",C6H12O6,sugar\r\n1,NA,NaCl,salt\r\n',
        "hmdb": b"accession;name;chemical_formula\nHMDB01;Water;H2O\n",
        "lipid-maps": b"LM_ID\tCOMMON_NAME\tSYSTEMATIC_NAME\tFORMULA\tMAIN_CLASS\nLM1\t\thexane\tC6H14\tX\n",
        "swiss-lipids": b"Lipid ID\tName\tFormula (pH7.3)\tCharge (pH7.3)\nSLM:1\tPA\tC3H5O6P\t-2\n",
        "bare": b"sf\nC6H12O6\nC3H7NO2\n",
        "gzip": gzip.compress(plain, mtime=0),
        "utf-16": plain.decode().encode("utf-16"),
        "western": "id\tname\tformula\n1\tCafé\tC8H10N4O2\n".encode("cp1252"),
        "bad-rows": b'id\tname\tformula\n\tx\tC\n2\t\tC\n3\ty\tQq\n4\tz\n5\tw\tC.N\n6\t"v\nw"\tC\n',
    }


def check(data: bytes) -> None:
    """Read a database by both sets of rules."""
    for compatibility in ("ionfleet", "metaspace"):
        _check(data, cast(Compatibility, compatibility))


def _check(data: bytes, compatibility: Compatibility) -> None:
    database, findings = inspect_database(data, "fuzz", compatibility=compatibility)
    assert_findings(findings)
    errors = errors_of(findings)
    if database is None:
        assert errors
    else:
        _check_table(database, compatibility)
    for skip_invalid in (False, True):
        refused = database is None or (bool(errors) and not skip_invalid)
        try:
            read = read_database(data, "fuzz", skip_invalid=skip_invalid, compatibility=compatibility)
        except InvalidDatabaseError as error:
            assert_named(error)
            assert refused
        else:
            assert not refused
            assert database is not None
            assert read.digest == database.digest
            assert len(read.findings) == len(findings)
            assert not errors_of(read.findings)


def _check_table(database: Database, compatibility: Compatibility) -> None:
    table = database.table
    assert table.num_rows > 0
    assert tuple(table.column_names[:3]) == REQUIRED
    assert len(set(table.column_names)) == len(table.column_names)
    for name in REQUIRED:
        cells = table[name].to_pylist()
        assert all(cell and cell == cell.strip() and len(cell) <= MAX_CELL for cell in cells)
    for formula in database.formulas:
        check_formula(formula, compatibility)
    assert sum(database.molecules_of(formula).num_rows for formula in database.formulas) == table.num_rows
    kept = Database.from_parquet(database.to_parquet())
    assert kept.digest == database.digest
