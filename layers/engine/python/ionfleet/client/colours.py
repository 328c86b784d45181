"""Colour maps whose steps look equally large, for pictures of ion images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ionfleet.errors import InvalidInputError

# Colours at equal distances along the map, as viridis, magma and cividis of matplotlib (CC0) have them there.
_ANCHORS = {
    "viridis": "440154 482475 414487 355f8d 2a788e 21918c 22a884 44bf70 7ad151 bddf26 fde725",
    "magma": "000004 140e36 3b0f70 641a80 8c2981 b73779 de4968 f7705c fe9f6d fecf92 fcfdbf",
    "cividis": "00224e 083370 35456c 4f576c 666970 7d7c78 948e77 aea371 c8b866 e5cf52 fee838",
    "grey": "000000 ffffff",
}

NAMES = tuple(_ANCHORS)


def colour_map(name: str) -> npt.NDArray[np.uint8]:
    """Return the colours of a map from its lowest to its highest value, uint8[256, 3], red, green and blue.

    Raises
    ------
    InvalidInputError
        There is no map of that name.

    """
    if name not in _ANCHORS:
        raise InvalidInputError(f"There is no colour map {name!r}; there are {', '.join(NAMES)}.")
    anchors = np.array([list(bytes.fromhex(each)) for each in _ANCHORS[name].split()], float)
    places = np.linspace(0, len(anchors) - 1, 256)
    channels = [np.interp(places, np.arange(len(anchors)), channel) for channel in anchors.T]
    colours: npt.NDArray[np.uint8] = np.rint(np.column_stack(channels)).astype(np.uint8)
    return colours
