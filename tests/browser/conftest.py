"""A browser, and pages of small jobs to open in it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import png
import pyarrow as pa
import pytest

from ionfleet.brief import optical_key
from ionfleet.databases import Database
from ionfleet.report.optical import optical_script
from ionfleet.report.scripts import OPTICAL
from ionfleet.stages.status import Outcome, Reporter, conclude
from ionfleet.telemetry import Invocation, record

from ..unit.memory_cloud import after
from ..unit.small_jobs import FORMULAS, SmallJob, database, dataset, planted

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = "</script><img src=x onerror=\"document.title='caught'\">"
NAMES = ("chromium", "chromium-browser", "google-chrome")
TRANSFORM = [[10, 0, 5], [0, 10, 5], [0, 0, 1]]
CONFIGURATION = {
    "adducts": ["+H", "+Na"],
    "neutral_losses": ["-H2O"],
    "chemical_modifications": ["-C+Cx"],
    "metadata": {"sample": HOSTILE, "submitter": {"first_name": "Ada", "tissues": ["brain", "liver"]}},
    "optical_image": "section.png",
    "transform": TRANSFORM,
}
PLAN = Invocation("plan", 0, 2500, 1024, 100, 0, 0, 0, 0, cold=True, request_id="r")
STAGES = {"sort": "2026-05-04T12:00:01.000Z", "render": "2026-05-04T12:00:09.000Z"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


def picture(width: int, height: int) -> bytes:
    """Return a PNG whose columns are red on the left and blue on the right."""
    rows = [[(255, 0, 0) if x < width // 2 else (0, 0, 255) for x in range(width)] for _ in range(height)]
    data = bytearray()

    class Sink:
        def write(self, chunk: bytes) -> None:
            data.extend(chunk)

    png.Writer(width, height, greyscale=False).write(Sink(), np.array(rows, np.uint8).reshape(height, -1))
    return bytes(data)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Yield a headless Chromium; without one, the tests are left out, or fail where they are insisted on."""
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    lacking = None if path else "there is no Chromium on the path: apt-get install chromium"
    if importlib.util.find_spec("playwright") is None:
        lacking = "Playwright is not installed: make install test"
    if lacking is not None:
        if os.environ.get("IONFLEET_BROWSER") == "required":
            pytest.fail(lacking)
        pytest.skip(f"tests of the page are left out, since {lacking}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def classified(formulas: Sequence[str], name: str) -> Database:
    """Return a database whose molecules have classes, but for the second of each formula."""
    plain = database(formulas, name)
    classes = [text for number in range(len(formulas)) for text in ("lipid" if number % 2 else "sugar", "")]
    return Database(name, plain.table.append_column("class", pa.array(classes)))


@pytest.fixture(scope="session")
def job() -> SmallJob:
    """Return a job on a tiny dataset of two databases, one of a hostile name."""
    databases = [classified([*FORMULAS, "CxC5H12O6"], "one"), database(FORMULAS[:5], HOSTILE)]
    small = SmallJob(dataset(1), databases, CONFIGURATION)
    ions = planted(databases, small.plan().configuration.ions, 2, share=0.9)
    spectra = dataset(1, width=12, height=9, ions=ions)
    return SmallJob(spectra, databases, CONFIGURATION).run()


@pytest.fixture(scope="session")
def rows(job: SmallJob) -> list[dict[str, Any]]:
    """Return the annotations in the order of the page."""
    return job.table("annotations.parquet").sort_by([("fdr", "ascending"), ("msm", "descending")]).to_pylist()


@pytest.fixture(scope="session")
def folder(job: SmallJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the published results of the job, in a folder whose name has to be escaped in an address."""
    content = optical_script(OPTICAL, "section.png", picture(140, 110), TRANSFORM)
    job.stores.work.create(optical_key(job.execution), content)
    return published(job, tmp_path_factory.mktemp("results") / "a job's results #1")


def published(job: SmallJob, place: Path) -> Path:
    """Conclude a job that has run, and write its results into a folder."""
    record(job.stores.work, job.execution, PLAN)
    stores, plan = job.stores, job.plan()
    conclude(Reporter(stores.work, stores.results), job.execution, Outcome("SUCCEEDED", "test", after(5), STAGES))
    for key, data in stores.results.objects.items():
        if key.startswith(plan.results_prefix):
            path = place / key.removeprefix(plan.results_prefix)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return place


@pytest.fixture
def show(browser: Browser, folder: Path) -> Iterator[Callable[..., Page]]:
    """Return a function that opens the page with a state in its address; no page may complain or ask for the net."""
    said: list[str] = []
    context = browser.new_context(viewport={"width": 1400, "height": 900}, accept_downloads=True)

    def open_page(address: str = "", place: Path = folder) -> Page:
        page = context.new_page()
        # Reading canvases back is what the tests do, not the page.
        page.on("console", lambda message: "readback" in message.text or said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url) if request.url.startswith("http") else None)
        page.goto(f"{(place / 'report.html').as_uri()}#{address}")
        page.wait_for_selector("[role=grid], [role=alert], .dataset")
        return page

    yield open_page
    context.close()
    assert not said
