"""The simulator: what it plants is found where it says, and the same settings make the same bytes."""

from __future__ import annotations

import csv
import hashlib
import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import png
import pytest
from numpy.typing import NDArray
from pyimzml.ImzMLParser import ImzMLParser

from ionfleet.errors import InvalidConfigurationError
from ionfleet_simulate.dataset import SimulatedDataset, write_dataset
from ionfleet_simulate.draws import Draws, lognormal_quantiles, normal_quantiles
from ionfleet_simulate.ions import DETECTION_LIMIT, PlantedIon, make_template, plant
from ionfleet_simulate.simulation import DEMO, Simulation
from ionfleet_simulate.spectra import Block, Sample
from ionfleet_simulate.tissue import STRUCTURES, Tissue

SMALL = Simulation(width=30, height=24, seed=5, peaks_per_spectrum=120, ions=40, matrix_peaks=10)


def make_sample(simulation: Simulation, **options: int) -> Sample:
    return Sample(simulation, make_template(simulation, plant(simulation)), **options)


@contextmanager
def parsed(dataset: SimulatedDataset, metadata: list[str] | None = None) -> Iterator[ImzMLParser]:
    with warnings.catch_warnings():
        # pyimzml warns of every term of the controlled vocabulary whose accession and name do not fit.
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        parser = ImzMLParser(str(dataset.imzml), parse_lib="ElementTree", include_spectra_metadata=metadata)
    with parser:
        yield parser


def digests(dataset: SimulatedDataset) -> list[str]:
    files = (dataset.imzml, dataset.ibd, dataset.truth, dataset.configuration)
    return [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]


def ion_image(simulation: Simulation, mz: float, ppm: float = 3.0) -> NDArray[np.float64]:
    """Return the sum of intensities around an m/z for each pixel."""
    image = np.zeros((simulation.height, simulation.width))
    for block in make_sample(simulation).blocks():
        spectrum = np.repeat(np.arange(len(block.x)), np.diff(block.stops, prepend=0))
        near = np.abs(block.mz - mz) <= mz * ppm * 1e-6
        pixel = spectrum[near]
        np.add.at(image, (block.y[pixel] - 1, block.x[pixel] - 1), block.intensity[near])
    return image


def structure_image(simulation: Simulation, structure: str) -> NDArray[np.float64]:
    """Return a structure of the tissue, 0 where nothing is measured."""
    tissue = Tissue(simulation.seed)
    y, x = np.nonzero(tissue.measured(simulation.width, simulation.height))
    image = np.zeros((simulation.height, simulation.width))
    fields = tissue.fields(x, y, simulation.width, simulation.height)
    image[y, x] = fields[STRUCTURES.index(structure)]
    return image


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> SimulatedDataset:
    return write_dataset(SMALL, tmp_path_factory.mktemp("small"))


def test_the_same_settings_make_the_same_bytes(dataset: SimulatedDataset, tmp_path: Path) -> None:
    assert digests(write_dataset(SMALL, tmp_path)) == digests(dataset)


def test_another_seed_makes_other_spectra(dataset: SimulatedDataset, tmp_path: Path) -> None:
    other = write_dataset(replace(SMALL, seed=6), tmp_path)
    assert not set(digests(other)[:3]) & set(digests(dataset)[:3])


def test_peaks_stay_what_they_were_when_this_was_written(dataset: SimulatedDataset) -> None:
    """Other bytes on another machine or with another numpy would break what was promised to users of a seed."""
    assert hashlib.sha256(dataset.ibd.read_bytes()[16:]).hexdigest()[:16] == "6fd0c1cbe11c87d1"


@pytest.mark.parametrize("mode", ["processed", "continuous"])
def test_blocks_of_any_size_make_the_same_spectra(mode: Any) -> None:
    simulation = replace(SMALL, mode=mode)

    def intensities(blocks: list[Block]) -> list[NDArray[np.float32]]:
        return [part for block in blocks for part in np.split(block.intensity, block.stops[:-1])]

    whole = list(make_sample(simulation).blocks())
    cut = list(make_sample(simulation, block_cells=5000).blocks())
    assert len(cut) > 10 * len(whole)
    for first, second in zip(intensities(whole), intensities(cut), strict=True):
        np.testing.assert_array_equal(first, second)
    if mode == "processed":
        np.testing.assert_array_equal(
            np.concatenate([block.mz for block in whole]), np.concatenate([block.mz for block in cut])
        )


