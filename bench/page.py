"""Open the page of 5,000 annotations of 500×500 pixels in Chromium: time to the first view, and memory.

    python bench/page.py [--annotations 5000] [--size 500] [--folder PLACE]

The annotations are simulated; packs of images are there for the first rows only, which is all that is looked at.
Memory is that of the page's own process (`Private_Dirty` of Linux), less that of an empty page.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from ionfleet.fdr import LEVELS
from ionfleet.index import DatasetHeader, Grid
from ionfleet.report.content import annotation_columns, dataset_facts
from ionfleet.report.packs import PackWriter, ions_per_pack
from ionfleet.report.page import NAME, page
from ionfleet.report.partners import MOST, partner_lists
from ionfleet.report.scripts import ANNOTATIONS, COLOCALIZATION, DATASET, SUMMARY, script

PEAKS = 4
PACKS = 24
"""Packs that have images."""
COLOCALISED = "count => document.querySelectorAll('.colocalised canvas:not([width=\"1\"])').length >= count"
"""Whether so many images of colocalised ions are there."""


def main() -> None:
    """Write a page and open it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--annotations", type=int, default=5000)
    parser.add_argument("--size", type=int, default=500)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = options.folder or Path(place)
        write_page(folder, options.annotations, options.size)
        written = sum(path.stat().st_size for path in folder.glob("report/*.js"))
        pixels = f"{options.size}×{options.size}"
        print(f"{options.annotations:,} annotations of {pixels} pixels: {written / 1e6:.1f} MB of tables")
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            measure(browser, (folder / NAME).as_uri())
            browser.close()


def write_page(folder: Path, count: int, size: int) -> None:
    """Write a page of simulated annotations on a square dataset, the same for the same numbers."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:size, :size]
    inside = (x - size / 2) ** 2 + (y - size / 2) ** 2 < (0.48 * size) ** 2
    grid = Grid.of(*(axis[inside].astype(np.int32) for axis in (x, y)))
    table = simulated_annotations(rng, count, len(grid.pixel_index))
    pack = ions_per_pack(len(grid.pixel_index), PEAKS)
    packs = {ion: row // pack for row, ion in enumerate(table.column("ion_formula").to_pylist())}
    header = DatasetHeader(n_spectra=len(grid.pixel_index), n_points=0, pixel_size_um=(10.0, 10.0))
    tic = rng.lognormal(10, 0.5, len(grid.pixel_index)).astype(np.float32)
    put(folder, NAME, page())
    put(folder, DATASET, script(DATASET, dataset_facts(header, grid, tic, [table], 20)))
    put(folder, ANNOTATIONS, script(ANNOTATIONS, annotation_columns(table, packs)))
    put(folder, COLOCALIZATION, script(COLOCALIZATION, partner_lists(simulated_pairs(rng, table), table)))
    put(folder, SUMMARY, script(SUMMARY, simulated_summary(len(grid.pixel_index))))
    opened = [ion for ion, number in packs.items() if number < PACKS]
    writer = PackWriter(
        len(grid.pixel_index), {ion: (packs[ion], PEAKS) for ion in opened}, lambda *file: put(folder, *file)
    )
    radius = np.hypot(x[inside] - size / 2, y[inside] - size / 2)
    for number, ion in enumerate(opened):
        for isotope in range(PEAKS):
            ring = np.exp(-(((radius - size / 4) / (size / 20 * (1 + number % 5))) ** 2)) * rng.lognormal(
                8, 0.3, len(radius)
            )
            pixel = np.flatnonzero(ring > 100)
            writer.add(ion, isotope, pixel, ring[pixel].astype(np.float32))
    writer.close()


def simulated_annotations(rng: np.random.Generator, count: int, pixels: int) -> pa.Table:
    """Return rows as of annotations.parquet, with the names that lipids have."""
    carbons, hydrogens = rng.integers(10, 60, count), rng.integers(20, 110, count)
    formulas = [f"C{c}H{h}NO{n + 1}P" for n, (c, h) in enumerate(zip(carbons, hydrogens, strict=True))]
    mz = rng.uniform(200, 1200, count)
    peaks = {
        name: pa.array((values[:, None] * np.ones(PEAKS)).tolist())
        for name, values in {
            "theo_mz": mz, "mz_mean": mz * (1 + 1e-6), "mz_stddev": mz * 1e-6, "theo_ints": np.full(count, 50.0),
            "total_iso_ints": rng.lognormal(15, 1, count), "max_iso_ints": rng.lognormal(9, 1, count),
        }.items()
    }  # fmt: skip
    scores = {name: rng.uniform(0.5, 1, count) for name in ("chaos", "spatial", "spectral")}
    msm = np.prod(list(scores.values()), axis=0)
    names = [[f"PC {c}:{k}" for k in range(8)] for c in carbons]
    return pa.table(
        {"database": ["simulated"] * count, "formula": formulas, "modifier": ["+H"] * count, "adduct": ["+H"] * count,
         "ion_formula": [f"{formula}{row}" for row, formula in enumerate(formulas)], "chem_mod": [""] * count,
         "neutral_loss": [""] * count, "ion": [f"{f}+H+" for f in formulas], "is_target": [True] * count, "mz": mz,
         "msm": msm, "score": msm, "ranked": msm, "fdr": np.sort(rng.uniform(0, 0.5, count)),
         "mz_err_abs": mz * 1e-6, "mz_err_rel": mz * 1e-7, "molecule_names": names, "molecule_ids": names,
         "molecule_classes": [["lipid"] * 8 for _ in names], "isobars": [[] for _ in names],
         "isobar_peaks": [[] for _ in names],
         "nnz": [[pixels // 2] * PEAKS] * count, **scores, **peaks}
    )  # fmt: skip


def simulated_pairs(rng: np.random.Generator, table: pa.Table) -> pa.Table:
    """Return rows as of colocalization.parquet: as many partners as an ion can have on the page, at every level."""
    parts = []
    for level in LEVELS:
        within = int((table.column("fdr").to_numpy() <= level).sum())
        ion = np.repeat(np.arange(within), MOST)
        partner = (ion + np.tile(np.arange(1, MOST + 1), within)) % PACKS  # which have images
        for measure in ("cosine", "median_thresholded_cosine"):
            scores = -np.sort(-rng.uniform(0.3, 1, (within, MOST)).astype(np.float32), axis=1).ravel()
            part = {"database": ["simulated"] * len(ion), "fdr_level": np.full(len(ion), level)}
            part |= {"algorithm": [measure] * len(ion), "rank": np.tile(np.arange(MOST, dtype=np.int32), within)}
            for side, rows in (("a", ion), ("b", partner)):
                part |= {f"{name}_{side}": table.column(name).take(rows) for name in ("formula", "modifier")}
            parts.append(pa.table(part | {"score": scores}))
    return pa.concat_tables(parts)


def simulated_summary(pixels: int) -> dict[str, object]:
    """Return what the page needs of a summary."""
    return {
        "job": "job-0", "dataset": {"id": "ds-0", "name": "5,000 annotations", "spectra": pixels, "pixels": pixels,
        "peaks": 0, "points": 0, "centroided": True}, "configuration": {}, "databases": [], "ions": {},
        "invalid_ions": [], "annotations": {}, "images": 0, "colocalized": {}, "metadata": {}, "claimed_at": "",
        "ended_at": "", "seconds": 0,
        "cost": {"usd": 0, "estimated_usd": 0, "parts": {}, "prices": {"region": "", "date": ""}}, "stages": {},
        "warnings": [], "versions": {},
    }  # fmt: skip


def put(folder: Path, name: str, data: bytes) -> None:
    """Write a file below a folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def measure(browser: Browser, address: str) -> None:
    """Print how long the page takes and what it holds, before and after images are opened."""
    empty, _ = opened(browser, "about:blank")
    floor = private_mb(browser, empty)
    empty.close()
    blocked, seconds = opened(browser, f"{address}#fdr=0.5", images=False)
    print(f"table shown after    {seconds:6.2f} s, {cpu_seconds(browser):.2f} s of them at work")
    print(f"memory without images {private_mb(browser, blocked) - floor:5.0f} MB, JavaScript {heap_mb(blocked):.0f} MB")
    blocked.close()
    page, seconds = opened(browser, f"{address}#fdr=0.5")
    page.wait_for_selector(".stage[aria-busy=false]")
    print(f"first image          {elapsed(page):6.2f} s after the page was asked for")
    started, before = time.perf_counter(), cpu_seconds(browser)
    for _ in range(20):
        page.keyboard.press("ArrowDown")
        page.wait_for_selector(".stage[aria-busy=false]")
    worked = cpu_seconds(browser) - before
    print(f"20 further images    {time.perf_counter() - started:6.2f} s, {worked:.2f} s of them at work")
    print(f"memory with images   {private_mb(browser, page) - floor:6.0f} MB, JavaScript {heap_mb(page):.0f} MB")
    started, before = time.perf_counter(), cpu_seconds(browser)
    page.locator(".colocalised li").last.scroll_into_view_if_needed()
    page.wait_for_function(COLOCALISED, arg=MOST)
    worked = cpu_seconds(browser) - before
    print(f"{MOST} colocalised ions  {time.perf_counter() - started:6.2f} s, {worked:.2f} s of them at work")
    print(f"memory with these    {private_mb(browser, page) - floor:6.0f} MB, JavaScript {heap_mb(page):.0f} MB")


