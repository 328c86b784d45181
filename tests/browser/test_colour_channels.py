"""Up to three ions as colour channels, each with a colour bar of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ..unit.small_jobs import SmallJob
from .looking import ALL, Show, drawn, identity, image_of, saved_picture, spelled, walked_to

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

COLOURS = {"red": (255, 64, 64), "green": (64, 224, 64), "blue": (72, 128, 255)}
OPAQUE = f"{ALL}&follow=0&clip=0"
"""The state in which colours end at the highest intensity, and no pixel is faded."""

Painted = tuple[np.ndarray, float]


def address(rows: list[dict[str, Any]], more: str = "") -> str:
    """Return the state that shows ions as channels, in the order of these."""
    return f"{OPAQUE}&channels={'~'.join(map(identity, rows))}{more}".replace("+", "%2B")


def added_up(*layers: Painted) -> np.ndarray:
    """Return the colours of images of red, green and blue that end at these intensities, float[height, width, 3]."""
    colours = zip(COLOURS.values(), layers, strict=False)
    parts = [np.array(colour) * np.minimum(1, image / high)[:, :, None] for colour, (image, high) in colours]
    return np.minimum(255, sum(parts))


def shown(page: Page, job: SmallJob, *layers: Painted) -> bool:
    """Say whether the page shows images that end at these intensities, but for the step that a handle can be put at."""
    page.wait_for_function("n => document.querySelectorAll('.colourbar').length === n", arg=len(layers))
    mask = job.dataset.index().geometry().mask
    return drawn(page)[mask][:, :3] == pytest.approx(added_up(*layers)[mask], abs=5)


def end_of(page: Page, channel: str, end: str = "Highest") -> Locator:
    return page.get_by_role("slider", name=f"{end} intensity shown in {channel}")


def drag(page: Page, handle: Locator, share: float) -> None:
    """Drag an end of a colour bar to a share of its track, in a few steps."""
    box, bar = handle.bounding_box(), handle.locator("xpath=..").locator("canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, bar["y"] + bar["height"] * (1 - share), steps=5)
    page.mouse.up()


def put(page: Page, row: int, channel: str) -> None:
    """Choose the ion of a row and put it into a channel."""
    page.locator(f".rows [aria-rowindex='{row + 2}']").click()
    page.get_by_role("button", name=f"Show in {channel}").click()
    walked_to(page, row)


@pytest.fixture(scope="module")
def images(job: SmallJob, rows: list) -> list[np.ndarray]:
    return [image_of(job, row["ion_formula"]) for row in rows[:4]]


class TestChannels:
    def test_three_ions_add_up(self, show: Show, job: SmallJob, images: list) -> None:
        page = show(OPAQUE)
        for number, channel in enumerate(COLOURS):
            put(page, number, channel)
        assert shown(page, job, *((image, image.max()) for image in images[:3]))
        page.get_by_text("Back to one ion").click()
        assert page.get_by_role("slider", name="Highest intensity shown", exact=True).is_visible()
        assert page.locator(".colourbar").count() == 1

    def test_an_end_is_dragged_and_the_colours_of_its_channel_follow(
        self, show: Show, job: SmallJob, rows: list, images: list
    ) -> None:
        page = show(address(rows[:2]))
        red, green = images[:2]
        assert shown(page, job, (red, red.max()), (green, green.max()))
        drag(page, end_of(page, "red"), 0.5)
        assert shown(page, job, (red, red.max() / 2), (green, green.max()))
        page.get_by_role("button", name="Reset red").click()
        assert shown(page, job, (red, red.max()), (green, green.max()))
        assert "range=" not in page.url

    def test_keys_move_the_ends_of_one_channel(self, show: Show, rows: list) -> None:
        page = show(address(rows[:3]))
        highs = [end_of(page, channel) for channel in COLOURS]
        before = [float(high.get_attribute("aria-valuenow")) for high in highs]
        highs[2].focus()
        page.keyboard.press("PageDown")
        end_of(page, "blue", "Lowest").focus()
        page.keyboard.press("ArrowUp")
        page.wait_for_function("() => location.hash.includes('range=')")
        after = [float(high.get_attribute("aria-valuenow")) for high in highs]
        assert after == pytest.approx([before[0], before[1], 0.9 * before[2]], abs=1)
        low = float(end_of(page, "blue", "Lowest").get_attribute("aria-valuenow"))
        assert low == pytest.approx(0.01 * before[2], abs=1)

    def test_locked_ends_hold_for_the_next_ion_and_others_go(
        self, show: Show, job: SmallJob, rows: list, images: list
    ) -> None:
        page = show(address(rows[:2]))
        red, green, third, fourth = images
        drag(page, end_of(page, "red"), 0.5)
        drag(page, end_of(page, "green"), 0.5)
        page.get_by_role("button", name="Lock red").click()
        put(page, 2, "red")
        assert shown(page, job, (third, red.max() / 2), (green, green.max() / 2))
        put(page, 3, "green")
        assert shown(page, job, (third, red.max() / 2), (fourth, fourth.max()))
        page.get_by_text("Back to one ion").click()
        put(page, 0, "red")
        assert shown(page, job, (red, red.max() / 2))
        page.get_by_role("button", name="Locked red").click()
        put(page, 2, "red")
        assert shown(page, job, (third, third.max()))

    def test_another_scale_takes_back_what_is_not_locked(
        self, show: Show, job: SmallJob, rows: list, images: list
    ) -> None:
        page = show(address(rows[:2]))
        red, green = images[:2]
        for channel in ("red", "green"):
            drag(page, end_of(page, channel), 0.5)
        page.get_by_role("button", name="Lock red").click()
        page.get_by_role("button", name="Clip hot spots").click()
        page.get_by_role("button", name="Clip hot spots").click()
        assert shown(page, job, (red, red.max() / 2), (green, green.max()))

    def test_a_locked_end_beyond_the_highest_intensity_follows_the_pointer(
        self, show: Show, job: SmallJob, rows: list, images: list
    ) -> None:
        red = images[0]
        page = show(address(rows[:1], f"&locked=~0,{4 * red.max()}"))
        assert shown(page, job, (red, 4 * red.max()))
        drag(page, end_of(page, "red"), 0.75)
        assert shown(page, job, (red, 3 * red.max()))

    def test_the_ends_are_in_the_address(self, show: Show, rows: list) -> None:
        page = show(address(rows[:3]))
        drag(page, end_of(page, "red"), 0.6)
        drag(page, end_of(page, "blue"), 0.4)
        drag(page, end_of(page, "blue", "Lowest"), 0.1)
        page.get_by_role("button", name="Lock red").click()
        page.wait_for_function("() => location.hash.includes('locked=')")
        again = show(page.url.partition("#")[2])
        assert np.array_equal(drawn(again), drawn(page))
        assert again.get_by_role("button", name="Locked red").get_attribute("aria-pressed") == "true"
        assert again.get_by_role("button", name="Lock blue").get_attribute("aria-pressed") == "false"
        assert again.url == page.url

    def test_addresses_of_one_ion_are_still_read(self, show: Show) -> None:
        for field in ("range", "locked"):
            page = show(f"{ALL}&{field}=20,500")
            ends = [
                page.get_by_role("slider", name=f"{end} intensity shown", exact=True) for end in ("Lowest", "Highest")
            ]
            assert [end.get_attribute("aria-valuenow") for end in ends] == ["20", "500"]

    def test_what_is_saved_ends_where_the_bars_do(self, show: Show, rows: list, images: list) -> None:
        red, high = images[0], 2 * images[0].max()
        pictures = [
            saved_picture(show(address(rows[:1], f"&opticalOpacity=0{more}")), "Whole image")
            for more in ("", f"&range=~0,{high}")
        ]
        scale = pictures[0].shape[1] // red.shape[1]
        y, x = (int((place + 0.5) * scale) for place in np.unravel_index(red.argmax(), red.shape))
        assert pictures[0][y, x].tolist() == [255, 64, 64]
        assert pictures[1][y, x] == pytest.approx([128, 32, 32], abs=1)
        foot = red.shape[0] * scale
        assert (pictures[0][foot:] != pictures[1][foot:]).any(), "the legend tells the ends"

    def test_the_value_under_the_pointer_is_the_measured_one(self, show: Show, rows: list, images: list) -> None:
        page = show(address(rows[:2], "&range=~0,1~0,1"))
        drawn(page)
        page.locator(".stage").focus()
        page.keyboard.press("ArrowDown")
        y, x = (length // 2 for length in images[0].shape)
        values = [f"{channel} {spelled(image[y, x])}" for channel, image in zip(COLOURS, images, strict=False)]
        assert page.locator(".readout").inner_text().endswith(f": {', '.join(values[:2])}")

    @pytest.mark.parametrize(("width", "beside"), [(1280, True), (400, False)])
    def test_three_bars_have_room(self, show: Show, rows: list, width: int, beside: bool) -> None:
        page = show(address(rows[:3]))
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("() => document.querySelectorAll('.colourbar').length === 3")
        main = page.locator("main")
        assert main.evaluate("main => main.scrollWidth <= main.clientWidth")
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "only the main part scrolls"
        stage, viewer = (page.locator(name).bounding_box() for name in (".stage", ".viewer"))
        bars = [page.locator(".colourbar").nth(number).bounding_box() for number in range(3)]
        assert all(bar["x"] + bar["width"] <= viewer["x"] + viewer["width"] for bar in bars)
        assert all((bar["x"] >= stage["x"] + stage["width"]) == beside for bar in bars)
        assert stage["width"] > 0.5 * viewer["width"]
