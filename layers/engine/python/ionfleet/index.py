"""The spectra index: all that later stages need to know of an imzML file, one row a spectrum (spec of imzML 1.1.0)."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, BinaryIO, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import TypeAdapter

from ionfleet.findings import Finding

Polarity = Literal["positive", "negative"]
Analyzer = Literal["orbitrap", "fticr", "tof"]

ROW_GROUP = 65_536
ARRAY_DTYPES: tuple[np.dtype[Any], ...] = tuple(np.dtype(name) for name in ("<f4", "<f8", "<i4", "<i8"))
"""Number formats of the ibd's arrays; the lower bits of an array type point into these."""
TYPE_MASK = 3
ZLIB = 4
"""The bit of an array type that tells that the array is compressed."""

HEADER_KEY = b"ionfleet.dataset"
"""Where the schema keeps the header, as JSON."""

_COLUMNS = {
    "x": np.int32,
    "y": np.int32,
    "mz_offset": np.int64,
    "mz_length": np.int64,
    "mz_bytes": np.int64,
    "mz_type": np.uint8,
    "intensity_offset": np.int64,
    "intensity_length": np.int64,
    "intensity_bytes": np.int64,
    "intensity_type": np.uint8,
    "tic": np.float64,
    "min_mz": np.float64,
    "max_mz": np.float64,
}


@dataclass(frozen=True)
class DatasetHeader:
    """What an imzML file says about its dataset as a whole; None or "" where it says nothing.

    `continuous` is the declared mode, `centroided` is False for profile spectra, `polarity` is None too where the file
    contradicts itself. `instrument` is free text, `analyzer` what the file's instrument components say.
    `resolving_power` has no m/z that it holds at. `uuid`, `sha1`, `md5` are lower-case hexadecimal digits.
    `pixel_size_um` is (x, y) in micrometres. `n_points` counts the peaks as declared, before any cleaning. `findings`
    are the warnings.
    """

    n_spectra: int
    n_points: int
    continuous: bool | None = None
    centroided: bool | None = None
    polarity: Polarity | None = None
    instrument: str = ""
    analyzer: Analyzer | None = None
    resolving_power: float | None = None
    uuid: str = ""
    sha1: str = ""
    md5: str = ""
    pixel_size_um: tuple[float, float] | None = None
    findings: tuple[Finding, ...] = ()

    def to_json(self) -> str:
        """Serialise."""
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(text: str | bytes) -> DatasetHeader:
        """Read what `to_json` wrote; `ValueError` for anything else."""
        return _HEADER.validate_json(text)


_HEADER = TypeAdapter(DatasetHeader)


@dataclass(frozen=True)
class Grid:
    """The bounding box of a dataset's pixels and where its spectra lie in it.

    `x_origin` and `y_origin` are the file's coordinates of the box's first pixel. `pixel_index` (int64[n_pixels],
    ascending) is y * width + x of each sampled pixel, from the origin; `pixel` (uint32[n_spectra]) is each spectrum's
    rank among these. Spectra of equal coordinates, different z planes included, share a pixel.
    """

    width: int
    height: int
    x_origin: int
    y_origin: int
    pixel: NDArray[np.uint32]
    pixel_index: NDArray[np.int64]

    @staticmethod
    def of(x: NDArray[np.int32], y: NDArray[np.int32]) -> Grid:
        """Lay out the spectra with these coordinates, at least one."""
        columns, rows = x.astype(np.int64), y.astype(np.int64)
        x_origin, y_origin = int(columns.min()), int(rows.min())
        columns -= x_origin
        rows -= y_origin
        width, height = int(columns.max()) + 1, int(rows.max()) + 1
        pixel_index, pixel = np.unique(rows * width + columns, return_inverse=True)
        return Grid(width, height, x_origin, y_origin, pixel.astype(np.uint32), pixel_index)

    @staticmethod
    def read(source: bytes) -> Grid:
        """Return the grid of the spectra in what `SpectraIndex.to_parquet` wrote, without reading the rest of it."""
        table = pq.read_table(pa.BufferReader(source), columns=["x", "y"])
        return Grid.of(_column(table, "x"), _column(table, "y"))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """bool[height, width]: where at least one spectrum was acquired."""
        mask = np.zeros(self.height * self.width, np.bool_)
        mask[self.pixel_index] = True
        return mask.reshape(self.height, self.width)


