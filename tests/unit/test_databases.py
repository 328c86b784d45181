"""Molecular databases: which files are read, and what is said of those that are not."""

import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ionfleet import databases
from ionfleet.damage import read_intact
from ionfleet.databases import Database, bundled_database, inspect_database, read_database
from ionfleet.errors import DamagedObjectError, InvalidConfigurationError, InvalidDatabaseError
from ionfleet.store import MemoryStore

GOOD = b"id\tname\tformula\nH1\tGlucose\tC6H12O6\nH2\tNA\tC2H5NO2\nH3\tFructose\tC6H12O6\n"


def rows(data, **options):
    return read_database(data, "mine", **options).table.to_pylist()


def only_row(data):
    (row,) = rows(data)
    return row


def problems(data, **options):
    """Return where and what of the errors in a file."""
    findings = inspect_database(data, "mine", **options)[1]
    return [(finding.where, finding.code) for finding in findings if finding.severity == "error"]


def refusal(data, **options):
    with pytest.raises(InvalidDatabaseError) as caught:
        read_database(data, "mine", **options)
    return str(caught.value)


def test_table_keeps_rows_and_their_order():
    database = read_database(GOOD, "mine")
    assert database.name == "mine"
    assert database.table.column_names == ["id", "name", "formula"]
    assert database.table["id"].to_pylist() == ["H1", "H2", "H3"]
    assert database.formulas == ["C6H12O6", "C2H5NO2"]
    assert database.findings == ()


def test_the_text_na_is_a_name():
    assert rows(GOOD)[1]["name"] == "NA"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(GOOD.replace(b"\t", b","), id="commas"),
        pytest.param(GOOD.replace(b"\t", b";"), id="semicolons"),
        pytest.param(GOOD.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(GOOD.replace(b"\n", b"\r"), id="CR"),
        pytest.param(b"\xef\xbb\xbf" + GOOD, id="byte-order mark"),
        pytest.param(GOOD.decode().encode("utf-16"), id="UTF-16"),
        pytest.param(gzip.compress(GOOD, mtime=0), id="gzip"),
        pytest.param(GOOD.rstrip(b"\n"), id="no last newline"),
        pytest.param(GOOD + b"\n\n\t\t\n", id="blank lines"),
        pytest.param(GOOD.replace(b"Glucose", b'"Glucose"'), id="quotes"),
        pytest.param(GOOD.replace(b"id\tname\tformula", b'"ID"\t Name \tFORMULA'), id="header"),
        pytest.param(GOOD.replace(b"\tC6H12O6", b"\t C6H12O6 "), id="spaces"),
        pytest.param(GOOD.replace(b"C6H12O6\n", b"C6H12O6\t\t\n"), id="blank cells after the last"),
    ],
)
def test_same_table_in_another_dress_has_the_same_digest(data):
    assert read_database(data, "mine").digest == read_database(GOOD, "other").digest


@pytest.mark.parametrize(
    "data",
    [
        GOOD.replace(b"Glucose", b"Mannose"),
        GOOD.replace(b"H1", b"H9"),
        GOOD.replace(b"C2H5NO2", b"C2H7NO2"),
        GOOD.replace(b"H3\tFructose\tC6H12O6\n", b""),
    ],
)
def test_another_content_has_another_digest(data):
    digests = {inspect_database(each, "mine")[0].digest for each in (data, GOOD)}
    assert len(digests) == 2
    assert {len(digest) for digest in digests} == {20}


def test_quoted_cells_may_have_the_separator_and_quotes():
    assert only_row(b'id,name,formula\n1,"2,3-Butane""diol""",C4H10O2\n')["name"] == '2,3-Butane"diol"'


