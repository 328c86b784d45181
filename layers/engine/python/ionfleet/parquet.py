"""Parquet tables read back whole."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq


def read_table(data: bytes) -> pa.Table:
    """Read a whole Parquet table; `ValueError`, or another error that `ionfleet.damage` knows, for anything else."""
    try:
        table = pq.read_table(pa.BufferReader(data))
        table.validate(full=True)
    except pa.ArrowException as error:
        raise ValueError(str(error)) from error
    return table
