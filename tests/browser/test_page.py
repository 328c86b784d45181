"""The page in a browser: what a user sees and does, on the results of a tiny job."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
import shutil
import threading
from collections.abc import Callable
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from ionfleet.images import dense_image
from ionfleet.report.page import page_of
from ionfleet.stages.render import read_images

from ..unit.small_jobs import SmallJob
from .conftest import HOSTILE

if TYPE_CHECKING:
    from playwright.sync_api import Page

Show = Callable[..., "Page"]
ALL = "fdr=0.5"
PIXELS = "canvas => Array.from(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data)"


@pytest.fixture(scope="module")
def rows(job: SmallJob) -> list[dict[str, Any]]:
    """Return the annotations in the order of the page."""
    return job.table("annotations.parquet").sort_by([("fdr", "ascending"), ("msm", "descending")]).to_pylist()


def identity(row: dict[str, Any]) -> str:
    return f"{row['database']}:{row['ion']}"


def counted(page: Page) -> str:
    return page.locator(".counts").inner_text()


def spelled(value: float) -> str:
    """Write an intensity as the page does."""
    if value < 1e6:
        return f"{value:,.0f}"
    digits, power = f"{value:.2e}".split("e+0")
    return f"{digits}·10{'⁰¹²³⁴⁵⁶⁷⁸⁹'[int(power)]}"


def column(page: Page, number: int) -> list[str]:
    return page.locator(f".rows .row > :nth-child({number})").all_inner_texts()


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


def smoothed(image: np.ndarray) -> np.ndarray:
    """Return an image as it is compared: in 256 steps, clipped, without what is below its median, smoothed."""
    steps = np.floor((image - image.min()) / np.ptp(image) * 65535) // 256
    high = np.quantile(steps, 0.99) or steps.max()
    shown = np.minimum(steps, high) / high
    kept = np.pad(np.where(shown < np.median(shown), 0, shown), 1, mode="symmetric")
    return np.median(np.lib.stride_tricks.sliding_window_view(kept, (3, 3)), axis=(2, 3))


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Return the cosine of two images."""
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class TestTable:
    def test_annotations_are_filtered_by_level(self, show: Show, rows: list) -> None:
        page = show()
        for level in (5, 10, 20, 50):
            page.get_by_role("radio", name=f"{level} %", exact=True).check()
            number = sum(row["fdr"] <= level / 100 for row in rows)
            assert counted(page) == f"{number} of {len(rows)} annotations"

    def test_annotations_are_filtered_by_database_adduct_text_and_mass(self, show: Show, rows: list) -> None:
        page = show(ALL)
        page.get_by_role("combobox", name="Database").select_option("one")
        page.get_by_role("combobox", name="Adduct").select_option("+Na")
        wanted = [row for row in rows if row["database"] == "one" and row["adduct"] == "+Na"]
        assert counted(page).startswith(f"{len(wanted)} of")
        page.get_by_label("Molecule, formula or ion").fill(wanted[0]["molecule_ids"][1])
        wanted = [row for row in wanted if row["formula"] == wanted[0]["formula"]]
        assert counted(page).startswith(f"{len(wanted)} of")
        page.get_by_role("textbox", name="m/z").fill(f"{wanted[0]['mz'] + 0.001:.6f}")
        assert counted(page).startswith("0 of")
        assert page.get_by_text("No annotation passes").is_visible()
        page.get_by_label("Unit of the tolerance").select_option("Da")
        page.get_by_label("Tolerance", exact=True).fill("0.0011")
        assert counted(page).startswith("1 of")
        page.get_by_text("Clear filters").click()
        assert counted(page).startswith(f"{sum(row['fdr'] <= 0.1 for row in rows)} of")

    def test_columns_sort_both_ways(self, show: Show, rows: list) -> None:
        page = show(ALL)
        masses = sorted(f"{row['mz']:.4f}" for row in rows)
        header = page.get_by_role("grid").get_by_role("columnheader", name="m/z")
        header.get_by_role("button").click()
        assert sorted(column(page, 2), key=float) == column(page, 2)
        assert header.get_attribute("aria-sort") == "ascending"
        assert set(column(page, 2)) <= set(masses)
        header.get_by_role("button").click()
        assert sorted(column(page, 2), key=float, reverse=True) == column(page, 2)

    def test_columns_can_be_chosen(self, show: Show) -> None:
        page = show()
        page.get_by_text("Columns").click()
        page.get_by_role("checkbox", name="ρ chaos").check()
        page.get_by_role("checkbox", name="Molecules").uncheck()
        heads = page.get_by_role("grid").get_by_role("columnheader").all_inner_texts()
        assert [re.sub(r"\W+$", "", head.strip()) for head in heads] == ["Ion", "m/z", "MSM", "FDR", "ρ chaos"]

    def test_keys_walk_through_the_ions(self, show: Show, rows: list) -> None:
        page = show(ALL)
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.locator("[aria-selected=true]").get_attribute("aria-rowindex") == "4"
        assert page.locator("h2").first.inner_text().replace(" ", "").startswith(f"[{rows[2]['formula']}")
        page.keyboard.press("End")
        assert page.locator("[aria-selected=true]").get_attribute("aria-rowindex") == str(len(rows) + 1)
        page.keyboard.press("/")
        page.keyboard.type("c6")
        assert page.get_by_label("Molecule, formula or ion").input_value() == "c6"

    def test_the_filtered_rows_are_saved(self, show: Show, rows: list) -> None:
        page = show(f"{ALL}&adduct=%2BNa")
        with page.expect_download() as download:
            page.get_by_role("button", name="CSV").click()
        table = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8-sig"))))
        wanted = [row for row in rows if row["adduct"] == "+Na"]
        assert [row["ion"] for row in table] == [row["ion"] for row in wanted]
        assert {row["adduct"] for row in table} == {"M+Na"}
        assert [float(row["mz"]) for row in table] == pytest.approx([row["mz"] for row in wanted])


