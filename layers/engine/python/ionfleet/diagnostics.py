"""What was acquired where: one row a pixel (docs/annotation.md, Result tables, diagnostics.parquet)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ionfleet.index import HEADER_KEY, DatasetHeader, Grid
from ionfleet.runs import RunIndex

METADATA_KEY = b"ionfleet.pixels"
"""Where the table's schema keeps, as JSON, what concerns all pixels."""


@dataclass(frozen=True)
class Acquisition:
    """The spectra of a dataset as far as diagnostics need them; `tic` (float64, one a spectrum) is the file's own."""

    grid: Grid
    header: DatasetHeader
    tic: npt.NDArray[np.float64] | None

    @classmethod
    def read(cls, data: bytes) -> Acquisition:
        """Read the columns needed of a dataset's index, as `SpectraIndex.to_parquet` wrote it."""
        schema = pq.read_schema(pa.BufferReader(data))
        wanted = [name for name in ("x", "y", "tic") if name in schema.names]
        table = pq.read_table(pa.BufferReader(data), columns=wanted)
        tic = table.column("tic").to_numpy() if "tic" in wanted else None
        grid = Grid.of(table.column("x").to_numpy(), table.column("y").to_numpy())
        return cls(grid, DatasetHeader.from_json(schema.metadata[HEADER_KEY]), tic)


def pixel_table(acquisition: Acquisition, runs: Sequence[RunIndex]) -> pa.Table:
    """Return one row a sampled pixel, by y and then x.

    Parameters
    ----------
    acquisition
        The dataset's spectra.
    runs
        Indexes of its runs, in the order of their spectra: their total ion counts are those of the cleaned peaks, and
        are used where the file does not say one for every spectrum.

    Returns
    -------
    pyarrow.Table
        `x`, `y` (int32, from 0), `spectra` (int32), `tic` (float64, summed over a pixel's spectra). The schema's
        metadata has width, height, origin and size of the pixels, and lowest, highest and summed TIC.

    """
    grid = acquisition.grid
    from_file = acquisition.tic is not None
    each = acquisition.tic if acquisition.tic is not None else np.concatenate([run.tic for run in runs])
    pixels = len(grid.pixel_index)
    tic = np.bincount(grid.pixel, each, minlength=pixels).astype(np.float64, copy=False)
    y, x = np.divmod(grid.pixel_index, grid.width)
    columns = {
        "x": pa.array(x.astype(np.int32)),
        "y": pa.array(y.astype(np.int32)),
        "spectra": pa.array(np.bincount(grid.pixel, minlength=pixels).astype(np.int32)),
        "tic": pa.array(tic),
    }
    facts = _facts(acquisition, tic, "file" if from_file else "spectra")
    return pa.table(columns).replace_schema_metadata({METADATA_KEY: json.dumps(facts).encode()})


def _facts(
    acquisition: Acquisition, tic: npt.NDArray[np.float64], source: Literal["file", "spectra"]
) -> dict[str, object]:
    grid, header = acquisition.grid, acquisition.header
    finite = tic[np.isfinite(tic)]
    return {
        "width": grid.width,
        "height": grid.height,
        "x_origin": grid.x_origin,
        "y_origin": grid.y_origin,
        "pixel_size_um": header.pixel_size_um,
        "tic_source": source,
        "tic_min": float(finite.min(initial=np.inf)) if len(finite) else None,
        "tic_max": float(finite.max(initial=0)) if len(finite) else None,
        "tic_sum": float(finite.sum()),
    }
