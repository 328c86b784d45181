"""Whole jobs: tasks may run twice, in any order, or break off, and what comes out holds together."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import png
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ionfleet import colocalization
from ionfleet.colocalization import partners, picture, similarities
from ionfleet.databases import Database
from ionfleet.diagnostics import METADATA_KEY
from ionfleet.errors import InvalidConfigurationError, InvalidDatasetError, OutOfBudgetError
from ionfleet.images import dense_image
from ionfleet.ions import IonSettings
from ionfleet.measure import Patterns, measure
from ionfleet.plan import Stores
from ionfleet.runs import sort_peaks
from ionfleet.scoring import ScoringModel
from ionfleet.stages.common import measurement
from ionfleet.store import MemoryStore, ObjectMissingError

from .imzml_files import Dataset, make
from .scoring_models import random_model
from .small_jobs import FORMULAS, STAGES, SmallJob, database, dataset, planted

ADDUCTS = IonSettings(("+H", "+Na", "+K"), decoy_sample_size=5)
SMALL = [database(FORMULAS[:4])]
TISSUE = dataset(1, ions=planted(SMALL, ADDUCTS, 1))
FINE = {"sort_task_peaks": 150, "segment_peaks": 200, "isotope_task_formulas": 2}


class BrokenOffError(Exception):
    """The process was killed."""


class Bucket(MemoryStore):
    """A bucket that keeps the order of its writes, and does not forgive different bytes for the same key."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[str] = []
        self.writes_left = 10**9

    def create(self, key: str, data: bytes | bytearray | memoryview) -> bool:
        assert self.objects.get(key, bytes(data)) == bytes(data), f"{key} was to be written with other bytes"
        if self.writes_left == 0:
            raise BrokenOffError
        self.writes_left -= 1
        self.written += [] if key in self.objects else [key]
        return super().create(key, data)


def small_job(given: Dataset = TISSUE, databases: Sequence[Database] = SMALL, **configuration: object) -> SmallJob:
    bucket = Bucket()
    return SmallJob(given, databases, {"planning": FINE} | configuration, Stores(MemoryStore(), bucket, bucket))


@pytest.fixture(scope="module")
def expected() -> SmallJob:
    """A job that went well."""
    return small_job().run()


def test_the_job_has_something_to_lose(expected: SmallJob) -> None:
    assert [len(expected.tasks(stage)) > 1 for stage in STAGES] == [True, True, False, True, False, False]
    assert expected.table("annotations.parquet").num_rows > 3
    assert sum(not row for row in expected.table("metrics.parquet").column("is_target").to_pylist()) > 0
    assert len(expected.stores.results.objects) > 30


@pytest.mark.parametrize(
    "arrange", [lambda tasks: tasks * 2, lambda tasks: tasks[::-1], lambda tasks: tasks[1:] + tasks]
)
def test_tasks_run_in_any_order_and_number_leave_the_same_objects(expected: SmallJob, arrange) -> None:
    assert small_job().run(arrange).objects() == expected.objects()


@pytest.mark.parametrize("stage", STAGES)
def test_a_task_done_before_writes_nothing(stage: str) -> None:
    job = small_job().run()
    written = len(job.stores.work.written)
    reports = [task() for task in job.tasks(stage)]
    assert len(job.stores.work.written) == written
    if stage in {"sort", "isotopes", "annotate"}:
        assert all(report.done_before for report in reports)


def test_a_job_that_breaks_off_at_any_write_is_taken_up_again(expected: SmallJob) -> None:
    writes = len(expected.stores.work.written)
    for count in range(1, writes, 5):
        job = small_job()
        job.stores.work.writes_left = count
        with pytest.raises(BrokenOffError):
            job.run()
        job.stores.work.writes_left = 10**9
        assert job.run().objects() == expected.objects(), f"broken off at write {count}"


def test_what_announces_a_piece_of_work_is_written_after_it(expected: SmallJob) -> None:
    order = {key: place for place, key in enumerate(expected.stores.work.written)}
    runs = {Path(key).stem: key for key in order if key.endswith(".run")}
    for key in order:
        if key.endswith(".index"):
            assert order[runs[Path(key).stem]] < order[key]
        if key.endswith(".metrics.parquet") and "/segments/" in key:
            assert order[key.replace("metrics", "images")] < order[key]
    before = {
        "manifests/job-0/plan.json": ["manifests/job-0/sort.jsonl", "manifests/job-0/isotopes.jsonl"],
        "manifests/job-0/partition.json": [key for key in order if key.endswith((".ions.parquet", "annotate.jsonl"))],
        "jobs/job-0/tables/facts.json": [key for key in order if "/tables/" in key or key.endswith("render.jsonl")],
    }
    for last, others in before.items():
        assert all(order[key] <= order[last] for key in others)