def test_pyimzml_reads_back_what_was_made(dataset: SimulatedDataset) -> None:
    with parsed(dataset) as parser:
        index = 0
        for block in make_sample(SMALL).blocks():
            for x, y, mz, intensity in zip(
                block.x,
                block.y,
                np.split(block.mz, block.stops[:-1]),
                np.split(block.intensity, block.stops[:-1]),
                strict=True,
            ):
                assert parser.coordinates[index] == (x, y, 1)
                read_mz, read_intensity = parser.getspectrum(index)
                assert (read_mz.dtype, read_intensity.dtype) == (np.float64, np.float32)
                np.testing.assert_array_equal(read_mz, mz)
                np.testing.assert_array_equal(read_intensity, intensity)
                index += 1
        assert index == len(parser.coordinates) == dataset.spectra
        assert sum(parser.mzLengths) == dataset.peaks


def test_mz_ascend_in_every_spectrum(dataset: SimulatedDataset) -> None:
    with parsed(dataset) as parser:
        for index in range(dataset.spectra):
            mz, intensity = parser.getspectrum(index)
            assert np.all(np.diff(mz) > 0)
            assert np.all(intensity > DETECTION_LIMIT - 1)


def test_the_header_tells_what_was_simulated(dataset: SimulatedDataset) -> None:
    with parsed(dataset) as parser:
        content = parser.metadata.file_description
        settings = parser.metadata.scan_settings["scanSettings"]
        assert parser.polarity == "positive"
        assert parser.spectrum_mode == "centroid"
        assert "processed" in content
        assert settings["max count of pixels x"] == 30
        assert settings["max count of pixels y"] == 24
        assert settings["max dimension x"] == 1500
        assert settings["pixel size (x)"] == settings["pixel size y"] == 50.0
        assert parser.metadata.instrument_configurations["instrument"].components[1].cv_params[0][0] == "orbitrap"


def test_the_ibd_begins_with_the_uuid_and_has_the_sha1_of_the_header(dataset: SimulatedDataset) -> None:
    with parsed(dataset) as parser:
        content = parser.metadata.file_description
    data = dataset.ibd.read_bytes()
    identifier = content["universally unique identifier"].strip("{}").replace("-", "")
    assert bytes.fromhex(identifier) == data[:16]
    assert content["ibd SHA-1"] == hashlib.sha1(data, usedforsecurity=False).hexdigest().upper()


def test_the_spectra_metadata_agree_with_the_peaks(dataset: SimulatedDataset) -> None:
    terms = ["MS:1000285", "MS:1000504", "MS:1000505", "MS:1000527", "MS:1000528"]
    with parsed(dataset, terms) as parser:
        fields = parser.spectrum_metadata_fields
        for index in range(dataset.spectra):
            mz, intensity = parser.getspectrum(index)
            tic, base_mz, base, highest, lowest = (fields[term][index] for term in terms)
            assert tic == pytest.approx(float(intensity.astype(np.float64).sum()), rel=1e-8)
            assert (base_mz, np.float32(base)) == (mz[intensity.argmax()], intensity.max())
            assert (lowest, highest) == (mz[0], mz[-1])


def test_the_measured_area_is_irregular() -> None:
    mask = Tissue(5).measured(60, 50)
    assert 0.6 < mask.mean() < 0.95
    widths = mask.sum(axis=1)
    assert len(set(widths.tolist())) > 10
    assert not np.array_equal(mask, mask[:, ::-1])
    assert not np.array_equal(mask, mask[::-1])


def test_only_measured_pixels_have_spectra(dataset: SimulatedDataset) -> None:
    mask = np.zeros((24, 30), np.bool_)
    with parsed(dataset) as parser:
        for x, y, _ in parser.coordinates:
            mask[y - 1, x - 1] = True
    np.testing.assert_array_equal(mask, Tissue(5).measured(30, 24))


