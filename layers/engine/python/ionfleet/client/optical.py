"""The optical image of a dataset, and how it and ion images lie upon each other."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ionfleet.client.source import optional

if TYPE_CHECKING:
    from PIL.Image import Image as Picture


@dataclass(frozen=True)
class OpticalImage:
    """The optical image of a dataset, as METASPACE's client has it: a sequence of one.

    Attributes
    ----------
    image
        uint8[height, width, channels].
    transform
        float64[3, 3]: takes pixels of the ion image (x, y, 1) to pixels of the optical image.

    """

    image: npt.NDArray[np.uint8]
    transform: npt.NDArray[np.float64]

    def __getitem__(self, index: int) -> npt.NDArray[np.uint8]:
        return (self.image,)[index]

    def __len__(self) -> int:
        return 1

    def to_ion_image(self, index: int, ion_image_shape: tuple[int, int]) -> Picture:
        """Return the optical image as it lies beneath an ion image of a shape (height, width)."""
        return _warped(optional("PIL.Image").fromarray(self[index]), self.transform, ion_image_shape)

    def ion_image_to_optical(self, ion_image: npt.NDArray[Any], index: int = 0) -> Picture:
        """Return an ion image in grey, as it lies upon the optical image."""
        grey = np.rint(ion_image * (255 / max(float(ion_image.max(initial=0)), 1e-30))).astype(np.uint8)
        picture = optional("PIL.Image").fromarray(grey).convert("RGB")
        return _warped(picture, np.linalg.inv(self.transform).astype(np.float64), self[index].shape[:2])


def read_optical(script: bytes, shape: tuple[int, int]) -> OpticalImage:
    """Return the optical image in the page's script; without a transform it spans ion images of a shape."""
    text = script.decode("ascii")
    content = json.loads(f"[{text[text.index('(') + 1 : text.rindex(')')]}]")[1]
    picture = optional("PIL.Image").open(io.BytesIO(base64.b64decode(content["data"])))
    image = np.asarray(picture.convert("RGB"))
    spanning = np.diag([image.shape[1] / shape[1], image.shape[0] / shape[0], 1.0])
    return OpticalImage(image, np.array(content["transform"]) if content["transform"] else spanning)


def _warped(picture: Picture, transform: npt.NDArray[np.float64], shape: tuple[int, ...]) -> Picture:
    """Return a picture of a shape whose pixels are looked up in another where a matrix takes them."""
    module = optional("PIL.Image")
    coefficients = (transform / transform[2, 2]).ravel()[:8].tolist()
    warped: Picture = picture.transform((shape[1], shape[0]), module.Transform.PERSPECTIVE, coefficients)
    return warped