def test_another_job_on_the_dataset_sorts_and_computes_only_what_is_new(expected: SmallJob) -> None:
    job = small_job().run()
    again = SmallJob(TISSUE, SMALL, {"planning": FINE | {"sort_task_peaks": 80}, "ppm": 5.0}, job.stores, "job-1")
    plan = again.plan()
    assert (plan.sort.tasks, plan.isotopes.tasks) == (0, 0)
    assert plan.runs == expected.plan().runs
    again.run()
    other = small_job(ppm=5.0).run()
    assert again.table("metrics.parquet").equals(other.table("metrics.parquet"))
    more = SmallJob(TISSUE, [database(FORMULAS[:6])], {"planning": FINE}, job.stores, "job-2").plan()
    assert (len(more.chunks), more.isotopes.tasks) == (3, 1)


def test_runs_that_leave_a_gap_are_sorted_again() -> None:
    job = small_job()
    job.plan()
    first, *others = job.tasks("sort")
    first()
    others[-1]()
    plan = SmallJob(TISSUE, SMALL, {"planning": FINE}, job.stores, "job-1").plan()
    assert plan.sort.tasks == len(others) - 1
    assert plan.runs[0].first == 0
    assert [run.first for run in plan.runs[1:]] == [run.stop for run in plan.runs[:-1]]


def test_metrics_are_those_of_all_peaks_at_once(expected: SmallJob) -> None:
    peaks, index = TISSUE.peaks(), TISSUE.index()
    grid = index.geometry()
    whole = sort_peaks(peaks.mz, peaks.intensity, grid.pixel[peaks.spectrum])
    metrics = expected.table("metrics.parquet")
    mz, theory = (
        np.stack([metrics.column(f"{name}_{peak}").to_numpy() for peak in range(4)], axis=1)
        for name in ("theo_mz", "theo_int")
    )
    patterns = Patterns(mz, theory, np.ones(len(mz), bool))
    measured, _ = measure(whole, patterns, grid, measurement(expected.plan().configuration))
    for name in ("chaos", "spatial", "spectral", "msm", "mz_err_abs", "mz_err_rel"):
        assert getattr(measured, name).tobytes() == metrics.column(name).to_numpy().tobytes(), name


def test_every_image_of_every_annotation_is_a_file_with_its_pixels(expected: SmallJob) -> None:
    grid = TISSUE.index().geometry()
    rows = expected.table("annotations.parquet").to_pylist()
    plan = expected.plan()
    names = {
        f"{row['formula']}{row['modifier']}_{peak}.png" for row in rows for peak in range(4) if row["nnz"][peak] > 0
    }
    prefix = f"{plan.results_prefix}ion_images/"
    files = {key.removeprefix(prefix): data for key, data in expected.objects().items() if key.endswith(".png")}
    assert files.keys() == names
    row = rows[0]
    low, high = row["theo_mz"][0] * (1 - 3e-6), row["theo_mz"][0] * (1 + 3e-6)
    peaks = TISSUE.peaks()
    inside = (peaks.mz >= low) & (peaks.mz <= high)
    image = np.bincount(grid.pixel[peaks.spectrum[inside]], peaks.intensity[inside], len(grid.pixel_index))
    dense = dense_image(grid, np.arange(len(grid.pixel_index)), image.astype(np.float32))
    pixels = _decode(files[f"{row['formula']}{row['modifier']}_0.png"])
    assert np.array_equal(pixels[:, :, 1] > 0, grid.mask)
    assert pixels[:, :, 0] == pytest.approx(65535 * dense / dense.max(), abs=1)


def _decode(data: bytes) -> np.ndarray:
    width, height, rows, _ = png.Reader(bytes=data).read()
    return np.vstack([np.asarray(row, np.uint16) for row in rows]).reshape(height, width, 2)


def facts(job: SmallJob) -> dict:
    return json.loads(job.file("facts.json"))


