"""Isotope patterns against those of METASPACE's engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pytest

from ionfleet.isotopes import Instrument, centroids

pytestmark = pytest.mark.reference


@pytest.mark.parametrize("analyzer", ["orbitrap", "fticr"])
def test_centroids_agree_to_the_ninth_digit(shared: Path, analyzer: str) -> None:
    table = pa_csv.read_csv(shared / "data" / "reference" / "centroids" / f"{analyzer}_280k_positive.csv")
    computed = centroids(table.column("ion_formula").to_pylist(), Instrument(analyzer, sigma=0.000619, charge=1))
    mz = np.stack([table.column(f"mz_{peak}").to_numpy() for peak in range(4)], axis=1)
    intensity = np.stack([table.column(f"int_{peak}").to_numpy() for peak in range(4)], axis=1)
    assert len(mz) == 5000
    np.testing.assert_allclose(computed.mz, np.nan_to_num(mz), rtol=1e-9, atol=0)
    np.testing.assert_allclose(computed.intensity, np.nan_to_num(intensity), rtol=1e-9, atol=0)


def test_labelled_patterns_are_computed_unlabelled_and_shifted(details: Path) -> None:
    table = pa_csv.read_csv(details / "isotope_labels.csv")
    for charge in (1, -1):
        rows = [row for row in table.to_pylist() if row["charge"] == charge and row["v3_mz_0"] is not None]
        computed = centroids(
            [row["ion_formula"] for row in rows], Instrument("orbitrap", sigma=0.000619, charge=charge)
        )
        expected = np.array([[row[f"v3_mz_{peak}"] or 0.0 for peak in range(4)] for row in rows])
        intensity = np.array([[row[f"v3_int_{peak}"] or 0.0 for peak in range(4)] for row in rows])
        assert len(rows) > 10
        np.testing.assert_allclose(computed.mz, expected, rtol=1e-9, atol=0)
        np.testing.assert_allclose(computed.intensity, intensity, rtol=1e-9, atol=0)