@pytest.mark.parametrize("structure", [name for name in STRUCTURES if name.endswith("-1")])
def test_structures_are_within_the_tissue_and_vary(structure: str) -> None:
    image = structure_image(replace(SMALL, width=60, height=60), structure)
    assert image.min() == 0.0
    assert 0.4 < image.max() < 1.5
    assert image[0].sum() + image[-1].sum() + image[:, 0].sum() + image[:, -1].sum() < 0.1 * image.sum()
    assert image[image > 0].std() > 0.05


def strong_ions(simulation: Simulation, count: int) -> list[PlantedIon]:
    genuine = [ion for ion in plant(simulation) if ion.true_pattern]
    return sorted(genuine, key=lambda ion: -ion.abundance)[:count]


@pytest.mark.parametrize("rank", range(6))
def test_a_planted_ion_is_found_at_its_mz_in_the_pixels_of_its_structure(rank: int) -> None:
    ion = strong_ions(SMALL, 6)[rank]
    found = ion_image(SMALL, ion.mz)
    expected = structure_image(SMALL, ion.structure) * ion.abundance
    surely, never = expected > 10 * DETECTION_LIMIT, expected < 1
    assert surely.sum() > 20
    assert np.mean(found[surely] > 0) > 0.99
    assert np.mean(found[never] > 0) < 0.02
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.8


def test_isotope_ratios_are_right_or_wrong_as_the_truth_says() -> None:
    simulation = replace(SMALL, planted=(("C6H12O6", "+Na"), ("C42H82NO8P", "+K")), wrong_patterns=0.5)
    for ion in plant(simulation):
        first, second = ion_image(simulation, ion.mz), ion_image(simulation, ion.mz + 1.00336)
        carbons = 6 if ion.formula == "C6H12O6" else 42
        assert (second.sum() == pytest.approx(first.sum() * carbons * 0.0108, rel=0.25)) == ion.true_pattern


def test_mz_scatter_around_the_planted_ones_by_the_given_ppm() -> None:
    pairs = (("C42H82NO8P", "+K"), ("C6H12O6", "+Na"), ("C27H46O", "+H"), ("C24H50NO7P", "+H"))
    simulation = replace(SMALL, planted=pairs, wrong_patterns=0, matrix_peaks=0, peaks_per_spectrum=1, jitter_ppm=2.0)
    mz = np.concatenate([block.mz for block in make_sample(simulation).blocks()])
    errors = np.concatenate([(mz[np.abs(mz - ion.mz) < 0.01] / ion.mz - 1.0) * 1e6 for ion in plant(simulation)])
    assert len(errors) > 300
    assert np.std(errors) == pytest.approx(2.0, rel=0.15)
    assert np.mean(errors) == pytest.approx(0.0, abs=0.5)


def test_resolving_power_decides_whether_isotopologues_merge() -> None:
    sulfur = replace(SMALL, planted=(("C20H32N6O12S2", "+H"),), matrix_peaks=0)
    blurred, sharp = replace(sulfur, resolving_power=10_000.0), replace(sulfur, resolving_power=1e6, analyzer="fticr")
    assert len(make_template(sharp, plant(sharp)).mz) == 6
    spacing = [np.diff(make_template(each, plant(each)).mz).min() for each in (blurred, sharp)]
    assert spacing[0] > 0.9 > 0.1 > spacing[1]


def test_spectra_have_about_the_peaks_that_were_asked_for() -> None:
    simulation = replace(SMALL, peaks_per_spectrum=800)
    lengths = np.concatenate([np.diff(block.stops, prepend=0) for block in make_sample(simulation).blocks()])
    assert lengths.mean() == pytest.approx(800, rel=0.05)
    assert lengths.std() > 20


def test_matrix_peaks_are_shared_beside_the_tissue() -> None:
    simulation = replace(SMALL, ions=0, matrix_peaks=40, peaks_per_spectrum=1)
    images = [ion_image(simulation, mz) for mz in make_template(simulation, []).mz]
    outside = make_sample(simulation).mask & (structure_image(simulation, "homogeneous-1") == 0)
    assert max(np.mean(image[outside] > 0) for image in images) > 0.95


