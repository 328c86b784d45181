"""Ion images as pictures in colours."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import numpy.typing as npt
import png

from ionfleet.client.colours import colour_map
from ionfleet.client.images import clip_hotspots

SMALLEST_PICTURE = 400
"""Pictures are magnified, by whole numbers, until their longer side has so many pixels."""


def coloured_png(
    image: npt.NDArray[np.floating[Any]], sampled: npt.NDArray[np.bool_], colours: str = "viridis"
) -> bytes:
    """Return an image as a PNG in colours, from 0 to its highest value without hot spots.

    Parameters
    ----------
    image
        Intensities, [height, width].
    sampled
        bool of the same shape; other pixels are transparent.
    colours
        One of `ionfleet.client.colours.NAMES`.

    """
    shown = clip_hotspots(np.nan_to_num(image.astype(np.float32)))
    steps = np.rint(shown / (shown.max(initial=0) or 1) * 255).astype(np.uint8)
    pixels = np.dstack([colour_map(colours)[steps], np.where(sampled, np.uint8(255), np.uint8(0))])
    factor = -(-SMALLEST_PICTURE // max(image.shape))
    pixels = pixels.repeat(factor, axis=0).repeat(factor, axis=1)
    out = io.BytesIO()
    height, width, _ = pixels.shape
    png.Writer(width, height, greyscale=False, alpha=True).write_packed(out, pixels.reshape(height, -1))
    return out.getvalue()
