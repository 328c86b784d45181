"""Tables of the Python client, AnnData and tables of pixels, read back as their users read them."""

from __future__ import annotations

import csv
import doctest
import io
import json
from dataclasses import replace
from pathlib import Path

import anndata
import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot
from PIL import Image
from typer.testing import CliRunner

from ionfleet.client import Results, ResultsError, export
from ionfleet.client.optical import read_optical
from ionfleet.report.optical import optical_script
from ionfleet_cli.main import application

from ..unit.published_results import fill, published
from ..unit.small_jobs import FORMULAS, SmallJob, database, dataset, planted
from ..unit.test_stages import ADDUCTS

pytestmark = pytest.mark.extras

METASPACES_COLUMNS = [
    "ionFormula", "ion", "mz", "msm", "rhoSpatial", "rhoSpectral", "moc", "fdr", "moleculeNames", "moleculeIds",
    "offSample", "isotopeImages", "intensity",
]  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    databases = [database(FORMULAS[:4])]
    settings = replace(ADDUCTS, neutral_losses=("-H2O",))
    job = SmallJob(dataset(1, ions=planted(databases, settings, 1)), databases, {"neutral_losses": ["-H2O"]})
    return Results(fill(tmp_path_factory.mktemp("results"), published(job)))


def test_the_examples_of_the_documentation_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    databases = [database(FORMULAS[:4])]
    job = SmallJob(dataset(1, ions=planted(databases, ADDUCTS, 1)), databases, {"name": "brain"})
    fill(tmp_path / "brain-results", published(job))
    monkeypatch.chdir(tmp_path)
    examples = doctest.DocTestFinder().find(Results, "Results", globs={"Results": Results})
    runner = doctest.DocTestRunner()
    for example in examples:
        runner.run(example)
    outcome = runner.summarize(verbose=False)
    assert outcome.failed == 0
    assert outcome.attempted == 7


def test_annotations_are_a_frame_with_metaspaces_index_and_columns(results: Results) -> None:
    frame = results.results()
    assert frame.index.names == ["formula", "adduct"]
    assert list(frame.columns) == METASPACES_COLUMNS
    rows = [row for row in results.rows() if not row["neutral_loss"]]
    assert frame.index.tolist() == [(row["formula"], row["adduct"]) for row in rows]
    assert frame.msm.tolist() == [row["score"] for row in rows] == sorted(frame.msm, reverse=True)
    assert frame.intensity.tolist() == [row["max_iso_ints"][0] for row in rows]
    first = frame.iloc[0]
    assert first.moleculeIds == rows[0]["molecule_ids"]
    assert [image["mz"] for image in first.isotopeImages] == rows[0]["theo_mz"]


def test_losses_are_part_of_the_index_where_they_are_wanted(results: Results) -> None:
    frame = results.results(include_neutral_losses=True)
    assert frame.index.names == ["formula", "adduct", "neutralLoss"]
    assert len(frame) == len(results.rows()) > len(results.results())
    assert len(results.results(fdr=float(frame.fdr.min()))) < len(results.results())


def test_colocalised_ions_come_best_first_beside_the_ion_itself(results: Results) -> None:
    pairs = results.colocalization(0.5)
    assert pairs.index.names == ["formula_a", "modifier_a"]
    assert list(pairs.columns) == ["formula_b", "modifier_b", "rank", "score"]
    (formula, modifier), partners = next(iter(pairs.groupby(level=[0, 1])))
    ion = f"{formula}{modifier}+"
    frame = results.results(fdr=0.5, coloc_with=ion, include_neutral_losses=True)
    assert frame.ion.iloc[0] == ion
    assert frame.colocCoeff.tolist() == [1.0, *partners.score]
    assert frame.ion.tolist()[1:] == [f"{row.formula_b}{row.modifier_b}+" for row in partners.itertuples()]
    with pytest.raises(ResultsError, match="give fdr with coloc_with"):
        results.results(coloc_with=ion)
    assert set(results.colocalization(0.5, algorithm="cosine").score) != set(pairs.score)


def test_anndata_is_written_and_read_back(results: Results, tmp_path: Path) -> None:
    results.to_anndata().write_h5ad(tmp_path / "annotations.h5ad")
    data = anndata.read_h5ad(tmp_path / "annotations.h5ad")
    height, width = results.shape
    images = results.all_annotation_images(0.5, only_first_isotope=True)
    assert data.shape == (height * width, len(images))
    for column, image in enumerate(images):
        assert image[0] is not None
        assert np.array_equal(data.X[:, [column]].toarray().reshape(height, width), image[0])
    assert (data.obs.index.name, data.var.index.name) == ("ion_image_pixel", "formula_adduct")
    places = data.obs[["ion_image_pixel_x", "ion_image_pixel_y"]].to_numpy()
    assert np.array_equal(places, data.obsm["spatial"])
    assert places[1].tolist() == [1, 0]
    assert set(data.obs.ion_image_shape_x) == {width}
    row = results.rows()[0]
    assert data.var.index[0] == row["formula"] + row["adduct"] + row["neutral_loss"]
    assert json.loads(data.var.moleculeNames.iloc[0]) == row["molecule_names"]
    assert data.uns["metaspace"]["id"] == results.id


