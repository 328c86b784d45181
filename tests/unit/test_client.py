"""The Python client, as far as it needs nothing but NumPy: images, and where results lie."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from botocore.exceptions import ClientError

from ionfleet.client import Results, ResultsError
from ionfleet.client.colours import NAMES, colour_map
from ionfleet.client.images import clip_hotspots, decode, intensities
from ionfleet.client.pictures import coloured_png
from ionfleet.images import encode_png, grey_alpha
from ionfleet.stages.common import dataset_grid
from ionfleet.stages.render import read_images

from .published_results import fill, published
from .small_jobs import FORMULAS, SmallJob, database, dataset, planted
from .test_stages import ADDUCTS

DATABASES = [database(FORMULAS[:4]), database(FORMULAS[3:6], "other")]


@pytest.fixture(scope="module")
def job() -> SmallJob:
    configuration = {"name": "brain", "metadata": {"organism": "mouse"}, "min_pixels": 9}
    return SmallJob(dataset(1, ions=planted(DATABASES, ADDUCTS, 1)), DATABASES, configuration)


@pytest.fixture(scope="module")
def files(job: SmallJob) -> dict[str, bytes]:
    return published(job)


@pytest.fixture(scope="module")
def results(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Results:
    return Results(fill(tmp_path_factory.mktemp("results"), files))


class Bucket:
    """As much of boto3's client as reading takes."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        self.objects = {f"results/ds-0/job-0/{name}": data for name, data in objects.items()}

    def get_object(self, Bucket: str, Key: str) -> dict[str, Any]:
        if Bucket != "lab" or Key not in self.objects:
            raise ClientError({"Error": {"Code": "NoSuchKey", "Message": "no such key"}}, "GetObject")
        return {"Body": io.BytesIO(self.objects[Key])}


def test_a_dataset_tells_what_it_is(results: Results) -> None:
    assert (results.id, results.name, results.polarity) == ("ds-0", "brain", "Positive")
    assert results.metadata == {"organism": "mouse"}
    assert results.databases == ["db", "other"]
    assert results.adducts == ["+H", "+Na", "+K"]
    assert results.image_size == {"x": 6, "y": 5}
    assert repr(results) == "Results(brain | ID: ds-0)"


def test_images_have_the_intensities_that_were_measured(results: Results, job: SmallJob) -> None:
    grid = dataset_grid(job.stores.work, "ds-0")
    measured = {}
    rows = results.rows()
    segments = job.table("images.parquet").to_pylist()
    for row in segments:
        for image in read_images(job.stores, job.execution, row["segment"], {row["ion_formula"]}):
            dense = np.zeros(grid.width * grid.height, np.float32)
            dense[grid.pixel_index[image.pixel]] = image.intensity
            measured[image.ion, image.isotope] = dense.reshape(grid.height, grid.width)
    compared = 0
    for row in rows:
        images = results.isotope_images(row["formula"], row["adduct"])
        assert len(images) == sum(mz > 0 for mz in row["theo_mz"])
        assert images.peak(0) == row["theo_mz"][0]
        for peak in range(len(images)):
            image = images[peak]
            assert image is not None
            expected = measured.get((row["ion_formula"], peak), np.zeros(results.shape, np.float32))
            np.testing.assert_allclose(image, expected, atol=expected.max() / 65535 * 1.001)
            compared += expected.max() > 0
    assert compared > 5


def test_an_image_without_scale_is_between_0_and_1_or_none(results: Results) -> None:
    absent = 0
    for images in results.all_annotation_images(fdr=0.5, scale_intensity=False):
        for image in images:
            absent += image is None
            assert image is None or (image.min() >= 0 and image.max() == 1)
        assert images[0] is not None
    assert absent


def test_images_are_divided_by_the_tic(results: Results) -> None:
    tic = results.tic_image()
    row = results.rows()[0]
    plain = results.isotope_images(row["formula"], row["adduct"], only_first_isotope=True)[0]
    shares = results.isotope_images(row["formula"], row["adduct"], scale_intensity="TIC")[0]
    sampled = tic > 0
    assert plain is not None
    assert shares is not None
    np.testing.assert_allclose(shares[sampled], plain[sampled] / tic[sampled], rtol=1e-6)
    assert not shares[~sampled].any()
    assert 0 < shares.max() <= 1


