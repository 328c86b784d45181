"""Ion images as pictures: 16-bit grey with alpha (docs/annotation.md, PNG ion images)."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import png

from ionfleet.index import Grid

_GREY_ALPHA = 4
"""PNG's number for grey with alpha."""
_UP = np.uint8(2)
"""PNG's number for rows as differences from the row above."""


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
        scaled[image == np.inf] = 65535
    scaled[~np.isfinite(scaled)] = 0
    pixels = np.empty((*image.shape, 2), np.uint16)
    pixels[..., 0] = scaled
    pixels[..., 1] = sampled * np.uint16(65535)
    return pixels


def encode_png(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Encode uint16[height, width, 2] as a PNG, the same bytes for the same pixels.

    As differences from the row above, ion images repeat little but runs of equal bytes: looking for these alone takes
    a tenth of the time of zlib's default, and the files are as large on average.
    """
    height, width, _ = pixels.shape
    rows = pixels.astype(">u2").reshape(height, -1).view(np.uint8)
    lines = np.empty((height, 1 + rows.shape[1]), np.uint8)
    lines[:, 0], lines[:, 1:] = _UP, rows
    lines[1:, 1:] -= rows[:-1]
    compressor = zlib.compressobj(strategy=zlib.Z_RLE)
    data = compressor.compress(lines.data) + compressor.flush()
    header = struct.pack(">2I5B", width, height, 16, _GREY_ALPHA, 0, 0, 0)
    out = io.BytesIO()
    png.write_chunks(out, [(b"IHDR", header), (b"IDAT", data), (b"IEND", b"")])
    return out.getvalue()
