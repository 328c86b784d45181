"""Sorts a dataset on this machine, as the cloud's functions would."""

from __future__ import annotations

import os

from ionfleet.errors import InvalidDatasetError
from ionfleet.findings import errors_of, report
from ionfleet.imzml import inspect_imzml
from ionfleet.index import SpectraIndex, spectra_key
from ionfleet.planning import cut_spectra
from ionfleet.stages.sort import sort_range
from ionfleet.store import ObjectStore
from ionfleet_cli.local_files import LocalDataset

SORT_MB = 1769
"""Memory that sorting a part of a dataset may take, as in the cloud."""

UUID_BYTES = 16


def sort_dataset(store: ObjectStore, dataset: str, files: LocalDataset) -> None:
    """Write the runs of a dataset, and last the index of its spectra: where that is, the runs are complete.

    Raises
    ------
    InvalidDatasetError
        It cannot be read.

    """
    index = _index(files)
    pixel = index.geometry().pixel
    with files.ibd.open("rb") as ibd:

        def fetch(start: int, length: int) -> bytes:
            return os.pread(ibd.fileno(), length, start)

        for first, stop in cut_spectra(index.mz_length, SORT_MB, None):
            sort_range(store, dataset, index.rows(first, stop), pixel[first:stop], fetch)
    store.create(spectra_key(dataset), index.to_parquet())


def _index(files: LocalDataset) -> SpectraIndex:
    with files.ibd.open("rb") as ibd:
        uuid = ibd.read(UUID_BYTES)
    with files.imzml.open("rb") as stream:
        sizes = files.imzml.stat().st_size, files.ibd.stat().st_size
        index, findings = inspect_imzml(stream, *sizes, uuid)
    if index is None:
        raise InvalidDatasetError(f"{files.imzml} cannot be read:\n{report(errors_of(findings))}")
    return index