def test_facts_count_what_the_tables_have(expected: SmallJob) -> None:
    found = facts(expected)
    metrics, annotations = expected.table("metrics.parquet"), expected.table("annotations.parquet")
    assert found["peaks"] == len(TISSUE.peaks())
    assert found["ions"]["targets"] == 4 * 3
    assert found["ions"]["scored"] == metrics.num_rows
    assert found["ions"]["invalid"] == len(found["invalid"]) == found["ions"]["without_pattern"] == 0
    assert found["images"] == sum(points > 0 for row in annotations.column("nnz").to_pylist() for points in row)
    fdr = annotations.column("fdr").to_numpy()
    levels = {"5": 0.05, "10": 0.1, "20": 0.2, "50": 0.5}
    assert found["annotations"] == {"db": {name: int((fdr <= level).sum()) for name, level in levels.items()}}


def test_a_dataset_without_any_peak_is_refused_by_name() -> None:
    job = small_job(make([([100.0, 200.0], [0.0, -1.0]), ([], [])]))
    with pytest.raises(InvalidDatasetError, match=r"No spectrum of datasets/x\.imzML has a peak"):
        job.run()


def test_a_dataset_beside_all_ions_gives_empty_tables(expected: SmallJob) -> None:
    job = small_job(make([([5000.0, 5001.0], [1.0, 2.0]), ([5000.5], [3.0])])).run()
    assert job.table("metrics.parquet").num_rows == job.table("annotations.parquet").num_rows == 0
    assert job.table("metrics.parquet").schema == expected.table("metrics.parquet").schema
    assert len(job.file("annotations.csv").splitlines()) == 3
    assert not any(key.endswith(".png") for key in job.objects())
    assert facts(job)["annotations"] == {"db": {"5": 0, "10": 0, "20": 0, "50": 0}}


@pytest.mark.parametrize(
    "spectra",
    [
        [([100.0, 181.0707, 182.074, 900.0], [1.0, 5.0, 1.0, 1.0])],
        [([], []), ([100.0, 181.0707, 182.074, 900.0], [1.0, 5.0, 1.0, 1.0]), ([], [])],
        [([900.0, 182.074, 181.0707, 181.0707, 100.0], [1.0, np.inf, 3.0, np.nan, 1.0]), ([181.0707], [3e38])],
    ],
    ids=["one pixel", "empty spectra", "odd intensities"],
)
@pytest.mark.parametrize("compatibility", ["ionfleet", "metaspace"])
def test_odd_datasets_are_annotated_without_complaint(spectra: list, compatibility: str) -> None:
    job = small_job(make(spectra), compatibility=compatibility).run()
    metrics = job.table("metrics.parquet")
    assert ("C6H12O6", "+H") in zip(
        metrics.column("formula").to_pylist(), metrics.column("modifier").to_pylist(), strict=True
    )
    numbers = [column for column in metrics.columns if pa.types.is_floating(column.type)]
    assert all(np.isfinite(column.drop_null().to_numpy()).all() for column in numbers)


def test_databases_are_ranked_apart_and_share_images() -> None:
    databases = [database(FORMULAS[:4]), database(FORMULAS[2:7], "other")]
    job = small_job(databases=databases).run()
    metrics = job.table("metrics.parquet").to_pylist()
    for each in databases:
        alone = small_job(databases=[each]).run().table("metrics.parquet").to_pylist()
        assert [row for row in metrics if row["database"] == each.name] == alone
    listed = job.table("images.parquet").to_pylist()
    pairs = [(row["formula"], row["modifier"]) for row in listed]
    assert len(pairs) == len(set(pairs))
    assert (
        sum(row["images"] for row in listed)
        == facts(job)["images"]
        == sum(key.endswith(".png") for key in job.objects())
    )
    rows = job.table("annotations.parquet").to_pylist()
    assert {(row["formula"], row["modifier"]) for row in rows} == set(pairs)
    assert len(rows) > len(pairs)


def test_classes_of_molecules_are_a_database_of_their_own() -> None:
    table = SMALL[0].table.append_column("class", pa.array(["sugar", "sugar", *["other"] * 6], pa.string()))
    job = small_job(databases=[Database("db", table)], molecule_classes=["Sugar"]).run()
    alone = small_job(databases=[database(FORMULAS[:1])]).run()
    assert job.table("metrics.parquet").equals(alone.table("metrics.parquet"))