def test_continuous_mode_writes_one_axis(tmp_path: Path) -> None:
    simulation = replace(SMALL, mode="continuous", polarity="negative", analyzer="tof")
    dataset = write_dataset(simulation, tmp_path)
    with parsed(dataset) as parser:
        assert "continuous" in parser.metadata.file_description
        assert parser.polarity == "negative"
        assert len(set(parser.mzOffsets)) == len(set(parser.mzLengths)) == 1
        axis = parser.getspectrum(0)[0]
        assert dataset.ibd.stat().st_size == 16 + 8 * len(axis) + 4 * dataset.peaks
        assert np.all(np.diff(axis) > 0)
        intensity = np.array([parser.getspectrum(index)[1] for index in range(dataset.spectra)])
        np.testing.assert_array_equal(
            intensity.ravel(), np.concatenate([block.intensity for block in make_sample(simulation).blocks()])
        )
        assert (intensity == 0).any()


def test_the_truth_table_lists_the_planted_ions(dataset: SimulatedDataset) -> None:
    with dataset.truth.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    ions = plant(SMALL)
    assert [(row["formula"], row["adduct"], row["ion"]) for row in rows] == [
        (ion.formula, ion.adduct, ion.ion) for ion in ions
    ]
    assert [row["true_pattern"] for row in rows].count("False") == 4
    assert {row["structure"] for row in rows} == set(STRUCTURES)
    assert all(float(row["abundance"]) > 0 and 100 <= float(row["mz"]) <= 1200 for row in rows)


def test_the_configuration_describes_the_instrument(dataset: SimulatedDataset) -> None:
    assert dataset.configuration.name == "simulated.job.json"
    assert json.loads(dataset.configuration.read_text()) == {
        "polarity": "positive",
        "analyzer": "orbitrap",
        "resolving_power": 140000.0,
        "resolving_power_mz": 200.0,
    }


def test_planted_ions_have_the_adducts_of_the_polarity_and_no_ion_twice() -> None:
    for polarity, adducts in (("positive", {"+H", "+Na", "+K"}), ("negative", {"-H", "+Cl"})):
        ions = plant(replace(DEMO, polarity=polarity))
        assert {ion.adduct for ion in ions} == adducts
        assert len({(ion.formula, ion.adduct) for ion in ions}) == len(ions) == 100


def test_two_adducts_of_a_formula_share_their_structure() -> None:
    structures: dict[str, set[str]] = {}
    ions = plant(DEMO)
    for ion in ions:
        structures.setdefault(ion.formula, set()).add(ion.structure)
    assert len(structures) < len(ions)
    assert all(len(shared) == 1 for shared in structures.values())


@pytest.mark.parametrize(
    "size", [{"width": 1, "height": 1}, {"width": 1, "height": 9}, {"width": 7, "height": 2}], ids=str
)
def test_the_smallest_images_have_a_spectrum_too(size: dict[str, int], tmp_path: Path) -> None:
    dataset = write_dataset(replace(SMALL, **size), tmp_path)
    with parsed(dataset) as parser:
        assert dataset.spectra == len(parser.coordinates) >= 1