def test_anndata_may_have_shares_of_the_tic(results: Results) -> None:
    shares, tic = results.to_anndata(use_tic=True).X.toarray(), results.tic_image().ravel()
    plain = results.to_anndata().X.toarray()
    np.testing.assert_allclose(shares[tic > 0], plain[tic > 0] / tic[tic > 0, None], rtol=1e-6)


def test_the_table_of_pixels_goes_through_each_column_of_the_image(results: Results, tmp_path: Path) -> None:
    path = tmp_path / "pixel_intensities.csv"
    assert export.write_pixel_intensities(results, path) == len(results.rows())
    with path.open(newline="", encoding="utf-8") as file:
        head, *lines = csv.reader(file)
    height, width = results.shape
    assert head[:5] == ["mol_formula", "adduct", "mz", "moleculeNames", "moleculeIds"]
    assert head[5:7] == ["x0_y0", "x0_y1"]
    assert head[-1] == f"x{width - 1}_y{height - 1}"
    for line, images in zip(lines, results.all_annotation_images(0.5), strict=True):
        assert images[0] is not None
        assert line[:2] == [images.formula, f"M{images.neutral_loss}{images.adduct}"]
        np.testing.assert_allclose(np.array(line[5:], float), images[0].T.ravel(), rtol=1e-6)
    assert pd.read_csv(path).shape == (len(lines), len(head))


def test_files_of_pixels_have_the_better_annotations_only_where_all_are_too_many(
    results: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "MOST_VALUES", 1)
    monkeypatch.setattr(export, "LARGE_FDR", min(row["fdr"] for row in results.rows()))
    best = [row for row in results.rows() if row["fdr"] <= export.LARGE_FDR]
    assert 0 < len(best) < len(results.rows())
    assert export.write_pixel_intensities(results, tmp_path / "pixels.csv") == len(best)
    data = results.to_anndata()
    assert data.n_vars == len(best)
    assert data.uns["metaspace"]["parameters"]["fdr"] == export.LARGE_FDR


def test_the_command_writes_both_tables(results: Results, tmp_path: Path) -> None:
    done = CliRunner().invoke(application, ["export", results.address, "--out", str(tmp_path), "--fdr", "0.2"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.iterdir()} == {"annotations.h5ad", "pixel_intensities.csv"}
    count = len(results.rows(0.2))
    assert anndata.read_h5ad(tmp_path / "annotations.h5ad").n_vars == count
    assert len(pd.read_csv(tmp_path / "pixel_intensities.csv")) == count


def test_filters_are_those_of_metaspaces_notebooks(results: Results) -> None:
    rows = results.rows()
    chosen = rows[-1]
    with_loss = results.annotations(1, hasNeutralLoss=True)
    assert len(with_loss) == sum(bool(row["neutral_loss"]) for row in rows) > 0
    only = results.annotations(1, sumFormula=chosen["formula"], adduct=chosen["adduct"], ion=chosen["ion"])
    assert only == [[chosen["formula"], chosen["adduct"]]]
    near = {"min": chosen["mz"] - 1e-6, "max": chosen["mz"] + 1e-6}
    frame = results.results(mzFilter=near, chemMod=None, include_neutral_losses=True)
    assert frame.mz.tolist() == [row["mz"] for row in rows if near["min"] <= row["mz"] <= near["max"]]
    name = chosen["molecule_names"][0]
    images = results.all_annotation_images(1, compoundQuery=name.upper(), only_first_isotope=True)
    assert {image.formula for image in images} == {row["formula"] for row in rows if name in row["molecule_names"]}
    with pytest.raises(ResultsError, match="no filter adducts; there are sumFormula, adduct"):
        results.results(adducts="+K")


def test_images_are_plotted_side_by_side(results: Results) -> None:
    matplotlib.use("agg")
    row = results.rows()[0]
    images = results.isotope_images(row["formula"], row["adduct"], neutral_loss=row["neutral_loss"])
    figure = pyplot.figure()
    images.plot(2)
    assert [axes.get_title() for axes in figure.axes] == [f"m/z {mz:.4f}" for mz in images.centroids[:2]]
    assert np.array_equal(figure.axes[0].images[0].get_array(), images[0])
    pyplot.close(figure)


@pytest.mark.parametrize("transform", [None, [[2, 0, 4], [0, 2, 0], [0, 0, 1]]])
def test_an_optical_image_and_ion_images_are_laid_upon_each_other(transform: list[list[float]] | None) -> None:
    height, width = 6, 5
    picture = np.zeros((2 * height, 3 * width, 3), np.uint8)
    picture[2:4, 6:9] = 200
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    script = optical_script("report/optical.js", "a);<b.png", data.getvalue(), transform)
    optical = read_optical(script, (height, width))
    assert len(optical) == 1
    assert np.array_equal(optical[0], picture)
    beneath = np.asarray(optical.to_ion_image(0, (height, width)))
    assert beneath.shape == (height, width, 3)
    x, y = (1, 1) if transform else (2, 1)
    assert beneath[y, x, 0] == 200
    ion = np.zeros((height, width), np.float32)
    ion[y, x] = 7.0
    upon = np.asarray(optical.ion_image_to_optical(ion))
    assert upon.shape == picture.shape
    assert upon[3, 7].tolist() == [255, 255, 255]
    assert upon[0, 0].tolist() == [0, 0, 0]


def test_results_without_an_optical_image_say_so(results: Results) -> None:
    with pytest.raises(ResultsError, match="without an optical image"):
        results.optical_images()