def test_negative_ions_and_the_first_method_of_false_discovery_rates() -> None:
    settings = IonSettings(("-H", "+Cl"), fdr_method="v1", decoy_sample_size=5)
    job = small_job(dataset(2, ions=planted(SMALL, settings, 2)), polarity="negative", fdr_method="v1").run()
    rows = job.table("annotations.parquet").to_pylist()
    assert {row["adduct"] for row in rows} <= {"-H", "+Cl"}
    assert all(row["ion"].endswith("-") for row in rows)
    assert {row["fdr"] for row in rows} <= {0.05, 0.1, 0.2, 0.5}
    assert len(rows) > 0


def test_ions_without_a_pattern_are_counted_and_left_out() -> None:
    table = pa.table({"id": ["1", "2"], "name": ["odd", "sugar"], "formula": ["C2Cl12Sn8Se8", "C6H12O6"]})
    job = small_job(databases=[Database("db", table)], decoy_sample_size=1).run()
    assert facts(job)["ions"]["without_pattern"] == 4
    assert "C2Cl12Sn8Se8" not in job.table("metrics.parquet").column("formula").to_pylist()


def test_invalid_ions_are_counted_and_told() -> None:
    table = pa.table({"id": ["1", "2"], "name": ["salt", "sugar"], "formula": ["NaCl", "C6H12O6"]})
    job = small_job(databases=[Database("db", table)], adducts=["+H", "-H"]).run()
    assert facts(job)["invalid"] == [["NaCl", "-H", "Negative total element count for H"]]
    assert facts(job)["ions"]["targets"] == 3


def test_what_cannot_be_planned_leaves_nothing_behind() -> None:
    job = small_job()
    job.sort_mb = 200
    with pytest.raises(OutOfBudgetError, match=r"Spectrum \d+ has \d+ points; a sort function of 200 MB holds 0"):
        job.plan()
    assert not [key for key in job.stores.work.written if key.startswith("manifests/")]


def test_an_annotate_function_that_is_too_small_stops_the_partition() -> None:
    job = small_job()
    job.annotate_mb = 256
    with pytest.raises(OutOfBudgetError, match="205 MB of an annotate function can be used"):
        job.run()
    assert "manifests/job-0/partition.json" not in job.stores.work.objects


def test_classes_that_the_database_does_not_have_are_refused_when_planning() -> None:
    job = small_job(molecule_classes=["Sugar"])
    with pytest.raises(InvalidConfigurationError, match="has no column 'class'"):
        job.plan()
    assert not [key for key in job.stores.work.written if key.startswith("manifests/")]


def test_a_missing_object_is_named() -> None:
    job = small_job().run(stages=["sort", "isotopes", "partition"])
    del job.stores.work.objects["jobs/job-0/segments/000000.ions.parquet"]
    with pytest.raises(ObjectMissingError, match=r"segments/000000\.ions\.parquet"):
        job.tasks("annotate")[0]()


def test_the_csv_has_the_annotations_in_their_order(expected: SmallJob) -> None:
    text = expected.file("annotations.csv").decode()
    assert text.startswith("# Generated at 2026-01-02 03:04:05. ")
    rows = list(csv.DictReader(io.StringIO(text.split("\n", 2)[2])))
    annotations = expected.table("annotations.parquet").to_pylist()
    assert [row["ion"] for row in rows] == [row["ion"] for row in annotations]
    for row, annotation in zip(rows, annotations, strict=True):
        for name, column in (("msm", "msm"), ("fdr", "fdr"), ("rhoSpatial", "spatial"), ("rhoSpectral", "spectral")):
            assert float(row[name]) == annotation[column]
        assert float(row["maxIntensity"]) == annotation["max_iso_ints"][0]
        assert row["datasetId"] == "ds-0"


def test_segments_keep_what_images_need(expected: SmallJob) -> None:
    images = pq.read_table(io.BytesIO(expected.stores.work.get("jobs/job-0/segments/000000.images.parquet")))
    for row in images.to_pylist():
        assert row["pixel"] == sorted(set(row["pixel"]))
        assert len(row["pixel"]) == len(row["intensity"]) > 0


