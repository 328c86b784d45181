"""The page itself: one HTML file, built from `report/` at the root of the project. Needs neither numpy nor pyarrow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from urllib.parse import urlsplit

NAME = "report.html"

_ADDRESSES = '<script type="application/json" id="addresses">{}</script>'
_BESIDE = "'self' file:"


def page() -> bytes:
    """Return the page, the same for every job: it looks for its data in the folder beside it."""
    return (files(__package__) / "page.html").read_bytes()


def page_of(addresses: Mapping[str, str]) -> bytes:
    """Return the page for data that lie elsewhere.

    Parameters
    ----------
    addresses
        Where each of its scripts is, by path: `https://…`, such as a presigned address of a private bucket. The page
        may load scripts from these hosts then.

    """
    written = json.dumps(dict(addresses), separators=(",", ":")).replace("<", "\\u003c")
    parts = (urlsplit(address) for address in addresses.values())
    hosts = sorted({f"{part.scheme}://{part.netloc}" for part in parts})
    text = page().decode().replace(_BESIDE, " ".join([_BESIDE, *hosts]), 1)
    return text.replace(_ADDRESSES, _ADDRESSES.replace("{}", written), 1).encode()
