"""The page for those who cannot see it, or use no pointer: names, roles, contrast, focus."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from axe_playwright_python.sync_playwright import Axe
    from playwright.sync_api import Browser, Page

Open = Callable[..., "Page"]
VIEWS = {
    "annotations": ("fdr=0.5", ""),
    "nothing": ("text=nothing+is+called+this", ""),
    "dataset": ("tab=dataset", ""),
    "columns": ("fdr=0.5", "summary:has-text('Columns')"),
    "keys": ("", "[aria-label=Keys]"),
    "channels": ("fdr=0.5", "[aria-label='Show in red']"),
    "placing": ("fdr=0.5", "button:has-text('Place')"),
}
"""For each view the state in the address, and what is clicked."""


@pytest.fixture
def open_page(browser: Browser, folder: Path) -> Iterator[Open]:
    """Return a function that opens the page in light or dark colours; what checks it is let in by no policy."""
    context = browser.new_context(viewport={"width": 1400, "height": 900}, bypass_csp=True, reduced_motion="reduce")

    def opened(address: str, scheme: str = "light") -> Page:
        page = context.new_page()
        page.emulate_media(color_scheme=scheme)
        page.goto(f"{(folder / 'report.html').as_uri()}#{address}")
        page.wait_for_selector(".stage[aria-busy=false], .dataset")
        return page

    yield opened
    context.close()


@pytest.fixture
def axe() -> Axe:
    """Return what finds barriers; without it, tests are left out, or fail where they are insisted on."""
    if importlib.util.find_spec("axe_playwright_python") is None:
        lacking = "axe-playwright-python is not installed: make install test"
        if os.environ.get("IONFLEET_BROWSER") == "required":
            pytest.fail(lacking)
        pytest.skip(lacking)
    from axe_playwright_python.sync_playwright import Axe

    return Axe()


class TestAxe:
    @pytest.mark.parametrize("view", VIEWS)
    def test_nothing_is_found_that_keeps_people_out(self, open_page: Open, axe: Axe, view: str) -> None:
        page = seen(open_page, view, "light")
        found = axe.run(page)
        assert len(found.response["passes"]) > 10
        assert found.violations_count == 0, found.generate_report()

    @pytest.mark.parametrize("view", VIEWS)
    def test_dark_colours_have_contrast_as_well(self, open_page: Open, axe: Axe, view: str) -> None:
        page = seen(open_page, view, "dark")
        found = axe.run(page, options={"runOnly": ["color-contrast"]})
        assert [rule["id"] for rule in found.response["passes"]] == ["color-contrast"]
        assert found.violations_count == 0, found.generate_report()


def seen(open_page: Open, view: str, scheme: str) -> Page:
    """Open a view."""
    address, clicked = VIEWS[view]
    page = open_page(address, scheme)
    if clicked:
        page.locator(clicked).first.click()
    return page


class TestTree:
    def test_places_have_names_and_headings_are_in_order(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        for role, name in (("navigation", "Views"), ("search", "Filter annotations"), ("grid", "Annotations")):
            assert page.get_by_role(role, name=name).count() == 1
        assert page.get_by_role("region", name="Chosen ion").count() == 1
        levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(e => Number(e.tagName[1]))")
        assert levels[0] == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def test_rows_say_which_of_how_many_they_are(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        grid = page.get_by_role("grid")
        total = int(grid.get_attribute("aria-rowcount"))
        grid.focus()
        page.keyboard.press("End")
        page.wait_for_selector(f"[aria-selected=true][aria-rowindex='{total}']")
        active = grid.get_attribute("aria-activedescendant")
        assert page.locator(f"#{active}").get_attribute("aria-selected") == "true"
        assert page.locator("output.counts").get_attribute("aria-live") == "polite"

    def test_an_active_row_that_is_out_of_sight_is_not_referred_to(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        page.set_viewport_size({"width": 1400, "height": 420})
        page.keyboard.press("End")
        page.wait_for_function("() => document.querySelector('.table').scrollTop > 0")
        page.locator(".table").evaluate("table => { table.scrollTop = 0 }")
        page.wait_for_selector(".rows [aria-rowindex='2']")
        active = page.get_by_role("grid").get_attribute("aria-activedescendant")
        assert active is None or page.locator(f"#{active}").count() == 1

    def test_the_image_is_described(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        stage = page.get_by_role("application", name="Ion image")
        described = page.locator(f"#{stage.get_attribute('aria-describedby')}").get_attribute("aria-label")
        assert "pixels have a signal, the highest intensity is" in described


class TestFocus:
    def test_everything_that_acts_is_reached_by_tab_and_seen_there(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        wanted = page.eval_on_selector_all(
            "button:enabled, select, summary, .stage, .handle, .table, a[href]",
            "all => all.filter(e => e.checkVisibility() && !e.closest('dialog, .sheet')).length",
        )
        seen: set[str] = set()
        for _ in range(4 * wanted):
            page.keyboard.press("Tab")
            focused = page.evaluate(FOCUSED)
            if focused is None or focused["path"] in seen:
                break
            assert focused["outlined"], focused["path"]
            seen.add(focused["path"])
        assert len(seen) >= wanted

    def test_ends_of_the_colour_bar_say_and_change_their_value(self, open_page: Open) -> None:
        page = open_page("fdr=0.5")
        high = page.get_by_role("slider", name="Highest intensity shown")
        before = float(high.get_attribute("aria-valuenow"))
        high.focus()
        page.keyboard.press("ArrowDown")
        page.wait_for_function("() => location.hash.includes('range=')")
        assert float(high.get_attribute("aria-valuenow")) < before
        assert high.get_attribute("aria-valuetext")


FOCUSED = """() => {
  const e = document.activeElement;
  if (!e || e === document.body) return null;
  const path = [];
  for (let node = e; node.parentElement; node = node.parentElement)
    path.unshift(node.tagName + Array.from(node.parentElement.children).indexOf(node));
  const shown = e.matches(".levels input, .button input") ? e.closest("label") : e;
  const outline = (node) => getComputedStyle(node).outlineStyle !== "none";
  return { path: path.join(">"), outlined: [shown, ...shown.children].some(outline) };
}"""
"""The place of what has the focus, and whether that is drawn."""