def test_noise_alone_can_be_simulated(tmp_path: Path) -> None:
    dataset = write_dataset(replace(SMALL, ions=0, matrix_peaks=0, peaks_per_spectrum=3), tmp_path)
    with parsed(dataset) as parser:
        lengths = parser.mzLengths
    assert 1 <= min(lengths) <= max(lengths) <= 5


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"width": 0}, "width is 0; give a whole number from 1 to 10000"),
        ({"height": 10_001}, "height is 10001"),
        ({"width": 2.5}, "width is 2.5; give a whole number"),
        ({"seed": -1}, "seed is -1"),
        ({"wrong_patterns": 1.5}, "wrong_patterns is 1.5"),
        ({"jitter_ppm": float("nan")}, "jitter_ppm is nan"),
        ({"analyzer": "quadrupole"}, "analyzer is 'quadrupole'; give one of orbitrap, fticr, tof"),
        ({"polarity": "neutral"}, "polarity is 'neutral'"),
        ({"mode": "profile"}, "mode is 'profile'"),
        ({"lowest_mz": 500.0, "highest_mz": 400.0}, "from 500 to 400"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused_by_name(setting: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidConfigurationError, match=message):
        replace(SMALL, **setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"planted": (("C6H12O6X", "+H"),)}, "C6H12O6X"),
        ({"planted": (("CO2", "-H"),)}, "CO2 -H cannot be planted"),
        ({"planted": (("CO2", "+H"),)}, "outside the simulation's range from 100 to 1200"),
        ({"planted": (("CH3Sn2Te2Xe2Cd2", "+H"),)}, "has no isotope pattern"),
        ({"formulas": ("glucose",)}, "glucose is no formula"),
        ({"formulas": ("C6H12O6", "C5H10O5"), "ions": 9}, "to plant 9 ions, but its formulas make only"),
    ],
    ids=["no formula", "no ion", "out of range", "no pattern", "no formulas", "too few"],
)
def test_ions_that_cannot_be_planted_are_refused_without_a_file(
    setting: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InvalidConfigurationError, match=message):
        write_dataset(replace(SMALL, **setting), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("stem", ["", "a/b", "."])
def test_a_name_that_is_no_file_name_is_refused(stem: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidConfigurationError, match="name of the dataset"):
        write_dataset(SMALL, tmp_path, stem)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InvalidConfigurationError, match="cannot be written"):
        write_dataset(SMALL, tmp_path / "file" / "folder")


def test_an_interrupted_simulation_leaves_no_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Sample) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Sample, "blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_dataset(SMALL, tmp_path)
    assert not list(tmp_path.iterdir())


def test_draws_depend_on_their_place_alone() -> None:
    draws = Draws(3, "stream")
    whole = draws.bits([0, 1, 2], 10)
    np.testing.assert_array_equal(draws.bits([2], 4)[0], whole[2, :4])
    np.testing.assert_array_equal(draws.short_bits([1], 9)[0], whole[1:2].view("<u2")[0, :9])
    assert not np.any(Draws(3, "other").bits([0, 1, 2], 10) == whole)
    assert not np.any(Draws(4, "stream").bits([0, 1, 2], 10) == whole)


def test_draws_are_evenly_spread_and_uncorrelated() -> None:
    draws = Draws(1, "spread").short_bits(np.arange(200), 500) / 65536
    assert draws.mean() == pytest.approx(0.5, abs=0.005)
    assert np.histogram(draws, 10, (0, 1))[0] == pytest.approx(np.full(10, 10_000), rel=0.05)
    correlations = np.corrcoef(draws)[np.triu_indices(200, 1)]
    assert np.abs(correlations).max() < 0.25


def test_quantiles_are_those_of_their_distributions() -> None:
    normal, lognormal = normal_quantiles(), lognormal_quantiles(0.5)
    assert (normal.mean(), normal.std()) == (pytest.approx(0, abs=1e-4), pytest.approx(1, abs=1e-3))
    assert np.median(lognormal) == pytest.approx(1.0, abs=1e-4)
    assert np.std(np.log(lognormal)) == pytest.approx(0.5, abs=1e-3)


def test_the_picture_of_the_tissue_lies_over_it(tmp_path: Path) -> None:
    dataset = write_dataset(SMALL, tmp_path, optical=True)
    fields = json.loads(dataset.configuration.read_text())
    width, height, rows, _ = png.Reader(bytes=(tmp_path / fields["optical_image"]).read_bytes()).read()
    picture = np.vstack([np.asarray(row) for row in rows]).reshape(height, width, 3)
    y, x = np.mgrid[: SMALL.height, : SMALL.width].reshape(2, -1)
    across, down, _ = np.array(fields["transform"]) @ [x + 0.5, y + 0.5, np.ones(len(x))]
    tissue = Tissue(SMALL.seed).fields(x, y, SMALL.width, SMALL.height)[STRUCTURES.index("homogeneous-1")]
    stained = picture[down.astype(int), across.astype(int)].min(axis=1) < 215
    assert stained[tissue > 0.5].all()
    assert not stained[tissue == 0].any()
    assert 0.1 < stained.mean() < 0.9
