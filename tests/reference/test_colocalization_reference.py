"""Pictures of ions and what is colocalised with them, against METASPACE's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ionfleet.colocalization import partners, picture, shades, similarities
from ionfleet.images import dense_image, grey_alpha
from ionfleet.stages.common import dataset_grid
from ionfleet.stages.render import read_images

from .pipeline import Job

pytestmark = pytest.mark.reference

TIES = 0.0005
"""Among scores that differ by rounding alone, which are the hundred best is not determined: this share may differ."""


@pytest.fixture(scope="module")
def pictures(details: Path, simulated: Job) -> list[np.ndarray]:
    """The pictures of our own run, in the order of the reference."""
    grid = dataset_grid(simulated.stores.work, simulated.plan.dataset.id)
    names = simulated.table("images.parquet")
    of_ion = {}
    for segment in pc.unique(names.column("segment")).to_pylist():
        ions = set(names.filter(pc.field("segment") == segment).column("ion_formula").to_pylist())
        for image in read_images(simulated.stores, simulated.plan.execution, segment, ions):
            if image.isotope == 0:
                dense = dense_image(grid, image.pixel, image.intensity)
                of_ion[image.ion] = picture(grey_alpha(dense, grid.mask, metaspace=True)[..., 0])
    columns = (names.column(name).to_pylist() for name in ("formula", "modifier", "ion_formula"))
    ions = {(formula, modifier): ion for formula, modifier, ion in zip(*columns, strict=True)}
    given = np.load(details / "coloc_input.npz")
    return [of_ion[ions[pair]] for pair in zip(given["formula"].tolist(), given["modifier"].tolist(), strict=True)]


def test_pictures_are_the_same(details: Path, pictures: list[np.ndarray]) -> None:
    given = np.load(details / "coloc_input.npz")["values"]
    np.testing.assert_allclose([shades(each)[each] for each in pictures], given, rtol=1e-6)


def test_partners_and_their_scores_agree_at_every_level(details: Path, pictures: list[np.ndarray]) -> None:
    given = np.load(details / "coloc_input.npz")
    names = list(zip(given["formula"].tolist(), given["modifier"].tolist(), strict=True))
    expected: dict[tuple[float, str], dict[tuple, float]] = {}
    for row in pq.read_table(details / "coloc.parquet").to_pylist():
        pair = ((row["formula_a"], row["modifier_a"]), (row["formula_b"], row["modifier_b"]))
        expected.setdefault((row["fdr_level"], row["algorithm"]), {})[pair] = row["score"]
    for found in partners(similarities(pictures, (60, 60)), given["fdr"]):
        theirs = expected.pop((found.level, found.algorithm))
        pairs = zip(found.ion.tolist(), found.partner.tolist(), found.score.tolist(), strict=True)
        ours = {(names[ion], names[partner]): score for ion, partner, score in pairs}
        assert len(ours.keys() ^ theirs.keys()) <= TIES * len(theirs)
        for pair in ours.keys() & theirs.keys():
            assert ours[pair] == pytest.approx(theirs[pair], abs=1e-5)
    assert not expected
