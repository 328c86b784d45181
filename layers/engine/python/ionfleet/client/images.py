"""Ion images as arrays: from PNG files back to intensities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import png

from ionfleet.client.source import optional

Float32 = npt.NDArray[np.float32]
Image = Float32
HIGHEST = 65535
"""Grey value of an image's highest intensity."""

_HOTSPOT_QUANTILE = 0.99
_VISIBLE_SHARE = 1 / 256


@dataclass(frozen=True)
class IsotopeImages:
    """The images of one ion, float32[height, width] each; None for a peak without one that was not scaled.

    Attributes
    ----------
    formula, chem_mod, neutral_loss, adduct
        The ion.
    images
        One for each isotope peak, in the order of their m/z.
    centroids
        m/z of the peaks.

    """

    formula: str
    chem_mod: str
    neutral_loss: str
    adduct: str
    images: Sequence[Image | None]
    centroids: Sequence[float]

    def __getitem__(self, index: int) -> Image | None:
        return self.images[index]

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        return f"IsotopeImages({self.formula}{self.chem_mod}{self.neutral_loss}{self.adduct})"

    def peak(self, index: int) -> float:
        """Return the m/z of an isotope peak."""
        return self.centroids[index]

    def plot(self, n_images: int = -1) -> None:
        """Show the images side by side in the current figure of matplotlib; -1 for all of them.

        Raises
        ------
        ModuleNotFoundError
            matplotlib is not installed.

        """
        plots = optional("matplotlib.pyplot")
        shown = self.images[: n_images if n_images > 0 else None]
        for index, image in enumerate(shown):
            plots.subplot(1, len(shown), index + 1)
            plots.title(f"m/z {self.peak(index):.4f}")
            plots.axis("off")
            if image is not None:
                plots.imshow(image, interpolation="none", cmap="viridis")


def decode(data: bytes) -> npt.NDArray[np.uint16]:
    """Return the grey values, uint16[height, width], of an ion image's PNG; 0 where nothing was sampled."""
    width, height, rows, _ = png.Reader(bytes=data).read()
    pixels = np.vstack([np.frombuffer(row, np.uint16) for row in rows]).reshape(height, width, 2)
    return np.where(pixels[..., 1] > 0, pixels[..., 0], np.uint16(0))


def intensities(grey: npt.NDArray[np.uint16], total: float, highest: float, points: int) -> Image:
    """Return intensities of an image, float32 of the same shape, to a 65,535th of its range.

    Grey runs from the lowest to the highest value of the box. The lowest is 0, unless every pixel has a signal: then it
    follows from the sum.

    Parameters
    ----------
    grey
        As `decode` returns it.
    total, highest
        Sum and maximum of the image, `total_iso_ints` and `max_iso_ints`.
    points
        Number of its points, `nnz`.

    """
    lowest = _lowest(grey, total, highest) if points >= grey.size else 0.0
    scaled: Image = (lowest + grey.astype(np.float64) * ((highest - lowest) / HIGHEST)).astype(np.float32)
    return scaled


def _lowest(grey: npt.NDArray[np.uint16], total: float, highest: float) -> float:
    """Return the lowest value: the one with which the pixels add up. Greys were cut off, by half a step on average."""
    between = (grey > 0) & (grey < HIGHEST)
    share = (grey.sum(dtype=np.float64) + between.sum() / 2) / HIGHEST
    return float(np.clip((total - highest * share) / (grey.size - share), 0, highest)) if share < grey.size else highest


def clip_hotspots(image: Image) -> Image:
    """Limit an image to the 99th percentile of what is visible: more than a 256th of its maximum."""
    visible = image[image > image.max(initial=0) * _VISIBLE_SHARE]
    return np.minimum(image, np.quantile(visible, _HOTSPOT_QUANTILE).astype(image.dtype)) if visible.size else image


def normalise(image: Image, tic: npt.NDArray[np.float64]) -> Image:
    """Divide an image by the total ion count of each pixel; 0 where there is none."""
    shares = np.zeros(image.shape, np.float32)
    np.divide(image, tic, out=shares, where=tic > 0, casting="unsafe")
    return shares
