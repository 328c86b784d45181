"""Laws of the metrics, for any peaks."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.measure import Measured, Patterns, Settings, measure

from ..unit.measure_oracle import Case, make_grid, sort

CENTRES = np.array([[200.0, 201.003, 202.007, 0.0], [200.0005, 201.0035, 0.0, 0.0], [201.003, 0.0, 0.0, 0.0]])
THEORY = np.array([[100.0, 40.0, 9.0, 0.0], [100.0, 3.0, 0.0, 0.0], [100.0, 0.0, 0.0, 0.0]])

intensities = st.one_of(
    st.floats(1, 1e6, width=32),
    st.floats(0, np.finfo(np.float32).max, width=32, exclude_min=True),
    st.just(np.inf),
)
points = st.tuples(
    st.sampled_from([200.0, 200.0003, 200.0005, 201.003, 201.0035, 202.007, 203.0]),
    st.sampled_from([0.0, 0.0001, -0.0004, 0.0006]),
    intensities,
    st.integers(0, 11),
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """Draw peaks around three ions that share windows, on a grid with holes."""
    drawn = draw(st.lists(points, max_size=60))
    mz = np.array([centre + shift for centre, shift, _, _ in drawn])
    intensity, pixel = (np.array([point[column] for point in drawn]) for column in (2, 3))
    mask = np.ones((4, 4), bool)
    mask[1, :] = False
    return Case(sort(mz, intensity.astype(np.float32), pixel.astype(np.uint32)), make_grid(mask), CENTRES, THEORY)


def run(case: Case, configuration: Settings, target: bool = True) -> Measured:
    patterns = Patterns(case.mz, case.intensity, np.full(len(case.mz), target))
    return measure(case.peaks, patterns, case.grid, configuration)[0]


configurations = st.builds(
    Settings,
    ppm=st.sampled_from([1.0, 3.0]),
    min_pixels=st.integers(1, 4),
    metaspace=st.booleans(),
    single_precision=st.booleans(),
)


@settings(max_examples=200, deadline=None)
@given(cases(), configurations)
def test_scores_lie_between_0_and_1_and_all_figures_are_finite(case: Case, configuration: Settings) -> None:
    measured = run(case, configuration)
    near = np.abs(case.peaks.mz[:, None, None] - case.mz) < 0.0001
    assert set(np.flatnonzero((near & (case.mz > 0)).any(axis=(0, 2)))) <= set(measured.row)
    for name in Measured.__annotations__:
        assert np.isfinite(getattr(measured, name)).all(), name
    for name in ("chaos", "spatial", "spectral", "msm"):
        assert np.all((getattr(measured, name) >= 0) & (getattr(measured, name) <= 1)), name
    tolerance = case.mz[measured.row] * configuration.ppm * 1e-6
    assert np.all(np.abs(measured.mz_mean - case.mz[measured.row]) <= tolerance + 2e-5)  # of float32 m/z
    assert np.all(measured.maximum <= measured.total.astype(float) * (1 + 1e-6))


@settings(max_examples=200, deadline=None)
@given(cases(), configurations)
def test_decoys_are_the_targets_that_score(case: Case, configuration: Settings) -> None:
    targets, decoys = run(case, configuration), run(case, configuration, target=False)
    scored = targets.msm > 0
    for name in Measured.__annotations__:
        assert getattr(decoys, name).tobytes() == getattr(targets, name)[scored].tobytes(), name


@settings(deadline=None)
@given(cases(), configurations, st.floats(2, 30))
def test_peaks_outside_all_windows_change_nothing(case: Case, configuration: Settings, far: float) -> None:
    columns = [getattr(case.peaks, name) for name in ("mz", "intensity", "pixel")]
    extra = [np.append(column, value) for column, value in zip(columns, (200 + far + 0.5, 1e9, 3), strict=True)]
    more = Case(sort(*extra), case.grid, case.mz, case.intensity)
    ours, theirs = run(more, configuration), run(case, configuration)
    for name in Measured.__annotations__:
        assert getattr(ours, name).tobytes() == getattr(theirs, name).tobytes(), name