class TestImage:
    def test_pixels_have_the_colours_of_their_values(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&map=grey&clip=0")
        picture, image = drawn(page), image_of(job, rows[0]["ion_formula"])
        mask = job.dataset.index().geometry().mask
        assert np.array_equal(picture[:, :, 3] > 0, mask)
        assert picture[mask][:, 0] == pytest.approx(255 * image[mask] / image.max(), abs=1.5)

    def test_hot_spots_are_clipped_and_unsampled_pixels_shown_on_demand(
        self, show: Show, job: SmallJob, rows: list
    ) -> None:
        page = show(f"{ALL}&follow=0&map=grey&mask=0")
        picture, image = drawn(page), image_of(job, rows[0]["ion_formula"])
        values = np.sort(image[image > 0])
        high = values[int((len(values) - 1) * 0.99)]
        assert picture[:, :, 0] == pytest.approx(255 * np.minimum(1, image / high), abs=1.5)
        assert (picture[:, :, 3] == 255).all()

    def test_values_are_read_out_where_the_pointer_is(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(ALL)
        drawn(page)
        image, index = image_of(job, rows[0]["ion_formula"]), job.dataset.index()
        y, x = np.unravel_index(image.argmax(), image.shape)
        box = page.locator(".stage .ion-layer").bounding_box()
        page.mouse.move(
            box["x"] + (x + 0.5) * box["width"] / image.shape[1], box["y"] + (y + 0.5) * box["height"] / image.shape[0]
        )
        said = page.locator(".readout").inner_text()
        assert said == f"x {x + index.x.min()}, y {y + index.y.min()}: {spelled(image.max())}"
        page.locator(".stage").focus()
        page.keyboard.press("ArrowLeft")
        assert page.locator(".readout").inner_text().startswith(f"x {x - 1 + index.x.min()}, y {y + index.y.min()}: ")

    def test_images_are_divided_by_the_totals(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&map=grey&clip=0&tic=1")
        picture, image = drawn(page), image_of(job, rows[0]["ion_formula"])
        grid, peaks = job.dataset.index().geometry(), job.dataset.peaks()
        total = np.bincount(grid.pixel[peaks.spectrum], peaks.intensity, len(grid.pixel_index))
        share = image[grid.mask] / total
        assert picture[grid.mask][:, 0] == pytest.approx(255 * share / share.max(), abs=1.5)

    def test_three_ions_add_up_as_channels(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&clip=0")
        for number, channel in enumerate(("red", "green", "blue")):
            page.locator(f".rows [aria-rowindex='{number + 2}']").click()
            page.get_by_role("button", name=f"Show in {channel}").click()
        colours = np.array([[255, 64, 64], [64, 224, 64], [72, 128, 255]])
        images = [image_of(job, row["ion_formula"]) for row in rows[:3]]
        page.wait_for_function("document.querySelectorAll('.channels .dot').length === 3")
        expected = sum(colours[n] * (image / image.max())[:, :, None] for n, image in enumerate(images))
        mask = job.dataset.index().geometry().mask
        assert drawn(page)[mask][:, :3] == pytest.approx(np.minimum(255, expected[mask]), abs=3)
        page.get_by_text("Back to one ion").click()
        assert page.locator(".colourbar").is_visible()

    def test_the_ends_of_the_colour_bar_can_be_moved_and_locked(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&map=grey&clip=0")
        drawn(page)
        high = page.get_by_label("Highest intensity shown")
        box = high.bounding_box()
        bar = page.locator(".track canvas").bounding_box()
        page.mouse.move(box["x"] + 5, box["y"] + 4)
        page.mouse.down()
        page.mouse.move(box["x"] + 5, bar["y"] + bar["height"] / 2)
        page.mouse.up()
        image = image_of(job, rows[0]["ion_formula"])
        mask = job.dataset.index().geometry().mask
        assert drawn(page)[mask][:, 0] == pytest.approx(255 * np.minimum(1, image[mask] / image.max() * 2), abs=4)
        page.get_by_role("button", name="Lock").click()
        page.keyboard.press("ArrowDown")
        other = image_of(job, rows[1]["ion_formula"])
        page.wait_for_timeout(200)
        assert drawn(page)[mask][:, 0] == pytest.approx(255 * np.minimum(1, other[mask] / image.max() * 2), abs=4)
        high.focus()
        page.keyboard.press("PageDown")
        assert "locked=" in page.url

    def test_zoom_and_place_are_in_the_address(self, show: Show) -> None:
        page = show(ALL)
        drawn(page)
        page.locator(".stage").hover()
        page.mouse.wheel(0, -300)
        page.wait_for_function("location.hash.includes('view=')")
        before = page.locator(".plane").get_attribute("style")
        again = show(page.url.partition("#")[2])
        assert again.locator(".plane").get_attribute("style") == before
        again.get_by_role("button", name="Fit").click()
        assert "view=" not in again.url

    def test_the_picture_is_saved_with_its_scale_bar(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&map=grey&clip=0&opticalOpacity=0")
        drawn(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Save PNG").click()
        saved = np.array(Image.open(download.value.path()).convert("RGB"))
        image = image_of(job, rows[0]["ion_formula"])
        scale = saved.shape[1] // image.shape[1]
        assert saved.shape[1] == scale * image.shape[1] >= 900
        y, x = np.unravel_index(image.argmax(), image.shape)
        assert saved[int((y + 0.5) * scale), int((x + 0.5) * scale)].tolist() == [255, 255, 255]
        assert (saved[image.shape[0] * scale + 15, 15:40] == 255).all()


class TestOptical:
    def test_the_picture_of_the_configuration_lies_where_its_transform_says(self, show: Show) -> None:
        page = show(f"{ALL}&ionOpacity=0")
        drawn(page)
        page.wait_for_selector("img.optical")
        image, ion = (page.locator(name).bounding_box() for name in ("img.optical", ".stage .ion-layer"))
        across = ion["width"] / 12
        assert image["width"] / across == pytest.approx(14, abs=0.01)
        assert (image["x"] - ion["x"]) / across == pytest.approx(-0.5, abs=0.01)
        assert (image["y"] - ion["y"]) / across == pytest.approx(-0.5, abs=0.01)

    def test_the_opacity_of_the_ion_follows_its_intensity(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&clip=0")
        page.wait_for_selector("img.optical")
        picture, image = drawn(page), image_of(job, rows[0]["ion_formula"])
        mask = job.dataset.index().geometry().mask
        assert picture[mask][:, 3] == pytest.approx(255 * image[mask] / image.max(), abs=1.5)
        page.get_by_role("button", name="Fade weak").click()
        assert (drawn(page)[mask][:, 3] == 255).all()

    def test_a_picture_is_placed_by_three_points_and_the_transform_exported(self, show: Show) -> None:
        page = show(ALL)
        page.wait_for_selector("img.optical")
        page.get_by_role("button", name="Place").click()
        places = [(2, 2), (10, 2), (2, 7)]
        for title, points, size in (
            ("Ion image", places, (12, 9)),
            ("Optical image", [(8 * x + 10, 9 * y + 3) for x, y in places], (140, 110)),
        ):
            frame = page.locator("dialog figure", has_text=title).locator(".marks")
            box = frame.bounding_box()
            for x, y in points:
                position = {"x": x / size[0] * box["width"], "y": y / size[1] * box["height"]}
                frame.click(position=position)
        assert page.get_by_text("The points make a transform.").is_visible()
        with page.expect_download() as download:
            page.get_by_role("button", name="Export transform").click()
        fields = json.loads(Path(download.value.path()).read_text())
        assert fields["optical_image"] == "section.png"
        assert np.array(fields["transform"]) == pytest.approx(np.array([[8, 0, 10], [0, 9, 3], [0, 0, 1]]), abs=0.15)
        page.get_by_role("button", name="Apply").click()
        image, ion = (page.locator(name).bounding_box() for name in ("img.optical", ".stage .ion-layer"))
        assert image["width"] / (ion["width"] / 12) == pytest.approx(140 / 8, rel=0.02)


class TestDetails:
    def test_an_ion_is_shown_with_all_that_is_known_of_it(self, show: Show, rows: list) -> None:
        row = rows[0]
        page = show(f"{ALL}&ion={identity(row)}".replace("+", "%2B"))
        details = page.locator(".details")
        for score in ("msm", "chaos", "spatial", "spectral"):
            assert f"{row[score]:.3f}" in details.inner_text()
        assert details.locator("canvas").count() >= 4
        assert page.locator(".molecules li").all_inner_texts()[0].split() == [
            *row["molecule_names"][0].split(),
            row["molecule_ids"][0],
        ]
        assert all(
            link.startswith("https://") for link in page.eval_on_selector_all("a", "all => all.map(a => a.href)")
        )
        assert page.locator("h2 sub").count() > 0

    def test_isomers_lead_to_each_other(self, show: Show, rows: list) -> None:
        one = next(row for row in rows if row["isomers"])
        page = show(f"{ALL}&ion={identity(one)}".replace("+", "%2B"))
        page.locator(".relations button").first.click()
        assert page.locator(".relations").get_by_text("same ion formula").count() >= 1
        assert one["isomers"][0].replace("+", "%2B") in page.url.replace("%20", "+")

    def test_ions_that_look_alike_are_found(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(ALL)
        others = {row["ion_formula"] for row in rows if row["database"] == rows[0]["database"]}
        own = smoothed(image_of(job, rows[0]["ion_formula"]))
        cosines = [cosine(own, smoothed(image_of(job, ion))) for ion in others - {rows[0]["ion_formula"]}]
        expected = sorted((score for score in cosines if score >= 0.3), reverse=True)[:12]
        assert len(expected) > 2
        page.wait_for_selector(".colocalised li")
        scores = [float(text) for text in page.locator(".colocalised .score").all_inner_texts()]
        assert scores == pytest.approx(expected, abs=0.0051)


class TestPage:
    def test_a_view_can_be_shared(self, show: Show) -> None:
        page = show(ALL)
        page.get_by_label("Molecule, formula or ion").fill("c6")
        page.get_by_label("Colour map").select_option("magma")
        page.keyboard.press("Escape")
        page.locator(".rows .row").nth(1).click()
        again = show(page.url.partition("#")[2])
        assert counted(again) == counted(page)
        assert again.get_by_label("Colour map").input_value() == "magma"
        assert again.locator("h2").first.inner_text() == page.locator("h2").first.inner_text()

    def test_the_dataset_is_told(self, show: Show, rows: list) -> None:
        page = show("tab=dataset")
        text = page.locator(".dataset").inner_text()
        for part in ("Total ion current", "orbitrap", "M + Na", "render", "12 × 9 pixels"):
            assert part in text
        totals = page.locator("tfoot td").all_inner_texts()
        assert totals == [str(sum(row["fdr"] <= level for row in rows)) for level in (0.05, 0.1, 0.2, 0.5)]
        assert HOSTILE in text

    def test_names_of_others_start_nothing(self, show: Show) -> None:
        page = show(ALL)
        page.get_by_role("combobox", name="Database").select_option(HOSTILE)
        page.wait_for_timeout(200)
        assert page.title() == "x · Ionfleet"
        assert page.locator("img[src='x']").count() == 0

    def test_data_that_are_missing_are_named(self, folder: Path, tmp_path: Path, browser: Any) -> None:
        shutil.copy(folder / "report.html", tmp_path)
        page = browser.new_page()
        page.goto((tmp_path / "report.html").as_uri())
        assert "is not beside this page" in page.get_by_role("alert").inner_text()
        page.close()

    def test_data_may_lie_elsewhere(self, folder: Path, tmp_path: Path, browser: Any) -> None:
        handler = functools.partial(QuietHandler, directory=folder)
        with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
            threading.Thread(target=server.serve_forever).start()
            place = f"http://127.0.0.1:{server.server_port}"
            scripts = [str(path.relative_to(folder)) for path in folder.rglob("report/**/*.js")]
            (tmp_path / "report.html").write_bytes(page_of({name: f"{place}/{name}" for name in scripts}))
            page = browser.new_page()
            page.goto((tmp_path / "report.html").as_uri() + f"#{ALL}")
            page.wait_for_selector(".stage[aria-busy=false]")
            shown = page.locator(".rows .row").count()
            page.close()
            server.shutdown()
        assert shown > 2

    def test_everything_has_a_name_and_can_be_reached_by_keys(self, show: Show) -> None:
        page = show(ALL)
        nameless = page.eval_on_selector_all(
            "button, input, select, [role=slider], [role=img]",
            "all => all.filter(e => !(e.ariaLabel || e.textContent.trim() || e.labels?.length || e.title)).length",
        )
        assert nameless == 0
        page.keyboard.press("?")
        assert page.get_by_role("dialog").is_visible()

    def test_colours_turn_dark(self, show: Show) -> None:
        page = show()
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Dark colours").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
