"""What several tests of the page look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

Show = Callable[..., "Page"]
ALL = "fdr=0.5"
"""The state in which every annotation is listed."""


def counted(page: Page) -> str:
    return page.locator(".counts").inner_text()


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".rows .row > :nth-child({number})").all_inner_texts()


def walked_to(page: Page, row: int) -> None:
    """Wait until a row is the chosen one, and its image is there."""
    page.wait_for_selector(f"[aria-selected=true][aria-rowindex='{row + 2}']")
    page.wait_for_selector(".stage[aria-busy=false]")
