"""Laws of the measure of chaos, for any image."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from ionfleet.chaos import SparseImages, measure_of_chaos
from ionfleet.kernels import exceeded_levels

from ..unit.chaos_oracle import naive_chaos, thresholds

# Few values make plateaus and ties; the others are of every magnitude that float32 has.
values = st.one_of(
    st.sampled_from([0.0, 0.0, 0.0, 1.0, 2.0, 3.0]),
    st.floats(0, np.finfo(np.float32).max, width=32, allow_subnormal=True),
    st.just(np.inf),
)
images = npst.array_shapes(min_dims=2, max_dims=2, max_side=9).flatmap(
    lambda shape: npst.arrays(np.float32, (2, *shape), elements=values)
)


def chaos_of(stack: np.ndarray, levels: int = 30, *, metaspace: bool = False) -> list[float]:
    image, y, x = np.nonzero(stack)
    ends = np.searchsorted(image, np.arange(len(stack)), side="right")
    sparse = SparseImages(ends, y.astype(np.int32), x.astype(np.int32), stack[image, y, x])
    return measure_of_chaos(sparse, stack.shape[2], stack.shape[1], levels=levels, metaspace=metaspace).tolist()


@settings(max_examples=150, deadline=None)
@given(images, st.integers(1, 40), st.booleans())
def test_equals_labelling_every_level_set(stack: np.ndarray, levels: int, metaspace: bool) -> None:
    expected = [naive_chaos(image, levels, metaspace=metaspace) for image in stack]
    np.testing.assert_allclose(chaos_of(stack, levels, metaspace=metaspace), expected, rtol=0, atol=1e-12)


@settings(deadline=None)
@given(images, st.booleans())
def test_lies_between_0_and_1_and_is_0_for_images_without_signal(stack: np.ndarray, metaspace: bool) -> None:
    for image, chaos in zip(stack, chaos_of(stack, metaspace=metaspace), strict=True):
        assert 0 <= chaos < 1
        assert image.any() or chaos == 0


@settings(deadline=None)
@given(images)
def test_turning_and_mirroring_change_nothing(stack: np.ndarray) -> None:
    expected = chaos_of(stack)
    for turned in (stack[:, ::-1], stack[:, :, ::-1], stack.transpose(0, 2, 1)):
        assert chaos_of(turned) == expected


@settings(deadline=None)
@given(npst.arrays(np.float32, st.integers(1, 30), elements=values.filter(bool)), st.integers(1, 126))
def test_levels_count_the_thresholds_below_a_value(pixels: np.ndarray, levels: int) -> None:
    found = exceeded_levels(np.array([len(pixels)]), pixels, levels)
    cuts = np.array(thresholds(pixels.max(), levels), np.float32)
    assert found.tolist() == [int((value > cuts).sum()) for value in pixels]
