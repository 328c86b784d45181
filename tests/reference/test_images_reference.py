"""Ion images and PNG pixels against METASPACE's: exact."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
import png
import pyarrow.parquet as pq
import pytest

from ionfleet.images import dense_image
from ionfleet.index import SpectraIndex
from ionfleet.stages.render import read_images

from .pipeline import Job

pytestmark = pytest.mark.reference


def test_ion_images_are_the_same_to_the_last_bit(details: Path, simulated: Job) -> None:
    expected = np.load(details / "ion_images.npz")
    plan, stores = simulated.plan, simulated.stores
    grid = SpectraIndex.read(stores.work.get(f"datasets/{plan.dataset.id}/index.parquet")).geometry()
    listed = {(row["formula"], row["modifier"]): row for row in simulated.table("images.parquet").to_pylist()}
    compared = 0
    for name in expected.files:
        formula, modifier, isotope = name.split("|")
        row = listed[formula, modifier]
        found = {
            image.isotope: dense_image(grid, image.pixel, image.intensity)
            for image in read_images(stores, plan.execution, row["segment"], {row["ion_formula"]})
        }
        image = found.get(int(isotope), np.zeros((grid.height, grid.width), np.float32))
        assert np.array_equal(image, expected[name]), name
        compared += 1
    assert compared == 38 * 4


def test_png_pixels_are_the_same(details: Path, simulated: Job) -> None:
    prefix = f"{simulated.plan.results_prefix}ion_images/"
    rows = pq.read_table(details / "png_hashes.parquet").to_pylist()
    for row in rows:
        key = f"{prefix}{row['formula']}{row['modifier']}_{row['isotope']}.png"
        assert (simulated.stores.results.head(key) is None) == (row["nnz"] == 0), key
        if row["nnz"] == 0:
            continue
        width, height, pixels, info = png.Reader(io.BytesIO(simulated.stores.results.get(key))).read()
        assert (info["greyscale"], info["alpha"], info["bitdepth"]) == (True, True, 16)
        raw = np.vstack([np.asarray(line, "<u2") for line in pixels]).reshape(height, width, 2)
        assert hashlib.sha256(raw.tobytes()).hexdigest() == row["sha256_pixels_u2le_ga"], key
    assert len(rows) == 1496
