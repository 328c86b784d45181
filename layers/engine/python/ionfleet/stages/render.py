"""Render: sparse images of annotations become PNG files."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ionfleet.damage import read_intact, reading
from ionfleet.images import dense_image, encode_png, grey_alpha
from ionfleet.parquet import read_table
from ionfleet.plan import Plan, RenderTask, Stores, read_plan
from ionfleet.report.packs import PackWriter
from ionfleet.stages.common import Report, create_all, dataset_grid, segment_key, table_key
from ionfleet.stages.page import pack_size, packs_of_ions
from ionfleet.store import ObjectMissingError, RangeReader

_BUFFER = 1 << 20


@dataclass(frozen=True)
class StoredImage:
    """One isotope image as an annotate task left it: pixel ranks (uint32, ascending) and intensities (float32)."""

    ion: str
    isotope: int
    pixel: npt.NDArray[np.uint32]
    intensity: npt.NDArray[np.float32]


def render(stores: Stores, task: RenderTask) -> Report:
    """Write every isotope image of some annotations: as PNG named after formula, modifier, peak; and for the page."""
    plan = read_plan(stores.work, task.plan)
    chosen = read_intact(stores.work, table_key(plan.execution, "images.parquet"), read_table)
    files = _files(stores, plan, chosen, task)
    create_all(stores.results, ((plan.results_prefix + path, data) for path, data in files))
    images = pc.sum(chosen.column("images").slice(task.first, task.stop - task.first)).as_py()
    return Report(task.task, {"images": images or 0})


def _files(stores: Stores, plan: Plan, chosen: pa.Table, task: RenderTask) -> Iterator[tuple[str, bytes]]:
    """Yield path below the job's results and bytes of each file."""
    grid, metaspace = dataset_grid(stores.work, plan.dataset.id), plan.configuration.compatibility == "metaspace"
    sampled, whole_packs = grid.mask, list[tuple[str, bytes]]()
    packs = PackWriter(plan.dataset.pixels, _expected(plan, chosen, task), lambda *file: whole_packs.append(file))
    for segment, names in _names(chosen.slice(task.first, task.stop - task.first)).items():
        for image in read_images(stores, plan.execution, segment, set(names)):
            dense = dense_image(grid, image.pixel, image.intensity)
            data = encode_png(grey_alpha(dense, sampled, metaspace=metaspace))
            for name in names[image.ion]:
                yield f"ion_images/{name}_{image.isotope}.png", data
            packs.add(image.ion, image.isotope, image.pixel, image.intensity)
            yield from whole_packs
            whole_packs.clear()
    packs.close()


def _expected(plan: Plan, images: pa.Table, task: RenderTask) -> dict[str, tuple[int, int]]:
    """Return pack and number of images of the ions whose first row is one of the task's.

    Tasks are cut at the borders of packs.
    """
    packs = packs_of_ions(images, pack_size(plan))
    before = set(images.column("ion_formula").slice(0, task.first).to_pylist())
    rows = images.slice(task.first, task.stop - task.first).select(["ion_formula", "images"]).to_pylist()
    return {
        row["ion_formula"]: (packs[row["ion_formula"]], row["images"])
        for row in rows
        if row["ion_formula"] not in before
    }


def _names(chosen: pa.Table) -> dict[int, dict[str, list[str]]]:
    """Return by segment and by ion what the ion's images are called."""
    names: dict[int, dict[str, list[str]]] = {}
    for row in chosen.to_pylist():
        ions = names.setdefault(row["segment"], {})
        ions.setdefault(row["ion_formula"], []).append(row["formula"] + row["modifier"])
    return names


def read_images(stores: Stores, execution: str, segment: int, ions: set[str]) -> Iterator[StoredImage]:
    """Read the images of some ions of a segment, row group by row group."""
    key = segment_key(execution, segment, "images.parquet")
    info = stores.work.head(key)
    if info is None:
        raise ObjectMissingError(f"The images of segment {segment} are not at {key!r}; run the job again.")
    reader = io.BufferedReader(RangeReader(stores.work, key, info.size), _BUFFER)
    with reading(key):
        file = pq.ParquetFile(reader)
        wanted = pa.array(sorted(ions), pa.string())
        for group in range(file.num_row_groups):
            found = pc.is_in(file.read_row_group(group, ["ion"]).column("ion"), wanted)
            if not pc.any(found).as_py():
                continue
            yield from _images(file.read_row_group(group).filter(found))


def _images(table: pa.Table) -> Iterator[StoredImage]:
    columns = (table.column(name) for name in ("ion", "isotope", "pixel", "intensity"))
    for ion, isotope, pixel, intensity in zip(*columns, strict=True):
        yield StoredImage(ion.as_py(), isotope.as_py(), pixel.values.to_numpy(), intensity.values.to_numpy())