def opened(browser: Browser, address: str, *, images: bool = True) -> tuple[Page, float]:
    """Open a page of its own; return it and the seconds until its table is there."""
    page = browser.new_page(viewport={"width": 1500, "height": 950})
    if not images:
        page.route("**/report/images/*", lambda route: route.abort())
    page.goto(address)
    if address == "about:blank":
        return page, 0.0
    page.wait_for_selector(".rows .row")
    return page, elapsed(page)


def elapsed(page: Page) -> float:
    """Return the seconds since the page was asked for."""
    return float(page.evaluate("performance.now()")) / 1000


def session(page: Page) -> CDPSession:
    """Return a connection to the page's debugger."""
    return page.context.new_cdp_session(page)


def heap_mb(page: Page) -> float:
    """Return what JavaScript holds, after rubbish was collected."""
    debugger = session(page)
    debugger.send("HeapProfiler.collectGarbage")
    return float(debugger.send("Runtime.getHeapUsage")["usedSize"]) / 1e6


def private_mb(browser: Browser, page: Page) -> float:
    """Return the memory of the page's process that it shares with nobody, after rubbish was collected."""
    heap_mb(page)
    return max(private_of(each["id"]) for each in renderers(browser))


def cpu_seconds(browser: Browser) -> float:
    """Return for how long the page's process was at work: the time it takes where nothing else runs."""
    return max(float(each["cpuTime"]) for each in renderers(browser))


def renderers(browser: Browser) -> list[dict[str, Any]]:
    """Return the browser's processes that show pages."""
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    return [each for each in processes if each["type"] == "renderer"]


def private_of(process: int) -> float:
    """Return a process's private memory (MB)."""
    lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Private_Dirty")) / 1024


if __name__ == "__main__":
    main()
