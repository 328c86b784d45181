"""Take the pictures of the documents from a page of results.

python bench/screenshots.py --results demo/results --out docs/images
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

SIZE = {"width": 1440, "height": 900}


def channels(page: Page) -> None:
    """Show three ions that lie in different places as colour channels."""
    for number, channel in ((2, "red"), (10, "green"), (13, "blue")):
        page.locator(f".rows [aria-rowindex='{number}']").click()
        page.get_by_role("button", name=f"Show in {channel}").click()


def nothing(_page: Page) -> None:
    """Leave the page as it opens."""


VIEWS: dict[str, tuple[str, str, Callable[[Page], None]]] = {
    "report": ("map=inferno", "light", nothing),
    "report-dark": (
        "fdr=0.5&opticalOpacity=0&follow=0&columns=ion%2Cmz%2Cerror%2Cmsm%2Cfdr%2Cisobars%2Cnames",
        "dark",
        nothing,
    ),
    "report-channels": ("fdr=0.2&opticalOpacity=0&follow=0", "dark", channels),
    "report-dataset": ("tab=dataset", "light", nothing),
}
"""For each picture the state in the address, the colours, and what is done on the page."""


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    page_address = (options.results.resolve() / "report.html").as_uri()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (address, scheme, prepare) in VIEWS.items():
            page = browser.new_page(viewport=SIZE, color_scheme=scheme)
            page.goto(f"{page_address}#{address}")
            page.wait_for_selector(".stage[aria-busy=false], .dataset")
            prepare(page)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(500)
            page.screenshot(path=options.out / f"{name}.png")
            print(options.out / f"{name}.png")
            page.close()
        browser.close()


if __name__ == "__main__":
    main()