def test_the_tic_is_nan_where_nothing_was_acquired(results: Results, job: SmallJob) -> None:
    assert np.array_equal(results.mask(), dataset_grid(job.stores.work, "ds-0").mask)
    assert np.array_equal(np.isnan(results.tic_image()), ~results.mask())
    assert not results.mask().all()


def test_annotations_have_metaspaces_names_or_ours_and_stay_below_the_fdr(results: Results) -> None:
    wanted = ("sumFormula", "adduct", "msmScore", "fdr", "isotopeImages", "spectral")
    every = results.annotations(fdr=0.5, return_vals=wanted)
    strict = results.annotations(fdr=every[0][3], return_vals=wanted)
    assert [row[:2] for row in every] == [[row["formula"], row["adduct"]] for row in results.rows()]
    assert 0 < len(strict) < len(every)
    assert every[0][4][0]["url"].endswith(f"{every[0][0]}{every[0][1]}_0.png")
    assert results.annotations(fdr=0.5, database="other") != results.annotations(fdr=0.5)
    with pytest.raises(ResultsError, match="no colour; they have sumFormula"):
        results.annotations(return_vals=["colour"])


def test_what_is_not_there_is_named(results: Results, tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match=r"C6H12O6\+Li is not among the annotations of brain"):
        results.isotope_images("C6H12O6", "+Li")
    with pytest.raises(ResultsError, match="the databases are db, other"):
        results.rows(database="hmdb")
    with pytest.raises(ResultsError, match=r"summary\.json is not there .*Give the folder"):
        Results(tmp_path)


@pytest.mark.parametrize("end", ["", "/"])
def test_a_bucket_is_read_like_a_folder(results: Results, files: dict[str, bytes], end: str) -> None:
    theirs = Results(f"s3://lab/results/ds-0/job-0{end}", client=Bucket(files))
    assert np.array_equal(theirs.tic_image(), results.tic_image(), equal_nan=True)
    both = [each.all_annotation_images(0.5, scale_intensity=False) for each in (theirs, results)]
    for ours, other in zip(*both, strict=True):
        assert repr(ours) == repr(other)
        assert all(np.array_equal(a, b) for a, b in zip(ours, other, strict=True) if a is not None)
    with pytest.raises(ResultsError, match=r"s3://lab/results/ds-0/job-1/summary\.json is not there .*NoSuchKey"):
        Results("s3://lab/results/ds-0/job-1", client=Bucket(files))


@pytest.mark.parametrize("low", [0.0, 3.0, 250.0])
def test_the_lowest_intensity_follows_from_the_sum_where_every_pixel_has_a_signal(low: float) -> None:
    rng = np.random.default_rng(1)
    image = (low + rng.gamma(2, 100, (40, 30))).astype(np.float32)
    png = encode_png(grey_alpha(image, np.ones(image.shape, bool), metaspace=False))
    found = intensities(decode(png), float(image.sum()), float(image.max()), image.size)
    np.testing.assert_allclose(found, image, atol=image.max() / 65535)


def test_a_constant_image_comes_back() -> None:
    image = np.full((3, 4), 7.5, np.float32)
    png = encode_png(grey_alpha(image, np.ones(image.shape, bool), metaspace=False))
    assert intensities(decode(png), 90.0, 7.5, 12).tolist() == image.tolist()


def test_hot_spots_are_clipped_among_what_is_visible() -> None:
    image = np.zeros(10_000, np.float32)
    image[:1000], image[0] = 10, 1000
    assert clip_hotspots(image).max() == 10
    assert clip_hotspots(np.zeros(5, np.float32)).tolist() == [0.0] * 5


@pytest.mark.parametrize("name", NAMES)
def test_colour_maps_grow_lighter_all_the_way(name: str) -> None:
    lightness = colour_map(name) @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(lightness) > -0.5).all()
    assert lightness[0] < 40
    assert lightness[-1] > 180


def test_a_coloured_picture_is_large_enough_to_see_and_clear_where_nothing_was_sampled() -> None:
    from PIL import Image

    image, sampled = np.array([[0, 1], [2, np.nan]]), np.array([[True, True], [True, False]])
    with Image.open(io.BytesIO(coloured_png(image, sampled, "grey"))) as picture:
        assert picture.size == (400, 400)
        assert [picture.getpixel(place) for place in ((0, 0), (399, 0), (0, 399))] == [
            (0, 0, 0, 255), (128, 128, 128, 255), (255, 255, 255, 255),
        ]  # fmt: skip
        assert picture.getpixel((399, 399))[3] == 0
