"""Chunks of centroids, kept by content: computed once, whoever needs them (docs/architecture.md, Objects).

A chunk holds every ion, targets and decoys, of a range of a database's formulas. Its key is a hash of all that decides
its content, so that one found under its key is whole and right.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ionfleet.ions import IonSettings, ion_pairs
from ionfleet.isotopes import LIBRARY_VERSION, Instrument, centroids
from ionfleet.parquet import read_table

CHUNK_FORMAT = 1


@dataclass(frozen=True)
class IonTable:
    """Ions with their centroids: `ion` (Arrow strings), `target` (bool[n]), `mz` and `intensity` (float64[n, k]).

    `target` says whether an ion is a target of any database; ions without an isotope pattern have zeros.
    """

    ion: pa.StringArray
    target: npt.NDArray[np.bool_]
    mz: npt.NDArray[np.float64]
    intensity: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.ion)

    def take(self, rows: npt.NDArray[np.integer]) -> IonTable:
        """Return some of the ions."""
        return IonTable(self.ion.take(rows), self.target[rows], self.mz[rows], self.intensity[rows])

    def to_parquet(self) -> bytes:
        """Serialise."""
        table = pa.table(
            {
                "ion": self.ion,
                "target": pa.array(self.target),
                "mz": matrix_column(self.mz),
                "intensity": matrix_column(self.intensity),
            }
        )
        return parquet_bytes(table)

    @staticmethod
    def from_parquet(data: bytes) -> IonTable:
        """Read what `to_parquet` wrote; errors as `read_table`."""
        table = read_table(data)
        ion, target = (table.column(name).combine_chunks() for name in ("ion", "target"))
        if ion.type != pa.string() or target.type != pa.bool_() or ion.null_count or target.null_count:
            raise ValueError(f"ions are {ion.type}, targets {target.type}, with {ion.null_count} nulls")
        mz, intensity = (matrix_of(table.column(name)) for name in ("mz", "intensity"))
        if mz.dtype != np.float64 or intensity.dtype != np.float64 or mz.shape != intensity.shape:
            raise ValueError(f"m/z are {mz.dtype} of shape {mz.shape}, intensities {intensity.dtype} {intensity.shape}")
        return IonTable(cast(pa.StringArray, ion), target.to_numpy(zero_copy_only=False), mz, intensity)

    @staticmethod
    def union(tables: Sequence[IonTable]) -> IonTable:
        """Return the distinct ions of several tables, in alphabetical order."""
        names = pa.concat_arrays([table.ion for table in tables])
        distinct = pc.unique(names).sort()
        place = np.asarray(pc.index_in(names, distinct))
        source = np.empty(len(distinct), np.int64)
        source[place] = np.arange(len(names))
        target = np.zeros(len(distinct), bool)
        target[place[np.concatenate([table.target for table in tables])]] = True
        mz = np.concatenate([table.mz for table in tables])[source]
        intensity = np.concatenate([table.intensity for table in tables])[source]
        return IonTable(distinct, target, mz, intensity)


def matrix_column(values: npt.NDArray[Any]) -> pa.Array[Any]:
    """Turn an array [n, k] into a column of lists of k."""
    return pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(values).ravel()), values.shape[1])


def matrix_of(column: pa.ChunkedArray[Any]) -> npt.NDArray[Any]:
    """Turn a column of lists of k, none of them null, into an array [n, k]; `ValueError` for another column."""
    if not pa.types.is_fixed_size_list(column.type) or column.null_count:
        raise ValueError(f"lists of one length are expected, not {column.type} with {column.null_count} nulls")
    lists = cast("pa.FixedSizeListArray[Any, Any]", column.combine_chunks())
    return lists.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)


def parquet_bytes(table: pa.Table, row_group_size: int | None = None) -> bytes:
    """Serialise a table, the same bytes for the same table."""
    out = io.BytesIO()
    # A dictionary is for what repeats: numbers seldom do, and looking for it takes half of the time.
    texts: Any = [  # which the stubs know as a bool alone
        field.name for field in table.schema if pa.types.is_string(field.type) or pa.types.is_dictionary(field.type)
    ]
    pq.write_table(table, out, compression="zstd", row_group_size=row_group_size, use_dictionary=texts)
    return out.getvalue()


def chunk_key(formulas: Sequence[str], first: int, settings: IonSettings, instrument: Instrument) -> str:
    """Return the key under which the centroids of some formulas are kept.

    `first` is the place of the first of them in their database: decoys are drawn by place.
    """
    content = {
        "format": CHUNK_FORMAT,
        "library": LIBRARY_VERSION,
        "settings": asdict(settings),
        "instrument": asdict(instrument),
        "first": first,
        "formulas": list(formulas),
    }
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return f"isotopes/{digest[:40]}.parquet"


def compute_chunk(
    formulas: Sequence[str], first: int, stop: int, settings: IonSettings, instrument: Instrument
) -> IonTable:
    """Compute the centroids of all ions of formulas first ≤ i < stop of a database (`formulas` are all of it)."""
    pairs = ion_pairs(formulas, first, stop, settings)
    ions = pairs.distinct_ions
    target = np.zeros(len(ions), bool)
    target[pairs.ion_id[pairs.is_target & (pairs.ion_id >= 0)]] = True
    patterns = centroids(cast(list[str], ions.to_pylist()), instrument)
    return IonTable(ions, target, patterns.mz, patterns.intensity)
