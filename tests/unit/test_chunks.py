"""Chunks of centroids: their keys, their content, their union."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from ionfleet import chunks
from ionfleet.chunks import IonTable, chunk_key, compute_chunk, matrix_column, matrix_of
from ionfleet.ions import IonSettings, ion_pairs
from ionfleet.isotopes import Instrument, centroids
from ionfleet.stages.partition import in_range

FORMULAS = ["C6H12O6", "C3H7NO2", "NaCl", "C2Cl12Sn8Se8", "C6H14O7"]
SETTINGS = IonSettings(("+H", "-H2O+H"), decoy_sample_size=3)
ORBITRAP = Instrument("orbitrap", 0.000619, 1)


def ions_of(**columns: list) -> IonTable:
    mz = np.array(columns["mz"], float)
    target = np.array(columns.get("target", [True] * len(mz)))
    return IonTable(pa.array(columns["ion"], pa.string()), target, mz, mz * 2)


def as_dictionary(table: IonTable) -> dict[str, tuple]:
    columns = (table.ion.to_pylist(), table.target.tolist(), table.mz.tolist(), table.intensity.tolist())
    return {ion: (target, mz, intensity) for ion, target, mz, intensity in zip(*columns, strict=True)}


def test_the_key_holds_all_that_decides_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = [
        chunk_key(FORMULAS, 0, SETTINGS, ORBITRAP),
        chunk_key(FORMULAS[:-1], 0, SETTINGS, ORBITRAP),
        chunk_key(FORMULAS[::-1], 0, SETTINGS, ORBITRAP),
        chunk_key(FORMULAS, 5, SETTINGS, ORBITRAP),  # other decoys
    ]
    changed_settings = {
        "adducts": ("+Na",), "neutral_losses": ("-H2O",), "chemical_modifications": ("+O",), "decoy_sample_size": 4,
        "fdr_method": "v1", "compatibility": "metaspace",
    }  # fmt: skip
    assert changed_settings.keys() == SETTINGS.__dataclass_fields__.keys()
    keys += [chunk_key(FORMULAS, 0, replace(SETTINGS, **{k: v}), ORBITRAP) for k, v in changed_settings.items()]
    changed_instrument = {"analyzer": "fticr", "sigma": 0.001, "charge": -1, "peaks": 5}
    assert changed_instrument.keys() == ORBITRAP.__dataclass_fields__.keys()
    keys += [chunk_key(FORMULAS, 0, SETTINGS, replace(ORBITRAP, **{k: v})) for k, v in changed_instrument.items()]
    monkeypatch.setattr(chunks, "LIBRARY_VERSION", "another")
    keys.append(chunk_key(FORMULAS, 0, SETTINGS, ORBITRAP))
    assert len(set(keys)) == len(keys) == 15
    assert all(key.startswith("isotopes/") and key.endswith(".parquet") for key in keys)


def test_the_key_is_the_same_another_time() -> None:
    assert chunk_key(list(FORMULAS), 3, SETTINGS, ORBITRAP) == chunk_key(tuple(FORMULAS), 3, SETTINGS, ORBITRAP)


def test_a_chunk_has_every_ion_of_its_formulas_with_its_pattern() -> None:
    table = compute_chunk(FORMULAS, 1, 4, SETTINGS, ORBITRAP)
    pairs = ion_pairs(FORMULAS, 1, 4, SETTINGS)
    ions = pairs.ion.to_pylist()
    assert table.ion.to_pylist() == sorted({ion for ion in ions if ion is not None})
    targets = {ion for ion, is_target in zip(ions, pairs.is_target, strict=True) if is_target and ion is not None}
    assert {ion for ion, (target, _, _) in as_dictionary(table).items() if target} == targets
    patterns = centroids(table.ion.to_pylist(), ORBITRAP)
    assert np.array_equal(table.mz, patterns.mz)
    assert np.array_equal(table.intensity, patterns.intensity)
    assert not table.mz[table.ion.to_pylist().index("C2HCl12Se8Sn8")].any()


@pytest.mark.parametrize("size", [1, 2, 3])
def test_the_union_of_chunks_is_the_chunk_of_all(size: int) -> None:
    starts = range(0, len(FORMULAS), size)
    parts = [compute_chunk(FORMULAS, i, min(i + size, len(FORMULAS)), SETTINGS, ORBITRAP) for i in starts]
    whole = IonTable.union([compute_chunk(FORMULAS, 0, len(FORMULAS), SETTINGS, ORBITRAP)])
    assert as_dictionary(IonTable.union(parts)) == as_dictionary(whole)
    assert IonTable.union(parts).ion.to_pylist() == sorted(as_dictionary(whole))


def test_an_ion_that_is_a_target_anywhere_is_one_in_the_union() -> None:
    one = ions_of(ion=["B", "A"], mz=[[2.0], [1.0]], target=[False, True])
    other = ions_of(ion=["B", "C", "A"], mz=[[2.0], [3.0], [1.0]], target=[True, False, False])
    union = IonTable.union([one, other, one])
    assert union.ion.to_pylist() == ["A", "B", "C"]
    assert union.target.tolist() == [True, True, False]
    assert union.mz.tolist() == [[1], [2], [3]]
    assert union.intensity.tolist() == [[2], [4], [6]]


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_a_table_of_ions_is_read_back(rows: int) -> None:
    mz = np.random.default_rng(rows).random((rows, 4))
    table = IonTable(pa.array([f"C{i}" for i in range(rows)], pa.string()), mz[:, 0] > 0.5, mz, mz * 3)
    read = IonTable.from_parquet(table.to_parquet())
    assert as_dictionary(read) == as_dictionary(table)
    assert read.mz.shape == (rows, 4)
    assert len(read) == rows
    assert table.to_parquet() == table.to_parquet()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_matrices_keep_their_type_and_shape_in_a_column(dtype: type) -> None:
    values = np.arange(12).astype(dtype).reshape(4, 3)
    column = pa.chunked_array([matrix_column(values[:1]), matrix_column(values[1:])])
    for given, expected in ((column, values), (column.slice(1, 2), values[1:3]), (column.slice(0, 0), values[:0])):
        assert matrix_of(given).tolist() == expected.tolist()
        assert matrix_of(given).dtype == dtype
        assert matrix_of(given).shape == expected.shape
    assert matrix_of(pa.chunked_array([], column.type)).shape == (0, 3)


def test_ions_are_kept_by_a_centroid_strictly_within_the_peaks() -> None:
    mz = [[100.0, 101, 0, 0], [99.0, 100.0, 0, 0], [300.0, 301, 0, 0], [299.0, 300, 0, 0], [98.0, 301, 0, 0], [0.0] * 4]
    kept = in_range(ions_of(ion=list("ABCDEF"), mz=mz), 100.0, 300.0)
    assert kept.ion.to_pylist() == ["A", "D"]
    assert kept.mz.tolist() == [mz[0], mz[3]]


def test_ions_in_range_are_ordered_by_their_first_centroid_then_by_name() -> None:
    table = ions_of(ion=["A", "B", "C", "D"], mz=[[250.0], [150.0], [250.0], [120.0]])
    assert in_range(table, 100.0, 300.0).ion.to_pylist() == ["D", "B", "A", "C"]
