"""The page itself: one HTML file, built from `report/` at the root of the project. Needs neither numpy nor pyarrow."""

from __future__ import annotations

from importlib.resources import files

NAME = "report.html"


def page() -> bytes:
    """Return the page, the same for every job: it looks for its data in the folder beside it."""
    return (files(__package__) / "page.html").read_bytes()
