"""Every dataset beside the project is read as pyimzML reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pyimzml.ImzMLParser import ImzMLParser

from ionfleet.imzml import check_checksums, index_imzml
from ionfleet.index import ARRAY_DTYPES, SpectraIndex
from ionfleet.spectra import Peaks, read_peaks

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore::UserWarning")]

DATASETS = {
    "untreated_tiny": "Untreated_3_434_tiny",
    "example_continuous": "Example_Continuous",
    "example_processed": "Example_Processed",
    "i2nca_pc": "pc",
    "i2nca_combined_sparse": "combined_pc",
    "pyimzml_writer": "test",
    "two_scansettings": "two_scansettings",
    "unit_nanometre": "unit_nanometre",
    "simulated": "simulated",
}


@pytest.fixture(params=DATASETS)
def imzml(request, shared) -> Path:
    return shared / "data" / "datasets" / request.param / f"{DATASETS[request.param]}.imzML"


@pytest.fixture
def parser(imzml) -> Iterator[ImzMLParser]:
    with ImzMLParser(str(imzml), parse_lib="ElementTree", include_spectra_metadata=["MS:1000285"]) as found:
        yield found


def index_of(imzml: Path) -> SpectraIndex:
    ibd = imzml.with_suffix(".ibd")
    with imzml.open("rb") as stream, ibd.open("rb") as head:
        return index_imzml(stream, imzml.stat().st_size, ibd.stat().st_size, head.read(16))


def peaks_of(imzml: Path) -> Peaks:
    index, ibd = index_of(imzml), imzml.with_suffix(".ibd").read_bytes()
    return read_peaks(index, 0, len(index), lambda start, length: ibd[start : start + length])


def test_all_datasets_are_listed(shared) -> None:
    assert {path.name for path in (shared / "data" / "datasets").iterdir()} == set(DATASETS)


def test_coordinates_offsets_lengths_and_types_are_pyimzmls(imzml, parser) -> None:
    index = index_of(imzml)
    assert np.stack([index.x, index.y], axis=1).tolist() == [[x, y] for x, y, _ in parser.coordinates]
    assert index.mz_offset.tolist() == parser.mzOffsets
    assert index.intensity_offset.tolist() == parser.intensityOffsets
    assert index.mz_length.tolist() == parser.mzLengths
    assert index.intensity_length.tolist() == parser.intensityLengths
    for types, precision in ((index.mz_type, parser.mzPrecision), (index.intensity_type, parser.intensityPrecision)):
        assert {ARRAY_DTYPES[i] for i in types.tolist()} == {np.dtype(precision)}


def test_polarity_spectrum_mode_and_tic_are_pyimzmls(imzml, parser) -> None:
    index = index_of(imzml)
    assert index.header.polarity == parser.polarity
    assert index.header.centroided == {"centroid": True, "profile": False, None: None}[parser.spectrum_mode]
    expected = parser.spectrum_metadata_fields["MS:1000285"]
    assert (None if index.tic is None else index.tic.tolist()) == (None if None in expected else expected)


def test_peaks_are_pyimzmls_after_cleaning(imzml, parser) -> None:
    peaks = peaks_of(imzml)
    edges = np.searchsorted(peaks.spectrum, np.arange(len(parser.coordinates) + 1))
    for i in range(len(parser.coordinates)):
        mz, intensity = parser.getspectrum(i)
        keep = intensity > 0
        mine = slice(edges[i], edges[i + 1])
        assert np.array_equal(peaks.mz[mine], mz[keep].astype(np.float64))
        assert np.array_equal(peaks.intensity[mine], intensity[keep].astype(np.float32))


def test_uuids_agree_and_checksums_are_those_declared(imzml) -> None:
    header = index_of(imzml).header
    assert "uuid-differs" not in [finding.code for finding in header.findings]
    assert check_checksums(header, [imzml.with_suffix(".ibd").read_bytes()]) == []


def test_units_of_pixel_sizes_are_honoured(shared) -> None:
    datasets = shared / "data" / "datasets"
    assert index_of(datasets / "unit_nanometre" / "unit_nanometre.imzML").header.pixel_size_um == (4.40625, 4.40625)
    assert index_of(datasets / "example_continuous" / "Example_Continuous.imzML").header.pixel_size_um == (100.0, 100.0)


def test_mask_and_tic_of_the_simulation_are_the_engines(shared) -> None:
    imzml = shared / "data" / "datasets" / "simulated" / "simulated.imzML"
    reference = np.load(shared / "data" / "reference" / "simulated_details" / "tic_mask.npz")
    index, peaks = index_of(imzml), peaks_of(imzml)
    grid = index.geometry()
    assert np.array_equal(grid.mask, reference["MASK"])
    assert index.tic is not None
    from_peaks = np.bincount(peaks.spectrum, peaks.intensity, len(index))
    for tic, expected in ((index.tic, reference["TIC"]), (from_peaks, reference["TIC_FROM_SPECTRA"])):
        of_pixels = np.bincount(grid.pixel, tic)
        np.testing.assert_allclose(of_pixels, expected.reshape(-1)[grid.pixel_index], rtol=1e-5)