@dataclass(frozen=True)
class SpectraIndex:
    """Spectra in the order of their file, as arrays of one value a spectrum.

    `x`, `y` (int32) are coordinates as in the file. Of the m/z and the intensity array each: `…_offset` (int64) is the
    first byte in the ibd, `…_length` (int64) the number of points, `…_bytes` (int64) the bytes in the ibd, `…_type`
    (uint8) the number format and compression (`ARRAY_DTYPES`, `ZLIB`). `tic`, `min_mz`, `max_mz` (float64) are what the
    file says, None unless it says so for every spectrum. `first` is the number of the first row's spectrum in the
    dataset: not 0 where rows of a larger index were read. `header` is that of the whole dataset.
    """

    header: DatasetHeader
    x: NDArray[np.int32]
    y: NDArray[np.int32]
    mz_offset: NDArray[np.int64]
    mz_length: NDArray[np.int64]
    mz_bytes: NDArray[np.int64]
    mz_type: NDArray[np.uint8]
    intensity_offset: NDArray[np.int64]
    intensity_length: NDArray[np.int64]
    intensity_bytes: NDArray[np.int64]
    intensity_type: NDArray[np.uint8]
    tic: NDArray[np.float64] | None = None
    min_mz: NDArray[np.float64] | None = None
    max_mz: NDArray[np.float64] | None = None
    first: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, first: int, stop: int) -> SpectraIndex:
        """Return spectra first ≤ i < stop, numbered as in the dataset, without copying."""
        start, end = first - self.first, stop - self.first
        if not 0 <= start <= end <= len(self):
            raise ValueError(f"Spectra {first} to {stop} are not within {self.first} to {self.first + len(self)}.")
        columns: dict[str, Any] = {name: values[start:end] for name, values in self._columns().items()}
        return replace(self, first=first, **columns)

    def geometry(self) -> Grid:
        """Return the dataset's grid; needs the rows of the whole dataset."""
        if len(self) != self.header.n_spectra or not len(self):
            raise ValueError(f"The grid needs all {self.header.n_spectra} spectra, not {len(self)}.")
        return Grid.of(self.x, self.y)

    def to_parquet(self) -> bytes:
        """Serialise as Parquet in row groups of `ROW_GROUP` spectra, the header as JSON in the schema's metadata."""
        table = pa.table({name: pa.array(values) for name, values in self._columns().items()})
        table = table.replace_schema_metadata({HEADER_KEY: self.header.to_json().encode()})
        out = io.BytesIO()
        pq.write_table(table, out, row_group_size=ROW_GROUP, compression="zstd")
        return out.getvalue()

    @staticmethod
    def read(source: bytes | BinaryIO, rows: tuple[int, int] | None = None) -> SpectraIndex:
        """Read what `to_parquet` wrote: all of it, or only the row groups that hold spectra rows[0] ≤ i < rows[1]."""
        file = pq.ParquetFile(pa.BufferReader(source) if isinstance(source, bytes) else source)
        header = DatasetHeader.from_json(file.schema_arrow.metadata[HEADER_KEY])
        first, stop = rows if rows is not None else (0, header.n_spectra)
        if not 0 <= first <= stop <= header.n_spectra:
            raise ValueError(f"Spectra {first} to {stop} are not within the index of {header.n_spectra}.")
        begin = first // ROW_GROUP
        end = max(begin, -(-stop // ROW_GROUP))
        table = file.read_row_groups(list(range(begin, end)))
        columns = {name: _column(table, name) for name in _COLUMNS if name in table.column_names}
        return SpectraIndex(header=header, first=begin * ROW_GROUP, **columns).rows(first, stop)

    def _columns(self) -> dict[str, NDArray[Any]]:
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name in _COLUMNS}
        return {name: column for name, column in values.items() if column is not None}


def _column(table: pa.Table, name: str) -> Any:
    """Return a column as the array that was written; `ValueError` where it is another."""
    column = table.column(name)
    if column.type != pa.from_numpy_dtype(np.dtype(_COLUMNS[name])) or column.null_count:
        raise ValueError(f"column {name} is {column.type} with {column.null_count} nulls")
    return column.to_numpy()


def spectra_key(dataset: str) -> str:
    """Return the key of the index of a dataset's spectra."""
    return f"datasets/{dataset}/index.parquet"
