"""Ion images as pictures: 16-bit grey with alpha (docs/annotation.md, PNG ion images)."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import png

from ionfleet.index import Grid


def dense_image(grid: Grid, pixel: npt.NDArray[np.integer], value: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Lay entries (pixel ranks and values) out as float32[height, width]; what was not sampled is 0."""
    image = np.zeros(grid.height * grid.width, np.float32)
    image[grid.pixel_index[pixel]] = value
    return image.reshape(grid.height, grid.width)


def grey_alpha(
    image: npt.NDArray[np.float32], sampled: npt.NDArray[np.bool_], *, metaspace: bool
) -> npt.NDArray[np.uint16]:
    """Scale an image to uint16[height, width, 2]: grey from the lowest to the highest value of the box, alpha its mask.

    All pixels of the box take part in the scaling, unsampled ones as 0. Values that are not finite are left out of it
    and shown as the highest; METASPACE lets them blank the image.
    """
    finite = image if metaspace else image[np.isfinite(image)]
    low, high = (finite.min(), finite.max()) if finite.size else (np.float32(0), np.float32(0))
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        scaled = (image - low) / (high - low) * np.float32(65535)
    if not metaspace:
        scaled = np.where(np.isposinf(image), np.float32(65535), scaled)
    grey = np.nan_to_num(scaled, nan=0.0, posinf=0.0, neginf=0.0).astype(np.uint16)
    return np.stack([grey, sampled * np.uint16(65535)], axis=2)


def encode_png(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Encode uint16[height, width, 2] as a PNG, the same bytes for the same pixels."""
    height, width, _ = pixels.shape
    out = io.BytesIO()
    writer = png.Writer(width, height, greyscale=True, alpha=True, bitdepth=16)
    writer.write_packed(out, pixels.astype(">u2").reshape(height, -1).view(np.uint8))
    return out.getvalue()
