"""Data as scripts: what a page opened from a folder can load. Needs neither numpy nor pyarrow."""

from __future__ import annotations

import json
from typing import Any

FOLDER = "report/"
"""Where the scripts lie, beside the page."""

ANNOTATIONS = f"{FOLDER}annotations.js"
DATASET = f"{FOLDER}dataset.js"
SUMMARY = f"{FOLDER}summary.js"
COLOCALIZATION = f"{FOLDER}colocalization.js"
OPTICAL = f"{FOLDER}optical.js"

_CALL = "ionfleet"


def script(path: str, value: Any) -> bytes:
    """Return the script at a path, which hands a JSON value to the page.

    The script is ASCII, and nothing in it ends a script element or begins a comment, whatever names the value holds.
    """
    arguments = ",".join(json.dumps(each, separators=(",", ":"), allow_nan=False) for each in (path, value))
    return f"{_CALL}({arguments});\n".replace("<", "\\u003c").encode("ascii")


def pack_path(pack: int, *, first: bool) -> str:
    """Return where a pack of images lies: of first isotope peaks, or of the further ones of the same ions."""
    return f"{FOLDER}images/{pack:06d}{'' if first else '-further'}.js"
