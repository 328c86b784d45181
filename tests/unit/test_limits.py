"""What is too much for a function is refused early and by number; what is not fits into its memory."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from ionfleet.databases import inspect_database, read_database
from ionfleet.errors import InvalidDatabaseError, OutOfBudgetError
from ionfleet.imzml.checks import MAX_PIXELS
from ionfleet.imzml.spectrum_list import MAX_SPECTRA
from ionfleet.planning import GATHERING_MB, USABLE_SHARE, check_ions, projected_annotate_mb, projected_gathering_mb
from ionfleet_infrastructure import specification

METASPACE_SPECTRA, METASPACE_PIXELS = 2_000_000, 4_500_000

MEASURED = """
import json, re
# Not ru_maxrss, which a process takes over from the one that started it.
peak_kb = lambda: int(re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
before = peak_kb()
{script}
print(json.dumps((peak_kb() - before) / 1024))
"""


def peak_mb(script: str) -> float:
    """Return by how many MB a process grows over a script that begins with what it needs."""
    imports, _, work = script.partition("\n---\n")
    done = subprocess.run(
        [sys.executable, "-c", imports + MEASURED.format(script=work)], capture_output=True, text=True, check=True
    )
    return float(json.loads(done.stdout))


def test_limits_are_above_those_of_metaspace() -> None:
    assert MAX_SPECTRA > METASPACE_SPECTRA
    assert MAX_PIXELS > METASPACE_PIXELS


def test_what_gathers_ions_is_deployed_with_the_memory_that_is_planned_for() -> None:
    assert specification.PARTITION.memory_mb == specification.MERGE.memory_mb == GATHERING_MB


def test_more_ions_than_fit_are_refused_with_their_number_and_the_limit() -> None:
    with pytest.raises(OutOfBudgetError, match=r"1,000,000 formulas .* 8,400,000,000 ions; .* have ") as no:
        check_ions(1_000_000, 8400, 4)
    most = int(str(no.value).partition("may have ")[2].split()[0].replace(",", ""))
    check_ions(most, 1, 4)
    with pytest.raises(OutOfBudgetError):
        check_ions(most + 1, 1, 4)
    assert projected_gathering_mb(most, 4) <= GATHERING_MB * USABLE_SHARE


def test_the_indexes_of_the_largest_dataset_fit_beside_the_ions_that_it_may_have() -> None:
    most_points = 1 << 38
    assert projected_gathering_mb(0, 4, most_points) <= GATHERING_MB * USABLE_SHARE
    with pytest.raises(OutOfBudgetError, match=r"a job on 274,877,906,944 peaks may have 2,") as no:
        check_ions(3_700_000, 1, 4, most_points)
    most = int(str(no.value).partition("may have ")[2].split()[0].replace(",", ""))
    check_ions(most, 1, 4, most_points)


def test_the_places_of_all_spectra_leave_an_annotate_task_room_for_peaks() -> None:
    assert projected_annotate_mb(1_000_000, 1000, MAX_SPECTRA) < specification.ANNOTATE.memory_mb * USABLE_SHARE


def test_an_image_of_the_largest_box_fits_a_render_task() -> None:
    grown = peak_mb(f"""
import numpy as np
from ionfleet.images import dense_image, encode_png, grey_alpha
from ionfleet.index import Grid
---
grid = Grid({MAX_PIXELS >> 12}, 4096, 0, 0, np.zeros(1, np.uint32), np.array([5]))
encode_png(grey_alpha(dense_image(grid, np.array([0]), np.ones(1, np.float32)), grid.mask, metaspace=False))
""")
    assert 100 < grown < specification.RENDER.memory_mb * USABLE_SHARE - 200


def test_a_table_of_nothing_but_short_cells_fits_the_planner() -> None:
    """As strings of Python, the cells of 32 MiB of text would take 900 MB; of 256 MiB, 7 GB."""
    grown = peak_mb("""
from ionfleet.databases import inspect_database
head = b"id,name,formula," + b",".join(b"c%d" % i for i in range(500)) + b"\\n"
data = head + (b"ab,cd,C6H12O6," + b",".join([b"xy"] * 500) + b"\\n") * 22_500
assert len(data) > 32 << 20
---
inspect_database(data, "wide")
""")
    assert grown < specification.PLANNER.memory_mb * USABLE_SHARE / 8


def test_a_database_that_unpacks_without_end_is_unpacked_to_the_limit_only() -> None:
    """More than a gigabyte of rows in a few megabytes of gzip: members may follow each other."""
    grown = peak_mb("""
import gzip
from ionfleet.databases import inspect_database
member = gzip.compress(b"1\\tx\\tC6H12O6\\n" * 900_000)
data = gzip.compress(b"id\\tname\\tformula\\n") + member * 100
---
assert "256 MiB" in inspect_database(data, "bomb.tsv.gz")[1][0].message
""")
    assert grown < specification.PLANNER.memory_mb * USABLE_SHARE - 200


def test_a_hundred_thousand_rows_take_a_tenth_of_what_the_planner_has_for_a_million() -> None:
    grown = peak_mb("""
from ionfleet.databases import Database, inspect_database
names = "".join(f"M{n}\\t{'long name ' * 8}{n}\\tC{n % 90 + 1}H{n % 97 + 1}O{n % 53 + 1}\\n" for n in range(100_000))
data = ("id\\tname\\tformula\\n" + names).encode()
---
database, findings = inspect_database(data, "many")
assert database is not None and database.table.num_rows == 100_000
assert len(Database.from_parquet(database.to_parquet()).formulas) > 80_000 and database.digest
""")
    assert grown < specification.PLANNER.memory_mb * USABLE_SHARE / 10


def test_an_array_that_unpacks_without_end_is_unpacked_to_its_length_only() -> None:
    grown = peak_mb("""
import zlib
import numpy as np
from ionfleet.errors import InvalidDatasetError
from ionfleet.index import ZLIB, DatasetHeader, SpectraIndex
from ionfleet.spectra import read_peaks
packer = zlib.compressobj(9)
data = b"".join(packer.compress(bytes(1 << 24)) for _ in range(16)) + packer.flush()
one = lambda value, dtype: np.array([value], dtype)
array = [one(0, np.int64), one(1000, np.int64), one(len(data), np.int64), one(ZLIB, np.uint8)]
index = SpectraIndex(DatasetHeader(1, 1000), one(1, np.int32), one(1, np.int32), *array, *array)
---
refused = ""
try:
    read_peaks(index, 0, 1, lambda start, length: data[start : start + length])
except InvalidDatasetError as error:
    refused = str(error)
assert "decompresses to more than" in refused, "256 MB were taken for 1,000 points"
""")
    assert grown < 20


def test_a_million_spectra_are_indexed_in_half_a_gigabyte() -> None:
    """A twentieth of them, in a tenth of it: what encodes a row group takes as much however many there are."""
    grown = peak_mb("""
from ionfleet.imzml import inspect_imzml
from tests.unit.imzml_files import Place, header, spectrum_xml

class Stream:
    def __init__(self, spectra):
        self.parts = self.written(spectra)
    def written(self, spectra):
        yield header() + f'<spectrumList count="{spectra}">'
        for n in range(spectra):
            where = 16 + 120 * n
            yield spectrum_xml(n % 1000, n // 1000, Place(where, 10, 80), Place(where + 80, 10, 40))
        yield "</spectrumList></run></mzML>"
    def read(self, size):
        return next(self.parts, "").encode()

def index(spectra):
    found, _ = inspect_imzml(Stream(spectra), 1 << 30, 1 << 30)
    assert len(found) == spectra
    found.to_parquet()

index(100)
---
index(50_000)
""")
    assert grown < 50


def test_a_row_without_end_is_not_held() -> None:
    grown = peak_mb("""
from ionfleet.databases import inspect_database
data = b"id\\tname\\tformula\\n1\\t2\\t" + b"ab\\t" * 20_000_000
---
assert inspect_database(data, "row")[0] is None
""")
    assert grown < 60


def test_attributes_without_end_are_not_held() -> None:
    grown = peak_mb("""
import io
from ionfleet.imzml import inspect_imzml
attribute = '<cvParam accession="IMS:1000102" value="' + "9" * 3_000_000 + '"/>'
text = "<mzML><run><spectrumList><spectrum>" + ("<binaryDataArray>" + attribute + "</binaryDataArray>") * 40
data = text.encode()
---
assert inspect_imzml(io.BytesIO(data), len(data), 1000)[0] is None
""")
    assert grown < 40


def test_a_row_may_not_go_on_over_lines_without_end() -> None:
    row = ",".join(['"x\n"'] * 300_000)
    with pytest.raises(InvalidDatabaseError, match="more than 1,048,576 characters"):
        read_database(f"id,name,formula\n{row}\n".encode(), "rows")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_characters_across_the_pieces_that_text_is_checked_in_are_read(encoding: str) -> None:
    rows = "".join(f"{n}\t{'ä' * (n % 7)}€{'𝄞' * (n % 3)}\tC6H12O6\n" for n in range(60_000))
    database, findings = inspect_database(f"id\tname\tformula\n{rows}".encode(encoding), "pieces")
    assert findings == []
    assert database is not None
    assert database.table.num_rows == 60_000
    assert database.table["name"][8].as_py() == "ä€𝄞𝄞"


def test_the_first_byte_that_is_not_utf_8_is_named_wherever_it_is() -> None:
    data = b"id\tname\tformula\n" + "1\tä\tC\n".encode() * 300_000
    _, findings = inspect_database(data + b"2\t\xfc\tC\n", "bytes")
    assert findings[0].message.startswith(f"Byte {len(data) + 2:,} is not UTF-8")
