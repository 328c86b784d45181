"""Ion images in packs, as scripts that the page loads when one of their ions is looked at."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ionfleet.errors import DamagedObjectError
from ionfleet.report.scripts import pack_path, script

_PACK_BYTES = 4 << 20
"""Values of a pack before they are compressed, if every pixel of every image had one."""
_PACK_IONS = 32


def ions_per_pack(pixels: int, peaks: int) -> int:
    """Return how many ions share a pack: a power of two, 1 where each has large images.

    Parameters
    ----------
    pixels
        Sampled pixels of the dataset.
    peaks
        Isotope peaks of an ion.

    """
    fitting = _PACK_BYTES // (4 * pixels * peaks)
    return 1 << max(0, min(fitting, _PACK_IONS).bit_length() - 1)


def encode_values(pixel: npt.NDArray[np.integer], value: npt.NDArray[np.float32], pixels: int) -> str:
    """Encode a sparse image exactly: which sampled pixels have a value, then the values, compressed, in base64.

    Parameters
    ----------
    pixel
        Ranks of the pixels with a value among the sampled ones, ascending.
    value
        Their values.
    pixels
        Sampled pixels of the dataset.

    Returns
    -------
    str
        Base64 of raw deflate of: a bit for each sampled pixel, lowest first; the lowest bytes of all values
        (little-endian float32), then their second bytes and so on, which compresses better than value by value.

    """
    present = np.zeros(pixels, np.bool_)
    present[pixel] = True
    # Intensities repeat nothing but single bytes: looking for more takes thrice the time for nothing.
    return compressed(np.packbits(present, bitorder="little").tobytes() + planes(value, "<f4"), zlib.Z_RLE)


def encode_mask(sampled: npt.NDArray[np.bool_]) -> str:
    """Encode bool[height, width]: base64 of raw deflate of a bit for each pixel, row by row, lowest first."""
    return compressed(np.packbits(sampled, bitorder="little").tobytes())


def planes(values: npt.NDArray[np.generic], kind: str) -> bytes:
    """Return the lowest bytes of all values, as numbers of a kind, then their second bytes and so on."""
    return np.ascontiguousarray(values, kind).view(np.uint8).reshape(-1, np.dtype(kind).itemsize).T.tobytes()


def compressed(data: bytes, strategy: int = zlib.Z_DEFAULT_STRATEGY) -> str:
    """Return base64 of raw deflate."""
    packer = zlib.compressobj(method=zlib.DEFLATED, wbits=-zlib.MAX_WBITS, strategy=strategy)
    return base64.b64encode(packer.compress(data) + packer.flush()).decode("ascii")


@dataclass
class _Pack:
    missing: int
    images: dict[str, dict[int, str]] = field(default_factory=dict)


class PackWriter:
    """Gathers the images of some ions, and writes each pack as soon as it has all of its images.

    An ion's images may come in any order; what is held in memory are packs that wait for an image.
    """

    def __init__(
        self, pixels: int, expected: dict[str, tuple[int, int]], write: Callable[[str, bytes], object]
    ) -> None:
        """Expect images of ions.

        Parameters
        ----------
        pixels
            Sampled pixels of the dataset.
        expected
            The pack of each ion, and how many images it has.
        write
            Takes a path below the results and what is to be there.

        """
        self._pixels = pixels
        self._write = write
        self._pack_of = {ion: pack for ion, (pack, _) in expected.items()}
        self._open: dict[int, _Pack] = {}
        for pack, images in expected.values():
            self._open.setdefault(pack, _Pack(0)).missing += images

    def add(self, ion: str, isotope: int, pixel: npt.NDArray[np.integer], value: npt.NDArray[np.float32]) -> None:
        """Take one image; those of other ions than the expected ones are left to whoever expects them."""
        number = self._pack_of.get(ion)
        if number is None:
            return
        pack = self._open[number]
        pack.images.setdefault(ion, {})[isotope] = encode_values(pixel, value, self._pixels)
        pack.missing -= 1
        if not pack.missing:
            for path, data in _pack_files(number, pack.images):
                self._write(path, data)
            del self._open[number]

    def close(self) -> None:
        """Make sure that every pack was written.

        Raises
        ------
        DamagedObjectError
            Images are missing.

        """
        if self._open:
            missing = sum(pack.missing for pack in self._open.values())
            raise DamagedObjectError(
                f"{missing:,} ion images, of {len(self._open):,} packs of the page, are not where the table of images "
                "says that they are. Upload one of the dataset's files again: they will be made anew."
            )


def _pack_files(number: int, images: dict[str, dict[int, str]]) -> Iterator[tuple[str, bytes]]:
    """Yield paths and scripts of a pack: the first images, which most views need alone, apart from the further ones."""
    for first in (True, False):
        chosen = {
            ion: {str(isotope): data for isotope, data in sorted(each.items()) if (isotope == 0) == first}
            for ion, each in sorted(images.items())
        }
        path = pack_path(number, first=first)
        yield path, script(path, chosen)