def test_separator_is_the_one_that_shows_the_columns():
    data = b"id;name;formula;remark, with, many, commas, in, it\n1;Water;H2O;none\n"
    assert only_row(data)["name"] == "Water"


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("mol_id,mol_name,formula,inchi", "M1,Water,H2O,InChI=1S/H2O/h1H2"),
        ("accession,name,chemical_formula", "M1,Water,H2O"),
        ("LM_ID,COMMON_NAME,FORMULA", "M1,Water,H2O"),
        ("ChEBI ID,ChEBI name,Formula", "M1,Water,H2O"),
        ("CHEBI_ACCESSION,NAME,MOLECULAR_FORMULA", "M1,Water,H2O"),
        ("id,name,sf", "M1,Water,H2O"),
    ],
)
def test_columns_are_known_by_other_names(header, row):
    found = only_row(f"{header}\n{row}\n".encode())
    assert (found["id"], found["name"], found["formula"]) == ("M1", "Water", "H2O")


@pytest.mark.parametrize("header", ["sf", "formula", "SF"])
def test_bare_list_of_formulas_names_molecules_by_them(header):
    assert only_row(f"{header}\nC6H12O6\n".encode()) == {"id": "C6H12O6", "name": "C6H12O6", "formula": "C6H12O6"}


def test_further_columns_are_kept_as_they_are():
    row = only_row(b",id,name,formula,inchi,Class,remark\n0,M1,Water,H2O,,inorganic,ok\n")
    molecule = {"id": "M1", "name": "Water", "formula": "H2O", "class": "inorganic"}
    assert row == molecule | {"column_1": "0", "inchi": "", "remark": "ok"}


def test_systematic_name_stands_in_for_a_common_one():
    data = b"lm_id\tcommon_name\tsystematic_name\tformula\nL1\t\tpropan-2-one\tC3H6O\nL2\tWater\toxidane\tH2O\n"
    assert [row["name"] for row in rows(data)] == ["propan-2-one", "Water"]
    assert [row["systematic_name"] for row in rows(data)] == ["propan-2-one", "oxidane"]


SWISS = b"Lipid ID\tName\tLipid class*\tFormula (pH7.3)\tCharge (pH7.3)\n"


@pytest.mark.parametrize(
    ("formula", "charge", "neutral"),
    [
        ("C40H80NO8P", "0", "C40H80NO8P"),
        ("C18H33O2", "-1", "C18H34O2"),
        ("C40H75O10P", "-2", "C40H77O10P"),
        ("C18H40NO2", "1", "C18H39NO2"),
        ("C18H40NO2", "+1.0", "C18H39NO2"),
        ("O4P", "-3", "H3O4P"),
    ],
)
def test_swisslipids_formulas_are_made_neutral_by_hydrogens(formula, charge, neutral):
    row = only_row(SWISS + f"SLM:1\tx\tfatty acid\t{formula}\t{charge}\n".encode())
    assert row["formula"] == neutral
    assert row["class"] == "fatty acid"


@pytest.mark.parametrize("charge", ["", "high", "1.5", "3"])
def test_swisslipids_charge_that_cannot_be_taken_off_is_refused(charge):
    assert problems(SWISS + f"SLM:1\tx\ty\tC2HN\t{charge}\n".encode())[0] == (
        "row 2, column 'Charge (pH7.3)'", "invalid-charge",
    )  # fmt: skip


def test_swisslipids_without_its_charges_is_refused():
    assert "no column 'Charge (pH7.3)'" in refusal(b"Lipid ID\tName\tFormula (pH7.3)\n1\tx\tCH4\n")


def test_repeated_ids_are_a_warning():
    database = read_database(GOOD.replace(b"H3", b"H1"), "mine")
    (finding,) = database.findings
    assert (finding.severity, finding.code) == ("warning", "repeated-ids")
    assert "'H1'" in finding.message
    assert database.table.num_rows == 3


