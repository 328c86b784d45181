"""Ion images and metrics against their textbook form, and at their edges."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ionfleet import measure as module
from ionfleet.extraction import Images
from ionfleet.images import dense_image
from ionfleet.measure import Measured, Patterns, Settings, measure

from .measure_oracle import ISOTOPES, Case, make_grid, naive_images, naive_metrics, random_case, sort

METRICS = ("chaos", "spatial", "spectral", "mz_err_abs", "mz_err_rel")
ARRAYS = ("total", "maximum", "mz_mean", "mz_std", "points")
BOTH = pytest.mark.parametrize("metaspace", [False, True], ids=["ionfleet", "metaspace"])
CENTRES = np.array([[200.0, 201.0034, 202.0067, 203.01]])
THEORY = np.array([[100.0, 50.0, 20.0, 5.0]])


def run(case: Case, settings: Settings, target: np.ndarray | bool = True) -> tuple[Measured, Images]:
    targets = np.broadcast_to(np.asarray(target), len(case.mz))
    return measure(case.peaks, Patterns(case.mz, case.intensity, targets), case.grid, settings)


def case_of(points: list[tuple[float, float, int]], mask: np.ndarray | None = None) -> Case:
    """Return a case of (m/z, intensity, pixel) points and the pattern of `CENTRES` and `THEORY`."""
    mz, intensity, pixel = (np.array(column) for column in zip(*points, strict=True))
    return Case(sort(mz, intensity, pixel), make_grid(np.ones((3, 3), bool) if mask is None else mask), CENTRES, THEORY)


def faithful(pixels: list[int], isotopes: int = ISOTOPES) -> list[tuple[float, float, int]]:
    """Return points whose images almost follow the pattern, of another height in each pixel."""
    observed = THEORY[0] * [1, 0.9, 1.1, 1]
    return [(CENTRES[0, k], observed[k] * (pixel + 1), pixel) for k in range(isotopes) for pixel in pixels]


def check_against_oracle(case: Case, settings: Settings) -> Measured:
    measured, _ = run(case, settings)
    spatial = 3e-5 if settings.single_precision else 1e-9  # METASPACE's correlation is float32
    for place, row in enumerate(measured.row):
        expected = naive_metrics(case, row, settings)
        for name in METRICS:
            tolerance = {"spatial": spatial, "spectral": 1e-6}.get(name, 1e-9)
            assert getattr(measured, name)[place] == pytest.approx(expected[name], abs=tolerance), (row, name)
        for name in ARRAYS:
            assert getattr(measured, name)[place] == pytest.approx(expected[name], rel=1e-6, abs=1e-9), (row, name)
    return measured


@pytest.mark.parametrize(
    ("metaspace", "single"), [(False, False), (True, True), (True, False)], ids=["ionfleet", "metaspace v3", "v1"]
)
@pytest.mark.parametrize("min_pixels", [1, 2, 25])
@pytest.mark.parametrize("seed", [1, 2])
def test_metrics_of_targets_equal_those_of_dense_images(
    seed: int, min_pixels: int, metaspace: bool, single: bool
) -> None:
    case = random_case(seed)
    measured = check_against_oracle(case, Settings(3, min_pixels, 30, metaspace, single))
    assert np.count_nonzero(measured.msm) > 5
    assert np.count_nonzero(measured.msm == 0) > 1
    assert np.array_equal(measured.msm, measured.chaos * measured.spatial * measured.spectral)


@BOTH
@pytest.mark.parametrize("min_pixels", [1, 20])
def test_early_rejection_of_decoys_changes_no_msm(min_pixels: int, metaspace: bool) -> None:
    case = random_case(3)
    settings = Settings(3, min_pixels, 30, metaspace, single_precision=metaspace)
    targets, _ = run(case, settings)
    decoys, images = run(case, settings, target=False)
    assert len(images.ion) == 0
    scored = targets.msm > 0
    assert 0 < np.count_nonzero(scored) < len(case.mz)
    for name in Measured.__annotations__:
        assert np.array_equal(getattr(decoys, name), getattr(targets, name)[scored]), name


def test_targets_with_any_signal_have_a_row_and_others_none() -> None:
    case = case_of([(CENTRES[0, 2], 5.0, 1)])
    case.mz = np.concatenate([CENTRES, CENTRES + 0.3])
    case.intensity = np.repeat(THEORY, 2, axis=0)
    measured, images = run(case, Settings(3))
    assert measured.row.tolist() == [0]
    assert measured.msm.tolist() == [0]
    assert measured.points.tolist() == [[0, 0, 1, 0]]
    assert measured.mz_err_abs.tolist() == [0]
    assert len(images.ion) == 0


def test_a_decoy_needs_its_first_image_and_another_one() -> None:
    for isotopes in ([0], [1, 2, 3]):
        case = case_of([(CENTRES[0, k], 5.0, pixel) for k in isotopes for pixel in range(3)])
        assert len(run(case, Settings(3), target=False)[0].row) == 0


def test_windows_include_their_ends() -> None:
    half = 200.0 * 3 * 1e-6
    low, high = 200.0 - half, 200.0 + half
    inside = [(low, 1.0, 0), (high, 2.0, 1)]
    outside = [(np.nextafter(low, 0), 4.0, 2), (np.nextafter(high, 999), 8.0, 3)]
    measured, _ = run(case_of(inside + outside), Settings(3))
    assert measured.points[0, 0] == 2
    assert measured.total[0, 0] == 3


def test_windows_do_not_depend_on_the_ions_before() -> None:
    case = random_case(4)
    low, high = case.mz * (1 - 3e-6), case.mz * (1 + 3e-6)
    measured, _ = run(case, Settings(3))
    counts = ((case.peaks.mz >= low[..., None]) & (case.peaks.mz <= high[..., None])).sum(axis=2)
    assert np.array_equal(measured.points, counts[measured.row])


@BOTH
def test_points_of_one_pixel_are_summed_but_counted_singly(metaspace: bool) -> None:
    points = faithful([0, 1, 3, 4])
    doubled = points + [(mz * (1 + 1e-6), value, pixel) for mz, value, pixel in points]
    once, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    twice, images = run(case_of(doubled), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert twice.points.tolist() == [[8, 8, 8, 8]]
    assert np.array_equal(twice.total, 2 * once.total)
    assert np.array_equal(twice.maximum, 2 * once.maximum)
    assert twice.msm == pytest.approx(once.msm, abs=1e-6)
    assert once.msm[0] > 0.5
    assert images.pixel.tolist() == [0, 1, 3, 4] * ISOTOPES


def test_min_pixels_counts_points_before_they_are_summed() -> None:
    points = [(200.0 + step, 1.0, 3) for step in (0.0, 1e-5, 2e-5)]
    assert run(case_of(points), Settings(3, min_pixels=3))[0].points.tolist() == [[3, 0, 0, 0]]
    assert run(case_of(points), Settings(3, min_pixels=4))[0].points.tolist() == [[0, 0, 0, 0]]


def test_an_image_below_min_pixels_is_absent_in_every_metric() -> None:
    lone = [(CENTRES[0, 1] * (1 + 2e-6), 70.0, 0)]
    with_lone, _ = run(case_of(faithful([0, 1, 3, 4], 1) + lone), Settings(3, min_pixels=2))
    without, _ = run(case_of(faithful([0, 1, 3, 4], 1)), Settings(3, min_pixels=2))
    for name in Measured.__annotations__:
        assert np.array_equal(getattr(with_lone, name), getattr(without, name)), name


@pytest.mark.parametrize(("metaspace", "expected"), [(False, 0.0), (True, -0.0002 * 25 / 75)])
def test_only_metaspace_counts_absent_isotopes_in_the_relative_error(metaspace: bool, expected: float) -> None:
    points = [(mz + 0.0002, value, pixel) for mz, value, pixel in faithful([0, 1, 3, 4], 2)]
    measured, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.mz_err_abs[0] == pytest.approx(0.0002, abs=1e-5)  # m/z are rounded to float32
    assert measured.mz_err_rel[0] == pytest.approx(expected, abs=2e-5)


def test_errors_are_relative_to_the_first_peak() -> None:
    shifts = [0.0001, 0.0003, -0.0002, 0.0]
    points = [(mz + shifts[k // 2], value, pixel) for k, (mz, value, pixel) in enumerate(faithful([0, 1]))]
    measured, _ = run(case_of(points), Settings(3))
    weighted = (50 * 0.0002 + 20 * -0.0003 + 5 * -0.0001) / 75
    assert measured.mz_err_rel[0] == pytest.approx(weighted, abs=2e-5)


@BOTH
def test_an_ion_of_one_peak_scores_0(metaspace: bool) -> None:
    case = case_of(faithful([0, 1, 3, 4], 1))
    case.mz = np.array([[200.0, 0, 0, 0]])
    case.intensity = np.array([[100.0, 0, 0, 0]])
    measured, _ = run(case, Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert (measured.spatial[0], measured.spectral[0], measured.msm[0]) == (0, 0, 0)
    assert measured.chaos[0] > 0
    assert measured.mz_err_rel[0] == 0
    assert measured.points.tolist() == [[4, 0, 0, 0]]


@BOTH
def test_places_without_a_centroid_do_not_collect_points_at_0(metaspace: bool) -> None:
    case = case_of([*faithful([0, 1, 3, 4], 2), (0.0, 99.0, 0), (-0.0, 99.0, 1)])
    case.mz = CENTRES * [1, 1, 0, 0]
    case.intensity = THEORY * [1, 1, 0, 0]
    measured, _ = run(case, Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.points.tolist() == [[4, 4, 0, 0]]
    assert measured.mz_mean[0, 2:].tolist() == [0, 0]
    assert measured.spatial[0] == pytest.approx(1, abs=1e-5)


def test_a_perfect_pattern_counts_as_none_as_in_metaspace() -> None:
    case = case_of([(CENTRES[0, k], [64.0, 32.0, 16.0, 8.0][k], pixel) for k in range(4) for pixel in (0, 1)])
    case.intensity = np.array([[64.0, 32.0, 16.0, 8.0]])
    assert run(case, Settings(3))[0].spectral[0] == 0


def test_the_pattern_is_matched_where_the_first_image_has_signal() -> None:
    points = faithful([0, 1, 3, 4])
    elsewhere = [(CENTRES[0, k], 1e6, 8) for k in (1, 2, 3)]
    with_noise, _ = run(case_of(points + elsewhere), Settings(3))
    without, _ = run(case_of(points), Settings(3))
    assert with_noise.spectral[0] == without.spectral[0]
    assert with_noise.spatial[0] < without.spatial[0]


@BOTH
def test_one_pixel_of_signal_has_no_correlation(metaspace: bool) -> None:
    measured, _ = run(case_of(faithful([4])), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.spatial[0] == 0


@BOTH
def test_a_dataset_of_one_pixel_scores_0_without_complaint(metaspace: bool) -> None:
    measured, _ = run(
        case_of(faithful([0]), np.ones((1, 1), bool)), Settings(3, metaspace=metaspace, single_precision=metaspace)
    )
    assert measured.msm[0] == 0
    assert measured.spectral[0] > 0.9


@BOTH
def test_images_that_are_the_same_everywhere_have_no_correlation(metaspace: bool) -> None:
    points = [(CENTRES[0, k], THEORY[0, k] / 3, pixel) for k in range(ISOTOPES) for pixel in range(9)]
    measured, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.spatial[0] == 0


@BOTH
def test_images_that_contradict_each_other_score_0_not_less(metaspace: bool) -> None:
    points = [(CENTRES[0, k], 10.0, pixel) for k in range(ISOTOPES) for pixel in ([0, 1, 2], [6, 7, 8])[k > 0]]
    measured, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.spatial[0] == 0


@BOTH
@pytest.mark.parametrize("where", range(ISOTOPES))
def test_infinite_intensities_leave_finite_numbers(where: int, metaspace: bool) -> None:
    points = [*faithful([0, 1, 3, 4]), (CENTRES[0, where], np.inf, 0)]
    measured, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    for name in (*METRICS, *ARRAYS, "msm"):
        assert np.isfinite(getattr(measured, name)).all(), name
    assert measured.msm[0] < 1
    assert measured.total[0, where] == np.finfo(np.float32).max
    assert measured.maximum[0, where] == np.finfo(np.float32).max


@BOTH
def test_sums_beyond_float32_are_infinite_not_an_error(metaspace: bool) -> None:
    points = [(CENTRES[0, k] + step, 3e38, pixel) for k in range(2) for pixel in (0, 1) for step in (0.0, 1e-5)]
    measured, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert measured.msm.tolist() == [0]
    assert measured.total[0, 0] == np.finfo(np.float32).max


@pytest.mark.parametrize(("metaspace", "power"), [(False, -60), (False, 60), (True, -20), (True, 20)])
def test_tiny_and_huge_intensities_score_like_others(metaspace: bool, power: int) -> None:
    expected, _ = run(case_of(faithful([0, 1, 3, 4])), Settings(3, metaspace=metaspace, single_precision=metaspace))
    points = [(mz, value * 2.0**power, pixel) for mz, value, pixel in faithful([0, 1, 3, 4])]
    scaled, _ = run(case_of(points), Settings(3, metaspace=metaspace, single_precision=metaspace))
    assert scaled.msm == pytest.approx(expected.msm, abs=1e-6)


def test_images_are_those_of_targets_with_a_score() -> None:
    case = random_case(6)
    settings = Settings(3)
    target = np.arange(len(case.mz)) % 3 > 0
    measured, images = run(case, settings, target)
    assert set(images.ion) == set(np.flatnonzero(target[measured.row] & (measured.msm > 0)))
    for ion in set(images.ion):
        _, expected = naive_images(case, measured.row[ion], settings)
        for isotope in range(ISOTOPES):
            entry = ((images.ion == ion) & (images.isotope == isotope))[images.image]
            dense = dense_image(case.grid, images.pixel[entry], images.value[entry])
            assert dense.ravel()[case.grid.pixel_index].tolist() == expected[isotope].tolist()


@BOTH
@pytest.mark.parametrize("points", [1, 700])
def test_batches_change_no_bit(monkeypatch: pytest.MonkeyPatch, points: int, metaspace: bool) -> None:
    case = random_case(7, ions=40)
    target = np.arange(40) % 4 > 0
    settings = Settings(3, metaspace=metaspace, single_precision=metaspace)
    expected, whole = run(case, settings, target)
    monkeypatch.setattr(module, "BATCH_POINTS", points)
    measured, images = run(case, settings, target)
    for name in Measured.__annotations__:
        assert getattr(measured, name).tobytes() == getattr(expected, name).tobytes(), name
    assert images.value.tobytes() == whole.value.tobytes()


def test_the_order_of_the_ions_changes_no_bit() -> None:
    case = random_case(8)
    expected, _ = run(case, Settings(3))
    order = np.random.default_rng(0).permutation(len(case.mz))
    measured, _ = run(replace(case, mz=case.mz[order], intensity=case.intensity[order]), Settings(3))
    back = np.argsort(order[measured.row])
    for name in set(Measured.__annotations__) - {"row"}:
        assert getattr(measured, name)[back].tobytes() == getattr(expected, name).tobytes(), name


def test_no_peaks_and_no_ions() -> None:
    empty = sort(np.empty(0), np.empty(0), np.empty(0))
    case = random_case(9)
    nothing = replace(case, mz=np.empty((0, 4)), intensity=np.empty((0, 4)))
    for without in (replace(case, peaks=empty), nothing):
        measured, images = run(without, Settings(3))
        assert len(measured.row) == len(images.ion) == len(images.value) == 0


def test_a_peak_outside_the_grid_is_refused() -> None:
    case = case_of([(CENTRES[0, 0], 5.0, 9)])
    with pytest.raises(ValueError, match="a peak is in pixel 9 of 9"):
        run(case, Settings(3))
