"""What several tests of the page look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ionfleet.images import dense_image
from ionfleet.stages.render import read_images

from ..unit.small_jobs import SmallJob

if TYPE_CHECKING:
    from playwright.sync_api import Page

Show = Callable[..., "Page"]
ALL = "fdr=0.5"
"""The state in which every annotation is listed."""

PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


def counted(page: Page) -> str:
    return page.locator(".counts").inner_text()


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".rows .row > :nth-child({number})").all_inner_texts()


def walked_to(page: Page, row: int) -> None:
    """Wait until a row is the chosen one, and its image is there."""
    page.wait_for_selector(f"[aria-selected=true][aria-rowindex='{row + 2}']")
    page.wait_for_selector(".stage[aria-busy=false]")


def identity(row: dict[str, Any]) -> str:
    return f"{row['database']}:{row['ion']}"


def spelled(value: float) -> str:
    """Write an intensity as the page does."""
    if value < 1e6:
        return f"{value:,.0f}"
    digits, power = f"{value:.2e}".split("e+0")
    return f"{digits}·10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(power)]}"


def image_of(job: SmallJob, ion: str, isotope: int = 0) -> np.ndarray:
    """Return an image as the annotate tasks measured it."""
    grid = job.dataset.index().geometry()
    for segment in range(len(job.tasks("annotate"))):
        for image in read_images(job.stores, job.execution, segment, {ion}):
            if image.isotope == isotope:
                return dense_image(grid, image.pixel, image.intensity)
    raise AssertionError(ion)


def drawn(page: Page, selector: str = ".stage .ion-layer") -> np.ndarray:
    """Return what a canvas shows, uint8[height, width, 4]."""
    canvas = page.locator(selector).first
    width, height = (int(canvas.get_attribute(name)) for name in ("width", "height"))
    page.wait_for_selector(".stage[aria-busy=false]")
    return np.array(canvas.evaluate(PIXELS), np.uint8).reshape(height, width, 4)


def saved_picture(page: Page, which: str) -> np.ndarray:
    """Save a picture and return it, uint8[height, width, 3]."""
    page.locator("summary", has_text="PNG").click()
    with page.expect_download() as download:
        page.get_by_role("button", name=which).click()
    return np.array(Image.open(download.value.path()).convert("RGB"))
