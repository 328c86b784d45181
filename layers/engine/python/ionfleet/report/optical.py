"""The optical image that the page shows beneath ion images. Needs neither numpy nor pyarrow."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from ionfleet.errors import InvalidConfigurationError
from ionfleet.report.scripts import script

MAX_BYTES = 32 << 20
"""Size of an optical image's file."""

_SIGNATURES = {b"\x89PNG\r\n\x1a\n": "image/png", b"\xff\xd8\xff": "image/jpeg"}


def optical_script(path: str, name: str, data: bytes, transform: Sequence[Sequence[float]] | None) -> bytes:
    """Return the script that brings the page its optical image.

    Parameters
    ----------
    path
        Where the script is to lie.
    name
        What the picture is called.
    data
        Its file.
    transform
        Rows of the 3×3 matrix that takes pixels of the ion image to pixels of the picture; None where the picture
        spans the ion image.

    Raises
    ------
    InvalidConfigurationError
        The file is no picture that browsers show.

    """
    media = next((media for signature, media in _SIGNATURES.items() if data.startswith(signature)), None)
    if media is None:
        raise InvalidConfigurationError(
            f"optical_image names {name!r}, which is neither PNG nor JPEG; save the picture as one of them."
        )
    content = {"name": name, "media": media, "data": base64.b64encode(data).decode("ascii"), "transform": transform}
    return script(path, content)