@pytest.mark.parametrize(
    ("row", "where", "code"),
    [
        ("\tWater\tH2O", "row 5, column 'id'", "blank-cell"),
        ("X\t \tH2O", "row 5, column 'name'", "blank-cell"),
        ("X\tWater\t", "row 5, column 'formula'", "blank-cell"),
        ("X\tWater", "row 5", "row-length"),
        ("X\tWater\tH2O\tmore", "row 5", "row-length"),
        ("X\tWater\tH2O.HCl", "row 5, column 'formula'", "invalid-formula"),
        ("X\tWater\tH3O+", "row 5, column 'formula'", "invalid-formula"),
        ("X\tWater\t18OH2", "row 5, column 'formula'", "invalid-formula"),
        ("X\tWater\tQq2", "row 5, column 'formula'", "invalid-formula"),
        ("X\tWater\twater", "row 5, column 'formula'", "invalid-formula"),
        ("X\t" + "w" * 2501 + "\tH2O", "row 5, column 'name'", "long-cell"),
        ("X\tWater\t" + "C" * 2501, "row 5, column 'formula'", "long-cell"),
        ('X\t"Wa\nter"\tH2O', "row 5", "line-break"),
    ],
)
def test_refused_row_is_named_with_column_and_reason(row, where, code):
    data = GOOD + row.encode() + b"\n"
    assert problems(data) == [(where, code)]
    message = refusal(data)
    assert where in message
    assert "'mine': 1 rows are refused, 3 are good" in message


def test_every_refused_row_is_found():
    data = GOOD + b"\tWater\tH2O\n\nX\tWater\tH3O+\nY\tMethane\tCH4\nZ\tZ\tZ\n"
    assert [where for where, _ in problems(data)] == [
        "row 5, column 'id'", "row 7, column 'formula'", "row 9, column 'formula'",
    ]  # fmt: skip


def test_rows_after_a_cell_over_several_lines_keep_their_line_numbers():
    assert [where for where, _ in problems(GOOD + b'X\t"a\nb\nc"\tH2O\nY\tz\t-\n')] == [
        "row 5",
        "row 8, column 'formula'",
    ]


def test_message_shows_some_rows_and_counts_the_rest():
    message = refusal(GOOD + b"X\tWater\tZ9\n" * 50)
    assert "50 rows are refused" in message
    assert "and 30 more" in message
    assert len(message.splitlines()) < 25


def test_good_rows_are_taken_on_demand_and_the_others_listed():
    database = read_database(GOOD + b"X\tWater\tH3O+\nY\tMethane\tCH4\n", "mine", skip_invalid=True)
    assert database.table["id"].to_pylist() == ["H1", "H2", "H3", "Y"]
    (finding,) = database.findings
    assert (finding.severity, finding.where) == ("warning", "row 5, column 'formula'")
    assert "left out" in finding.message


def test_inspection_returns_the_good_rows_beside_the_errors():
    database, findings = inspect_database(GOOD + b"X\tWater\tH3O+\n", "mine")
    assert database.table.num_rows == 3
    assert [finding.code for finding in findings] == ["invalid-formula"]


@pytest.mark.parametrize("skip_invalid", [False, True])
def test_file_without_a_good_row_is_refused(skip_invalid):
    message = refusal(b"id\tname\tformula\nX\tWater\tH3O+\n", skip_invalid=skip_invalid)
    assert "row 2" in message
    assert "No row is good" in message


@pytest.mark.parametrize("formula", ["13C6H12O6", "C6H6D6", "C6H10(OH)2", "CH3COOH"])
def test_metaspace_takes_what_it_misunderstands(formula):
    data = f"id\tname\tformula\nX\tx\t{formula}\n".encode()
    assert rows(data, compatibility="metaspace")[0]["formula"] == formula


def test_formulas_keep_the_text_of_the_file():
    assert read_database(b"id\tname\tformula\n1\ta\tCH3COOH\n2\tb\tC2H4O2\n", "mine").formulas == ["CH3COOH", "C2H4O2"]


