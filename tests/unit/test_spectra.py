"""Peaks as they come out of the ibd, cleaned."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from ionfleet.errors import InvalidDatasetError
from ionfleet.spectra import read_peaks

from .imzml_files import SMALL, Dataset, Place, document, header, make, spectrum_xml
from .imzml_files import ZLIB as ZLIB_TERM

NAN, INFINITE = float("nan"), float("inf")


def some_spectra(n: int, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 40, n)
    return [(rng.uniform(50, 2000, k), rng.uniform(0, 100, k).astype("<f4")) for k in lengths]


def test_peaks_come_in_the_order_of_the_spectra_with_their_numbers() -> None:
    peaks = SMALL.peaks()
    assert peaks.mz.tolist() == [100.0, 200.5, 150.25, 100.0, 300.0]
    assert peaks.intensity.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert peaks.spectrum.tolist() == [0, 0, 1, 2, 2]
    assert (peaks.mz.dtype, peaks.intensity.dtype, peaks.spectrum.dtype) == (np.float64, np.float32, np.uint32)
    assert (len(peaks), peaks.dropped, peaks.without_mz) == (5, 0, 0)


@pytest.mark.parametrize("mz", ["<f4", "<f8", "<i4", "<i8"])
@pytest.mark.parametrize("intensity", ["<f4", "<f8", "<i4", "<i8"])
@pytest.mark.parametrize("compress", [False, True])
def test_all_number_formats_are_read_plain_and_compressed(mz, intensity, compress) -> None:
    values = ([100.0, 200.0], [7.0, 1_000_000.0])
    peaks = make([values, values], mz=mz, intensity=intensity, compress=compress).peaks()
    assert peaks.mz.tolist() == values[0] * 2
    assert peaks.intensity.tolist() == values[1] * 2


def test_32_bit_mz_values_are_kept_exactly() -> None:
    mz = np.array([123.456789, 2345.6789], "<f4")
    assert make([(mz, [1.0, 1.0])], mz="<f4").peaks().mz.tolist() == mz.astype(float).tolist()


def test_only_positive_intensities_and_finite_mz_values_are_kept() -> None:
    mz = [1.0, 2.0, 3.0, 4.0, 5.0, NAN, INFINITE, -INFINITE, NAN]
    intensity = [0.0, -1.0, NAN, INFINITE, 1.0, 1.0, 1.0, 1.0, 0.0]
    peaks = make([(mz, intensity), ([9.0], [9.0])]).peaks()
    assert peaks.mz.tolist() == [4.0, 5.0, 9.0]
    assert peaks.intensity.tolist() == [INFINITE, 1.0, 9.0]
    assert peaks.spectrum.tolist() == [0, 0, 1]
    assert (peaks.dropped, peaks.without_mz) == (7, 3)


def test_intensities_are_compared_as_float32() -> None:
    peaks = make([([1.0, 2.0, 3.0], [1e-60, 1e60, 1.0])], intensity="<f8").peaks()
    assert peaks.mz.tolist() == [2.0, 3.0]
    assert peaks.intensity.tolist() == [INFINITE, 1.0]


def test_unsorted_mz_values_keep_their_order() -> None:
    assert make([([300.0, 100.0, 200.0], [1.0, 2.0, 3.0])]).peaks().mz.tolist() == [300.0, 100.0, 200.0]


@pytest.mark.parametrize("chunk", [64, 400, 3000])
@pytest.mark.parametrize("gap", [0, 700])
@pytest.mark.parametrize("compress", [False, True])
def test_any_cut_and_chunk_gives_the_same_peaks(monkeypatch, chunk, gap, compress) -> None:
    dataset = make(some_spectra(40), gap=gap, compress=compress)
    whole = dataset.peaks()
    monkeypatch.setattr("ionfleet.spectra.CHUNK_BYTES", chunk)
    monkeypatch.setattr("ionfleet.spectra.GAP_BYTES", 100)
    index = dataset.index()
    parts = [read_peaks(index.rows(a, b), a, b, dataset.fetch) for a, b in ((0, 7), (7, 7), (7, 8), (8, 40))]
    for name in ("mz", "intensity", "spectrum"):
        assert np.concatenate([getattr(part, name) for part in parts]).tolist() == getattr(whole, name).tolist()


def test_neighbouring_arrays_are_fetched_together_and_distant_ones_apart(monkeypatch) -> None:
    monkeypatch.setattr("ionfleet.spectra.GAP_BYTES", 10)

    def requests(dataset: Dataset) -> list[tuple[int, int]]:
        asked: list[tuple[int, int]] = []

        def fetch(start: int, length: int) -> bytes:
            asked.append((start, length))
            return dataset.fetch(start, length)

        index = dataset.index()
        read_peaks(index, 0, len(index), fetch)
        return asked

    three = [([1.0], [1.0])] * 3
    assert requests(make(three)) == [(16, 36)]
    assert requests(make(three, gap=10)) == [(16, 56)]
    assert requests(make(three, gap=11)) == [(16, 12), (39, 12), (62, 12)]


def test_no_more_than_twice_a_chunk_is_held_however_the_arrays_lie(monkeypatch) -> None:
    monkeypatch.setattr("ionfleet.spectra.CHUNK_BYTES", 1000)
    monkeypatch.setattr("ionfleet.spectra.GAP_BYTES", 500)
    dataset = make([([1.0], [1.0])] * 60, gap=400)
    asked: list[int] = []

    def fetch(start: int, length: int) -> bytes:
        asked.append(length)
        return dataset.fetch(start, length)

    assert len(read_peaks(dataset.index(), 0, 60, fetch)) == 60
    assert max(asked) <= 2000
    assert len(asked) < 60


def test_an_mz_array_that_all_spectra_share_is_read_once() -> None:
    mz = np.array([100.0, 200.0, 300.0])
    intensities = np.arange(12, dtype="<f4").reshape(4, 3)
    ibd = bytes(16) + mz.tobytes() + intensities.tobytes()
    parts = [spectrum_xml(i + 1, 1, Place(16, 3, 24), Place(40 + 12 * i, 3, 12)) for i in range(4)]
    dataset = Dataset(document(parts), ibd)
    asked: list[tuple[int, int]] = []

    def fetch(start: int, length: int) -> bytes:
        asked.append((start, length))
        return dataset.fetch(start, length)

    peaks = read_peaks(dataset.index(), 0, 4, fetch)
    assert asked == [(16, 24), (40, 48)]
    assert peaks.mz.tolist() == [200.0, 300.0, *mz.tolist() * 3]
    assert peaks.intensity.tolist() == list(range(1, 12))


def test_a_shared_compressed_mz_array_is_read() -> None:
    mz, intensity = (
        zlib.compress(np.array(values, kind).tobytes()) for values, kind in (([5.0, 6.0], "<f8"), ([1, 2], "<f4"))
    )
    places = Place(16, 2, len(mz)), Place(16 + len(mz), 2, len(intensity))
    parts = [spectrum_xml(i, 1, *places) for i in (1, 2)]
    peaks = Dataset(document(parts, header(compression=ZLIB_TERM)), bytes(16) + mz + intensity).peaks()
    assert peaks.mz.tolist() == [5.0, 6.0] * 2


def test_arrays_at_offsets_beyond_32_bits_are_fetched_from_there() -> None:
    base = 5 << 32
    dataset = Dataset(document([spectrum_xml(1, 1, Place(base, 1, 8), Place(base + 8, 1, 4))]), ibd_size=base + 12)
    data = np.array([77.5]).tobytes() + np.array([2.0], "<f4").tobytes()
    peaks = read_peaks(dataset.index(), 0, 1, lambda start, length: data[start - base : start - base + length])
    assert (peaks.mz.tolist(), peaks.intensity.tolist()) == ([77.5], [2.0])


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda data: b"\xff" * len(data), "cannot be decompressed"),
        (lambda data: zlib.compress(zlib.decompress(data) * 2), "decompresses to more than 16 bytes"),
        (lambda data: zlib.compress(zlib.decompress(data)[:8]), "decompresses to 8 bytes"),
        (lambda data: data[:-4], "decompresses to 16 bytes"),
    ],
)
def test_a_compressed_array_that_is_not_what_it_should_be_is_an_error(damage, says) -> None:
    mz, intensity = zlib.compress(np.array([123.456, 234.567]).tobytes()), zlib.compress(bytes(8))
    wrong = damage(mz)
    parts = [
        spectrum_xml(1, 1, Place(16, 2, len(mz)), Place(16 + len(mz), 2, len(intensity))),
        spectrum_xml(2, 1, Place(16 + len(mz + intensity), 2, len(wrong)), Place(16 + len(mz), 2, len(intensity))),
    ]
    dataset = Dataset(document(parts, header(compression=ZLIB_TERM)), bytes(16) + mz + intensity + wrong)
    with pytest.raises(InvalidDatasetError, match=f"The m/z array of spectrum 2 at byte [0-9]+ of the ibd {says}"):
        dataset.peaks()


def test_an_ibd_that_became_shorter_than_it_was_is_an_error() -> None:
    index = SMALL.index()
    with pytest.raises(InvalidDatasetError, match="The ibd ends at byte 70, but the imzML points to bytes up to 76"):
        read_peaks(index, 0, 3, replace(SMALL, ibd=SMALL.ibd[:70]).fetch)


def test_no_spectra_and_empty_spectra_give_no_peaks() -> None:
    dataset = make([([], []), ([], []), ([1.0], [1.0])])
    index = dataset.index()
    assert len(read_peaks(index, 1, 1, dataset.fetch)) == 0
    assert len(read_peaks(index, 0, 2, dataset.fetch)) == 0
    assert len(read_peaks(index, 0, 3, dataset.fetch)) == 1
