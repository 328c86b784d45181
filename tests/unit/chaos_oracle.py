"""The measure of chaos in its textbook form: one image, one threshold, one flood fill at a time."""

from __future__ import annotations

import numpy as np

Mask = np.ndarray


def naive_chaos(image: np.ndarray, levels: int = 30, *, metaspace: bool = False) -> float:
    """Return the measure of one dense float32 image by METASPACE's or by Ionfleet's rules."""
    image = np.asarray(image, np.float32)
    size = int(np.count_nonzero(image > 0))
    if size == 0:
        return 0.0
    if metaspace:
        image = image[metaspace_keeps((image > 0).any(axis=1))][:, metaspace_keeps((image > 0).any(axis=0))]
    counts = [count_parts(close(image > threshold)) for threshold in thresholds(image.max(), levels)]
    raw = 1.0 - np.mean(counts) / size
    lost = np.isclose(raw, 1.0) if metaspace else not any(counts)
    return 0.0 if lost else float(raw)


def thresholds(highest: np.float32, levels: int) -> list[np.float32]:
    """Return the thresholds, rounded to float32 after the product and after the quotient."""
    with np.errstate(invalid="ignore", over="ignore"):
        return [np.float32(highest * np.float32(i)) / np.float32(levels) for i in range(levels)]


def close(pixels: Mask) -> Mask:
    """Dilate by the cross, with nothing outside, then erode by the square, with everything outside."""
    height, width = pixels.shape
    frame = np.pad(pixels, 1, constant_values=False)
    cross = [(1, 1), (0, 1), (2, 1), (1, 0), (1, 2)]
    dilated = np.any([frame[y : y + height, x : x + width] for y, x in cross], axis=0)
    frame = np.pad(dilated, 1, constant_values=True)
    return np.all([frame[y : y + height, x : x + width] for y in range(3) for x in range(3)], axis=0)


def count_parts(pixels: Mask) -> int:
    """Count 4-connected parts by flood fill."""
    left = set(zip(*(axis.tolist() for axis in np.nonzero(pixels)), strict=True))
    parts = 0
    while left:
        parts += 1
        front = [left.pop()]
        while front:
            y, x = front.pop()
            near = {(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)} & left
            left -= near
            front += near
    return parts


def metaspace_keeps(occupied: Mask) -> Mask:
    """Return which rows (or columns) METASPACE keeps, its slip at the end of the axis included."""
    size = len(occupied)
    forward = {i + step for i in np.flatnonzero(occupied).tolist() for step in (0, 1, 2) if i + step < size}
    kept = forward | {i - 2 for i in forward if i >= 2}
    keep = np.zeros(size, bool)
    keep[sorted(kept)] = True
    return keep if len(kept) < 0.9 * size else np.ones(size, bool)