def parquet():
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": ["1"]}), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\xef\xbb\xbf \r\n", "empty"),
        ("\r\n".encode("utf-16"), "first line is blank"),
        (gzip.compress(b"", mtime=0), "empty"),
        (b"id\tname\tformula\n", "no row below it"),
        (parquet(), "a Parquet file"),
        (b"PK\x03\x04rest", "a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel"),
        (b'<?xml version="1.0"?><hmdb/>', "XML"),
        (b'{"id": 1}', "JSON"),
        (b"BZh91AY", "bzip2"),
        (bytes(range(256)), "not text"),
        (b"id\tname\tformula\n\x00\x01\x02\t\xff\t\n", "not text"),
        (b"id\tname\tformula\n1\t\x00\tCH4\n", "not text"),
        (gzip.compress(GOOD, mtime=0)[:30], "gzip archive is damaged"),
        (b"\x1f\x8bnothing", "gzip archive is damaged"),
        (b"C6H12O6\nC2H5NO2\n", "columns 'C6H12O6'"),
        (b"id\tname\tinchi\n1\tx\ty\n", "columns 'id', 'name', 'inchi' but not formula (also as sf"),
        (b"name\tformula\nx\tCH4\n", "but not id (also as mol_id"),
        (b"id|name|formula\n1|x|CH4\n", "tabs, commas or semicolons"),
        (b"id\tname\tformula\tID\n1\tx\tCH4\t1\n", "'ID' more than once"),
        (b'id\tname\tformula\n1\t"' + b"x\n" * 100_000, "never closed"),
    ],
)
def test_file_that_is_no_table_is_refused_by_what_it_is(data, said):
    assert said.lower() in refusal(data).lower()


def test_western_text_is_read_with_a_warning():
    database = read_database("id\tname\tformula\n1\tβ\tCH4\n".replace("β", "é").encode("cp1252"), "mine")
    assert database.table["name"].to_pylist() == ["é"]
    assert [finding.code for finding in database.findings] == ["not-utf-8"]


def test_too_many_rows_or_bytes_are_refused(monkeypatch):
    monkeypatch.setattr(databases, "MAX_ROWS", 2)
    assert "more than 2 rows" in refusal(GOOD)
    monkeypatch.setattr(databases, "MAX_BYTES", 10)
    assert "MiB" in refusal(GOOD)
    assert "MiB" in refusal(gzip.compress(GOOD, mtime=0))


def test_molecules_of_a_formula():
    database = read_database(GOOD, "mine")
    assert database.molecules_of("C6H12O6")["name"].to_pylist() == ["Glucose", "Fructose"]
    assert database.molecules_of("CH4").num_rows == 0


CLASSES = b"id\tname\tformula\tclass\n1\ta\tCH4\tAlkane\n2\tb\tC6H12O6\tsugar\n3\tc\tC2H6\talkane\n4\td\tC3H8\t\n"


def test_classes_are_selected_whatever_their_case():
    database = read_database(CLASSES, "mine")
    chosen = database.select_classes(["ALKANE"])
    assert chosen.formulas == ["CH4", "C2H6"]
    assert chosen.name == "mine"
    assert database.select_classes([]) is database


def test_classes_that_are_not_there_are_refused_with_those_that_are():
    with pytest.raises(InvalidConfigurationError, match="'lipid'; its classes are 'Alkane', 'alkane', 'sugar'"):
        read_database(CLASSES, "mine").select_classes(["lipid"])
    with pytest.raises(InvalidConfigurationError, match="no column 'class', but 'id', 'name', 'formula'"):
        read_database(GOOD, "mine").select_classes(["lipid"])


def test_parquet_gives_the_same_database_back():
    database = read_database(CLASSES, "mine")
    again = Database.from_parquet(database.to_parquet())
    assert (again.name, again.digest, again.formulas) == ("mine", database.digest, database.formulas)
    assert again.table.equals(database.table)
    assert database.to_parquet() == read_database(CLASSES.replace(b"\t", b","), "mine").to_parquet()


@pytest.mark.parametrize("data", [b"", b"PAR1", GOOD, parquet()])
def test_parquet_of_something_else_is_refused(data):
    work = MemoryStore()
    work.create("databases/mine/0.parquet", data)
    with pytest.raises(
        DamagedObjectError, match=r"databases/mine/0\.parquet in the work bucket is not what was written"
    ):
        read_intact(work, "databases/mine/0.parquet", Database.from_parquet)


def test_bundled_database_is_one_without_findings():
    database = read_database(bundled_database(), "ionfleet-core")
    assert database.findings == ()
    assert len(database.formulas) > 1000
    assert "class" in database.table.column_names


@pytest.mark.parametrize("name", ["hmdb", "", "..", "../errors"])
def test_unknown_bundled_database_is_refused_with_those_that_are_there(name):
    with pytest.raises(InvalidDatabaseError, match="there is 'ionfleet-core'"):
        bundled_database(name)
