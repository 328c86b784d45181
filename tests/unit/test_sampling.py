"""What a few spectra tell of a job: close to what all of them come to, and in bounded memory."""

from __future__ import annotations

import numpy as np
import pytest

from ionfleet import sampling
from ionfleet.estimate import CENTROID_STEP, Expectation
from ionfleet.formula import ion_mz
from ionfleet.ions import IonSettings
from ionfleet.sampling import SampledPeaks, expect, sample_peaks

from .imzml_files import Dataset, make
from .small_jobs import FORMULAS, SmallJob, database, dataset, planted

SETTINGS = IonSettings(("+H", "+Na"))
GLUCOSE = ion_mz("C6H13O6", 1)


def sampled(data: Dataset) -> SampledPeaks:
    return sample_peaks(data.index(), data.fetch)


def expectation(data: Dataset, formulas: list[str], peaks: int = 4) -> Expectation:
    spectra = len(data.index())
    return expect(sampled(data), spectra, formulas, SETTINGS, charge=1, peaks=peaks, ppm=3.0)


def plain(spectra: int, points: int) -> Dataset:
    rng = np.random.default_rng(1)
    return make([(np.sort(rng.uniform(100, 900, points)), np.ones(points)) for _ in range(spectra)])


def test_a_small_dataset_is_read_whole_and_a_large_one_in_a_few_places() -> None:
    assert sampled(plain(5, 3)).spectra == 5
    assert len(sampled(plain(5, 3)).mz) == 15
    many = sampled(plain(3000, 2))
    assert many.spectra == sampling.STRETCHES * sampling.STRETCH_SPECTRA - sampling.STRETCH_SPECTRA + 1
    assert np.all(np.diff(many.mz) >= 0)
    assert np.bincount(many.spectrum).tolist() == [2] * many.spectra


def test_each_place_is_one_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ionfleet.spectra.GAP_BYTES", 10)
    data, asked = plain(3000, 2), []

    def fetch(start: int, length: int) -> bytes:
        asked.append(start)
        return data.fetch(start, length)

    sample_peaks(data.index(), fetch)
    assert len(asked) == sampling.STRETCHES
    assert min(asked) < len(data.ibd) / 10
    assert max(asked) > len(data.ibd) * 0.9


def test_spectra_with_many_points_stand_alone_and_with_too_many_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "STRETCH_POINTS", 25)
    assert sampled(plain(400, 10)).spectra == 15 * 2 + 1
    assert sampled(plain(400, 40)).spectra == 16
    monkeypatch.setattr(sampling, "MOST_POINTS", 30)
    assert sampled(plain(400, 40)).spectra == len(sampled(plain(400, 40)).mz) == 0
    mixed = make([([1.0] * points, [1.0] * points) for points in (40, 5, 40, 40, 5)])
    assert sampled(mixed).spectra == 2


def test_hits_are_the_peaks_in_all_windows_of_all_ions() -> None:
    there = [GLUCOSE, GLUCOSE + CENTROID_STEP, GLUCOSE + 2 * CENTROID_STEP, 888.0]
    data = make([(there, [1.0] * 4)] * 6 + [([888.0], [1.0])] * 4)
    assert expectation(data, ["C6H12O6"]).hits == 18
    assert expectation(data, ["C6H12O6"], peaks=2).hits == 12
    assert expectation(data, ["C10H16N5O13P3"]).hits == 0


def test_the_span_is_that_of_nearly_all_peaks() -> None:
    assert expectation(plain(40, 500), ["C6H12O6"]).span == pytest.approx(784, rel=0.02)
    assert expectation(make([([500.0], [1.0])] * 3), ["C6H12O6"]).span == 1


def test_a_sample_stands_for_all_spectra_and_all_formulas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "FORMULAS", 2)
    some = SampledPeaks(np.array([GLUCOSE] * 3), np.arange(3), 3)
    made = expect(some, 30, ["C6H12O6", "C50H90", "C60H99"], SETTINGS, charge=1, peaks=4, ppm=3.0)
    assert made.hits == pytest.approx(3 * 10 * 3 / 2)


def test_those_shown_are_targets_met_more_often_than_decoys() -> None:
    pattern = [GLUCOSE, GLUCOSE + CENTROID_STEP]
    data = make([(pattern, [2.0, 1.0])] * 8)
    assert expectation(data, ["C6H12O6"]).shown == 1
    assert expectation(data, ["C6H12O6", "C50H90", "C60H99"]).shown == 1
    some = ["C6H12O6", "C7H14O6", "C8H16O6", "C10H16N5O13P3"]
    isomers = [[ion_mz(formula, 1) for formula in ("C6H13O6", "C7H15O6", "C8H17O6", "C10H17N5O13P3")]] * 8
    assert expectation(make([(mz, [1.0] * 4) for mz in isomers]), some).shown == 1
    both = [sorted([*mz, *(each + CENTROID_STEP for each in mz)]) for mz in isomers]
    assert expectation(make([(mz, [1.0] * 8) for mz in both]), some).shown == 4
    noise = plain(40, 6000)
    assert expectation(noise, [f"C{n}H{n}" for n in range(20, 60)]).shown <= 25


def test_the_expectation_of_a_job_is_near_what_it_comes_to() -> None:
    formulas = [*FORMULAS, *(f"C{n}H{2 * n}O{n // 3}" for n in range(8, 40))]
    databases = [database(formulas)]
    data = dataset(3, 20, 15, planted(databases, SETTINGS, 4, share=0.6))
    job = SmallJob(data, databases, {"adducts": ["+H", "+Na"], "decoy_sample_size": 20}).run()
    expected, shown = job.plan().expectation, job.table("annotations.parquet").num_rows
    assert shown > 20
    assert shown / 1.5 <= expected.shown <= 1.5 * shown


def test_a_job_on_spectra_that_are_all_too_large_to_sample_is_expected_to_be_like_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sampling, "MOST_POINTS", 1)
    job = SmallJob(dataset(1), [database(FORMULAS)])
    assert job.plan().expectation.shown > 0
    assert job.plan().expectation.hits > 0