def test_a_scoring_models_score_is_ranked_in_place_of_the_msm() -> None:
    model = random_model(4)
    job = small_job(scoring_model="animal.cbm")
    job.stores.input.create("models/animal.json", json.dumps(model).encode())
    plain, scored = small_job(compatibility="metaspace").run(), job.run()
    rows = {(row["formula"], row["modifier"]): row for row in plain.table("metrics.parquet").to_pylist()}
    names = ("chaos", "spatial", "spectral", "mz_err_abs", "mz_err_rel")
    found = scored.table("metrics.parquet").to_pylist()
    assert [(row["formula"], row["modifier"]) for row in found] == list(rows)
    columns = [np.array([rows[row["formula"], row["modifier"]][name] for row in found]) for name in names]
    expected = ScoringModel.from_json(json.dumps(model).encode()).score(*columns)
    msm = np.array([row["msm"] for row in found])
    assert (msm > 0).sum() > 4
    assert [row["ranked"] for row in found] == [s if m > 0 else None for s, m in zip(expected, msm, strict=True)]
    annotations = scored.table("annotations.parquet").column("score").to_pylist()
    assert annotations == sorted(annotations, reverse=True)
    head, *lines = csv.reader(io.StringIO(scored.file("annotations.csv").decode().split("\n", 2)[2]))
    assert [float(line[head.index("msm")]) for line in lines] == annotations


def test_colocalised_ions_are_those_of_the_pictures_that_are_published() -> None:
    job = small_job().run()
    annotations = job.table("annotations.parquet").to_pylist()
    grid = TISSUE.index().geometry()

    def published(row: dict) -> np.ndarray:
        name = f"results/ds-0/job-0/ion_images/{row['formula']}{row['modifier']}_0.png"
        grey = np.vstack(list(png.Reader(bytes=job.stores.results.get(name)).asDirect()[2]))[:, ::2]
        return picture(grey.astype(np.uint16))

    similarity = similarities([published(row) for row in annotations], (grid.height, grid.width))
    names = [(row["formula"], row["modifier"]) for row in annotations]
    expected = [
        (found.level, found.algorithm, *names[ion], *names[partner], rank, score)
        for found in partners(similarity, np.array([row["fdr"] for row in annotations]))
        for ion, partner, rank, score in zip(found.ion, found.partner, found.rank, found.score, strict=True)
    ]
    assert [tuple(row.values())[1:] for row in job.table("colocalization.parquet").to_pylist()] == expected
    assert expected
    assert json.loads(job.file("facts.json"))["colocalized"] == {"db": len(annotations)}


def test_what_does_not_fit_into_memory_is_not_compared_and_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    grid = TISSUE.index().geometry()
    monkeypatch.setattr(colocalization, "MOST_VALUES", 3 * grid.width * grid.height)
    job = small_job().run()
    best = [(row["formula"], row["modifier"]) for row in job.table("annotations.parquet").to_pylist()]
    found = job.table("colocalization.parquet").to_pylist()
    assert len(best) > 3
    assert {(row["formula_a"], row["modifier_a"]) for row in found} <= set(best[:3])
    assert json.loads(job.file("facts.json"))["colocalized"] == {"db": 3}


def test_diagnostics_have_every_pixel_with_the_tic_of_its_spectra() -> None:
    table = small_job().run().table("diagnostics.parquet")
    index = TISSUE.index()
    facts = json.loads(table.schema.metadata[METADATA_KEY])
    assert (facts["width"], facts["height"], facts["tic_source"]) == (6, 5, "spectra")
    expected: dict[tuple[int, int], list[float]] = {}
    for number, (x, y) in enumerate(zip(index.x.tolist(), index.y.tolist(), strict=True)):
        place = int(index.intensity_length[number]), int(index.intensity_offset[number])
        total = float(np.frombuffer(TISSUE.ibd, "<f4", *place).sum())
        expected.setdefault((y - facts["y_origin"], x - facts["x_origin"]), []).append(total)
    rows = table.to_pylist()
    assert [(row["y"], row["x"]) for row in rows] == sorted(expected)
    assert [row["spectra"] for row in rows] == [len(expected[row["y"], row["x"]]) for row in rows]
    assert [row["tic"] for row in rows] == pytest.approx([sum(expected[row["y"], row["x"]]) for row in rows])
    assert facts["tic_sum"] == pytest.approx(sum(row["tic"] for row in rows))
