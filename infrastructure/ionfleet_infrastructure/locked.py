"""The layers of third-party packages: what names their content, and whether it is there.

Known to `layers/build.py`, which builds them, and to the stack, which must not deploy what is not built.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from ionfleet_infrastructure.specification import MASSSPEC, NUMERICS, SERVICE

LOCKED_LAYERS = (NUMERICS, MASSSPEC, SERVICE)
DIGEST_FILE = "digest.txt"


def layer_digest(layers: Path, name: str) -> str:
    """Return a hash of what a layer is made from: its lock file and the script that builds it.

    It names the layer's asset, so that a template is the same whether or not the wheels have been fetched.
    """
    sources = (layers / "build.py", layers / name / "requirements.txt")
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def is_built(layers: Path, name: str) -> bool:
    """Tell whether a layer's folder `build/` was made from its sources as they are now."""
    stamp = layers / name / "build" / DIGEST_FILE
    return stamp.is_file() and stamp.read_text() == layer_digest(layers, name)


def not_built(layers: Path) -> list[str]:
    """Return the names of the layers that are yet to be built."""
    return [name for name in LOCKED_LAYERS if not is_built(layers, name)]
