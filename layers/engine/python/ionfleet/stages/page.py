"""The part of the page that merge writes: all but images and summary, as scripts, not yet published."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ionfleet.plan import Plan, Stores
from ionfleet.report import scripts
from ionfleet.report.content import annotation_columns, best_first, dataset_facts
from ionfleet.report.packs import ions_per_pack
from ionfleet.report.partners import partner_lists
from ionfleet.stages.common import dataset_index, run_indexes, table_key


def write_page_data(
    stores: Stores,
    plan: Plan,
    metrics: Sequence[pa.Table],
    annotations: pa.Table,
    images: pa.Table,
    pairs: pa.Table,
) -> None:
    """Write what the page shows besides images: annotations, dataset, and which ions are colocalised."""
    index = dataset_index(stores.work, plan.dataset.id)
    packs = packs_of_ions(images, pack_size(plan))
    settings = plan.configuration.ions
    facts = dataset_facts(index.header, index.geometry(), _tic(stores, plan), metrics, settings.decoy_sample_size)
    ordered = best_first(annotations)
    content = {
        scripts.DATASET: facts,
        scripts.ANNOTATIONS: annotation_columns(ordered, packs),
        scripts.COLOCALIZATION: partner_lists(pairs, ordered),
    }
    for path, value in content.items():
        stores.work.create(table_key(plan.execution, path), scripts.script(path, value))


def pack_size(plan: Plan) -> int:
    """Return how many rows of a job's images make a pack."""
    return ions_per_pack(plan.dataset.pixels, plan.configuration.isotope_peaks)


def packs_of_ions(images: pa.Table, size: int) -> dict[str, int]:
    """Return the pack of each ion: that of the first row that has it, since isomers share their images."""
    packs: dict[str, int] = {}
    for row, ion in enumerate(cast(list[str], images.column("ion_formula").to_pylist())):
        packs.setdefault(ion, row // size)
    return packs


def _tic(stores: Stores, plan: Plan) -> npt.NDArray[np.float32]:
    """Return the summed intensity of every spectrum, as the sort tasks found it."""
    return np.concatenate([index.tic for index in run_indexes(stores.work, plan)])
