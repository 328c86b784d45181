"""The page in a browser: what a user sees and does, on the results of a tiny job."""

from __future__ import annotations

import csv
import functools
import io
import json
import re
import shutil
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ionfleet.report.page import page_of

from ..unit.small_jobs import SmallJob
from .conftest import HOSTILE, picture
from .looking import ALL, Show, column, counted, drawn, identity, image_of, saved_picture, spelled, walked_to

EARLY = """new MutationObserver(() => {
  if (document.getElementById("page")) window.early ??= document.documentElement.dataset.theme ?? "none";
}).observe(document, { childList: true, subtree: true })"""
"""Notes which colours there are when there is something to show."""
REFUSED = """Object.defineProperty(window, "localStorage", {
  get() { throw new DOMException("Access is denied", "SecurityError") },
})"""
"""Makes the browser one that lets pages keep nothing."""


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
        page.get_by_role("textbox", name="m/z").fill(f"{wanted[0]['mz'] + 0.004:.6f}")
        assert counted(page).startswith("0 of")
        assert page.get_by_text("No annotation passes").is_visible()
        page.get_by_label("Unit of the tolerance").select_option("Da")
        page.get_by_label("Tolerance", exact=True).fill("0.0041")
        assert counted(page).startswith("1 of")
        page.get_by_text("Clear filters").click()
        assert counted(page).startswith(f"{sum(row['fdr'] <= 0.1 for row in rows)} of")

    def test_annotations_are_filtered_by_class_and_modification(self, show: Show, rows: list) -> None:
        page = show(ALL)
        page.get_by_role("combobox", name="Class of molecules").select_option("sugar")
        wanted = [row for row in rows if "sugar" in row["molecule_classes"]]
        assert 0 < len(wanted) < len(rows)
        assert counted(page).startswith(f"{len(wanted)} of")
        modifications = page.get_by_role("combobox", name="Losses and modifications")
        assert {"M − H₂O", "M − C + ¹³C"} < {*modifications.locator("option").all_inner_texts()}
        modifications.select_option("-H2O")
        wanted = [row for row in wanted if row["chem_mod"] + row["neutral_loss"] == "-H2O"]
        assert counted(page).startswith(f"{len(wanted)} of")
        page.get_by_text("Clear filters").click()
        modifications.select_option("Not modified")
        page.get_by_role("radio", name="50 %").check()
        wanted = [row for row in rows if not row["chem_mod"] + row["neutral_loss"]]
        assert counted(page).startswith(f"{len(wanted)} of")

    def test_ions_are_written_as_chemists_do_and_found_as_they_are_written(self, show: Show, rows: list) -> None:
        row = next(row for row in rows if row["chem_mod"] and row["neutral_loss"] and row["adduct"] == "+Na")
        page = show(f"{ALL}&ion={identity(row)}".replace("+", "%2B"))
        heading = page.locator(".heading h2")
        assert heading.inner_text() == f"[{row['formula'].replace('Cx', '13C')} − C + 13C − H2O + Na]+"
        markup = heading.inner_html()
        assert "<sup>13</sup>C" in markup
        assert "H<sub>2</sub>O" in markup
        page.get_by_label("Molecule, formula or ion").fill(heading.inner_text())
        same = [each for each in rows if each["ion"] == row["ion"]]
        assert counted(page).startswith(f"{len(same)} of")
        page.get_by_label("Molecule, formula or ion").fill("¹³C − H₂O")
        assert not counted(page).startswith("0 of")

    def test_a_filter_that_nothing_passes_shows_the_way_out(self, show: Show, rows: list) -> None:
        best = min(rows, key=lambda row: -row["fdr"])
        page = show(f"fdr=0.05&text={best['molecule_ids'][0]}")
        some = [row for row in rows if best["molecule_ids"][0] in row["molecule_ids"]]
        if any(row["fdr"] <= 0.05 for row in some):
            page = show(f"fdr=0.05&mz={best['mz']}&tolerance=0.0001")
        page.get_by_role("button", name="Show up to 50 %").click()
        assert page.locator(".rows .row").count() >= 1
        page.get_by_label("Molecule, formula or ion").fill("nothing is called this")
        page.get_by_role("button", name="Show all annotations").click()
        assert page.locator(".rows .row").count() > 1

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
        assert page.locator(".heading h2").inner_text().replace(" ", "").startswith(f"[{rows[2]['formula']}")
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
        walked_to(page, 1)
        other = image_of(job, rows[1]["ion_formula"])
        assert drawn(page)[mask][:, 0] == pytest.approx(255 * np.minimum(1, other[mask] / image.max() * 2), abs=4)
        high.focus()
        page.keyboard.press("PageDown")
        assert "locked=" in page.url

    def test_zoom_and_place_are_in_the_address(self, show: Show) -> None:
        page = show(ALL)
        drawn(page)
        page.locator(".stage").hover()
        page.mouse.wheel(0, -300)
        page.wait_for_function("() => location.hash.includes('view=')")
        before = page.locator(".plane").get_attribute("style")
        again = show(page.url.partition("#")[2])
        assert again.locator(".plane").get_attribute("style") == before
        again.get_by_role("button", name="Fit").click()
        assert "view=" not in again.url

    def test_the_view_is_moved_and_zoomed_by_keys(self, show: Show) -> None:
        page = show(ALL)
        drawn(page)
        stage, layer = page.locator(".stage"), page.locator(".stage .ion-layer")
        stage.focus()
        before = layer.bounding_box()
        page.keyboard.press("+")
        page.wait_for_function("() => location.hash.includes('view=')")
        zoomed = layer.bounding_box()
        assert zoomed["width"] == pytest.approx(1.5 * before["width"], rel=0.01)
        page.keyboard.press("Shift+ArrowRight")
        page.wait_for_function(
            "x => document.querySelector('.ion-layer').getBoundingClientRect().x < x", arg=zoomed["x"]
        )
        page.keyboard.press("ArrowDown")
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        assert re.match(rf"x {11 + 3}, y \d+: ", page.locator(".readout").inner_text())
        pixel, box = page.locator(".pixel").bounding_box(), stage.bounding_box()
        assert box["x"] <= pixel["x"] <= box["x"] + box["width"]
        page.keyboard.press("0")
        page.wait_for_function("() => !location.hash.includes('view=')")

    def test_the_whole_picture_is_saved_with_its_scale_bar(self, show: Show, job: SmallJob, rows: list) -> None:
        page = show(f"{ALL}&follow=0&map=grey&clip=0&opticalOpacity=0&view=3,2,2")
        drawn(page)
        saved = saved_picture(page, "Whole image")
        image = image_of(job, rows[0]["ion_formula"])
        scale = saved.shape[1] // image.shape[1]
        assert saved.shape[1] == scale * image.shape[1] >= 900
        y, x = np.unravel_index(image.argmax(), image.shape)
        assert saved[int((y + 0.5) * scale), int((x + 0.5) * scale)].tolist() == [255, 255, 255]
        foot = image.shape[0] * scale
        assert (saved[foot + 15, 15:40] == 255).all()
        greys = np.unique(saved[foot + 44, -260:, 0])
        assert len(greys) > 100, "the colours, from lowest to highest"

    def test_the_view_is_saved_with_what_is_in_it(self, show: Show, job: SmallJob, rows: list) -> None:
        image = image_of(job, rows[0]["ion_formula"])
        y, x = np.unravel_index(image.argmax(), image.shape)
        page = show(f"{ALL}&follow=0&map=grey&clip=0&mask=0&opticalOpacity=0&view=4,{x + 0.5},{y + 0.5}")
        drawn(page)
        saved = saved_picture(page, "This view")
        stage = page.locator(".stage").bounding_box()
        height = round(saved.shape[1] * stage["height"] / stage["width"])
        assert saved[height // 2, saved.shape[1] // 2].tolist() == [255, 255, 255]
        scale = saved.shape[1] / stage["width"]
        across = page.locator(".stage .ion-layer").bounding_box()["width"] / image.shape[1] * scale
        if x + 1 < image.shape[1]:
            beside = saved[height // 2, int(saved.shape[1] / 2 + across)]
            assert beside[0] == pytest.approx(255 * image[y, x + 1] / image.max(), abs=1.5)

    def test_what_is_saved_has_the_optical_image_and_the_channels(self, show: Show, rows: list) -> None:
        channels = "~".join(identity(row) for row in rows[:2]).replace("+", "%2B")
        page = show(f"{ALL}&ionOpacity=0&channels={channels}~")
        page.wait_for_selector("img.optical")
        drawn(page)
        saved = saved_picture(page, "Whole image")
        assert saved[40, 40].tolist() == [255, 0, 0]
        assert saved[40, -40].tolist() == [0, 0, 255]
        legend = saved[-60:, saved.shape[1] // 2 :].reshape(-1, 3).tolist()
        assert [255, 64, 64] in legend
        assert [64, 224, 64] in legend


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
        again = show(page.url.partition("#")[2])
        again.wait_for_selector("img.optical")
        assert again.locator("img.optical").bounding_box() == pytest.approx(image, abs=0.5)

    def test_a_picture_of_the_viewer_is_laid_beneath_and_stays_here(self, show: Show, tmp_path: Path) -> None:
        (tmp_path / "other.png").write_bytes(picture(40, 30))
        page = show(ALL)
        page.wait_for_selector("img.optical")
        page.get_by_label("Change …").set_input_files(tmp_path / "other.png")
        page.get_by_role("heading", name="Place other.png").wait_for()
        page.get_by_role("button", name="Close").last.click()
        image, ion = (page.locator(name).bounding_box() for name in ("img.optical", ".stage .ion-layer"))
        assert image == pytest.approx(ion, abs=0.5), "it spans the ion image until it is placed"
        assert "placed=" not in page.url
        (tmp_path / "text.png").write_text("no picture")
        page.get_by_label("Change …").set_input_files(tmp_path / "text.png")
        assert "no picture that the browser can show" in page.get_by_role("alert").inner_text()


class TestDetails:
    def test_an_ion_is_shown_with_all_that_is_known_of_it(self, show: Show, rows: list) -> None:
        row = rows[0]
        page = show(f"{ALL}&ion={identity(row)}".replace("+", "%2B"))
        details = page.locator(".details")
        for score in ("msm", "chaos", "spatial", "spectral"):
            assert f"{row[score]:.3f}" in details.inner_text()
        assert details.locator("canvas").count() >= 4
        molecule = page.locator(".molecules li").first.inner_text()
        for part in (row["molecule_names"][0], row["molecule_ids"][0], *row["molecule_classes"][:1]):
            assert part in molecule
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

    @pytest.mark.parametrize("measure", ["median_thresholded_cosine", "cosine"])
    def test_colocalised_ions_are_those_of_the_table(self, show: Show, job: SmallJob, rows: list, measure: str) -> None:
        page = show("fdr=0.2")
        page.get_by_label("Measure of colocalisation").select_option(measure)
        pairs = job.table("colocalization.parquet").to_pylist()
        own = (rows[0]["database"], 0.2, measure, rows[0]["formula"], rows[0]["modifier"])
        names = ("database", "fdr_level", "algorithm", "formula_a", "modifier_a")
        listed = sorted((p for p in pairs if tuple(p[name] for name in names) == own), key=lambda p: p["rank"])[:20]
        assert len(listed) > 2
        page.wait_for_function(
            "count => document.querySelectorAll('.colocalised li').length === count", arg=len(listed)
        )
        assert page.locator(".colocalised .score").all_inner_texts() == [f"{pair['score']:.3f}" for pair in listed]
        page.locator(".colocalised button").first.click()
        ion = page.locator(".heading h2").inner_text().replace(" ", "")
        assert ion.startswith(f"[{listed[0]['formula_b'].replace('Cx', '13C')}")

    def test_partners_of_an_ion_beyond_the_chosen_level_are_those_of_its_own(self, show: Show, rows: list) -> None:
        row = next(row for row in rows if row["fdr"] > 0.2)
        page = show(f"fdr=0.05&ion={identity(row)}".replace("+", "%2B"))
        assert page.get_by_text("within 50 % FDR; scores").is_visible()

    def test_images_further_down_are_read_when_they_come_into_sight(self, show: Show) -> None:
        page = show(ALL)
        page.set_viewport_size({"width": 1400, "height": 300})
        last = page.locator(".colocalised li").last
        page.wait_for_selector(".colocalised li")
        assert last.locator("canvas").get_attribute("width") == "1"
        last.scroll_into_view_if_needed()
        page.wait_for_selector(".colocalised li:last-child canvas[width='12']")


class TestPage:
    def test_a_view_can_be_shared(self, show: Show) -> None:
        page = show(ALL)
        page.get_by_role("combobox", name="Class of molecules").select_option("sugar")
        page.get_by_label("Molecule, formula or ion").fill("c6")
        page.get_by_role("button", name="Normalise").click()
        page.get_by_role("button", name="Zoom in").click()
        page.get_by_label("Colour map").select_option("magma")
        page.keyboard.press("Escape")
        page.locator(".rows .row").nth(1).click()
        again = show(page.url.partition("#")[2])
        assert counted(again) == counted(page)
        assert again.get_by_role("button", name="Normalise").get_attribute("aria-pressed") == "true"
        assert again.locator(".plane").get_attribute("style") == page.locator(".plane").get_attribute("style")
        assert again.get_by_label("Colour map").input_value() == "magma"
        assert again.locator(".heading h2").inner_text() == page.locator(".heading h2").inner_text()
        for each in (page, again):
            each.get_by_role("button", name="Show in green").click()
            each.wait_for_selector(".channels .dot")
        assert "channels=" in page.url
        assert again.url == page.url

    def test_the_dataset_is_told(self, show: Show, rows: list) -> None:
        page = show("tab=dataset")
        text = page.locator(".dataset").inner_text()
        for part in ("Total ion current", "orbitrap", "M + Na", "render", "12 × 9 pixels"):
            assert part in text
        totals = page.get_by_role("region", name="Annotations by adduct").locator("tfoot td").all_inner_texts()
        assert totals == [str(sum(row["fdr"] <= level for row in rows)) for level in (0.05, 0.1, 0.2, 0.5)]
        for part in (HOSTILE, "submitter › first name", "Ada", "brain, liver", "Lambda", "M − C + ¹³C − H₂O + Na"):
            assert part in text

    def test_stages_that_are_not_entered_have_the_billed_time_of_their_calls(self, show: Show) -> None:
        page = show("tab=dataset")
        table = page.get_by_role("region", name="Time and money by stage")
        plan, sort = (table.get_by_role("row", name=name) for name in ("plan", "sort"))
        time = plan.get_by_role("cell").first
        assert time.inner_text() == "4.5 s*"
        note = page.locator(f"#{time.get_attribute('aria-describedby')}")
        assert note.inner_text().startswith("* Billed time")
        assert "*" not in sort.inner_text()
        widths = [row.locator(".bar").bounding_box()["width"] for row in (plan, sort)]
        assert widths[0] / widths[1] == pytest.approx(4.5 / 8, rel=0.05)

    def test_names_of_others_start_nothing(self, show: Show) -> None:
        page = show(ALL)
        page.get_by_role("combobox", name="Database").select_option(HOSTILE)
        page.wait_for_function("() => location.hash.includes('database=')")
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

    def test_a_narrow_window_shows_everything_without_scrolling_sideways(self, show: Show) -> None:
        page = show(ALL)
        for address in (ALL, "tab=dataset"):
            page.evaluate("address => { location.hash = address }", address)
            page.set_viewport_size({"width": 390, "height": 800})
            main = page.locator("main")
            assert main.evaluate("main => main.scrollWidth <= main.clientWidth")

    def test_colours_turn_dark(self, show: Show) -> None:
        page = show()
        light = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.get_by_role("button", name="Dark colours").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light

    def test_the_colours_that_were_chosen_are_there_again_before_anything_is_shown(self, show: Show) -> None:
        page = show()
        page.add_init_script(EARLY)
        for button, early, scheme in (("Dark colours", "dark", "dark"), ("Light colours", "none", "light")):
            page.get_by_role("button", name=button).click()
            page.reload()
            page.wait_for_selector("[role=grid]")
            assert page.evaluate("window.early") == early
            assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == scheme

    def test_who_takes_a_choice_back_has_the_colours_of_the_system(self, show: Show) -> None:
        page = show()
        page.get_by_role("button", name="Dark colours").click()
        page.get_by_role("button", name="Light colours").click()
        page.emulate_media(color_scheme="dark")
        page.get_by_role("button", name="Light colours").wait_for()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"

    def test_colours_turn_dark_where_the_browser_keeps_nothing(self, show: Show) -> None:
        page = show()
        page.add_init_script(REFUSED)
        page.reload()
        page.get_by_role("button", name="Dark colours").click()
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
