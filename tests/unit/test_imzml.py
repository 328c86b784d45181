"""What the header and the spectra of an imzML file say, as far as the standard lets them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pyimzml.ImzMLWriter import ImzMLWriter

from ionfleet.errors import InvalidDatasetError
from ionfleet.findings import Finding
from ionfleet.imzml import check_checksums, index_imzml
from ionfleet.index import DatasetHeader, SpectraIndex
from ionfleet.spectra import read_peaks

from .imzml_files import SMALL, UUID, Dataset, Place, document, header, make, spectrum_xml

TWO_PEAKS = ([100.0, 200.0], [1.0, 2.0])


def test_every_fact_of_a_plain_file_is_in_the_index() -> None:
    index = SMALL.index()
    assert index.header == DatasetHeader(
        n_spectra=3,
        n_points=5,
        continuous=False,
        centroided=True,
        polarity="positive",
        instrument="LTQ Orbitrap",
        uuid=UUID.hex(),
        pixel_size_um=(20.0, 20.0),
    )
    assert index.x.tolist() == [1, 2, 3]
    assert index.y.tolist() == [1, 1, 1]
    assert index.mz_offset.tolist() == [16, 40, 52]
    assert index.mz_length.tolist() == index.intensity_length.tolist() == [2, 1, 2]
    assert index.mz_bytes.tolist() == [16, 8, 16]
    assert index.intensity_offset.tolist() == [32, 48, 68]
    assert index.intensity_bytes.tolist() == [8, 4, 8]
    assert index.mz_type.tolist() == [1, 1, 1]
    assert index.intensity_type.tolist() == [0, 0, 0]
    assert index.tic is index.min_mz is index.max_mz is None


@pytest.mark.parametrize("mode", ["continuous", "processed"])
def test_files_of_pyimzmls_writer_are_read(tmp_path, mode) -> None:
    mz = np.array([100.0, 150.0, 200.0])
    path = tmp_path / "a dataset with spaces.imzML"
    with ImzMLWriter(str(path), mode=mode, polarity="negative") as writer:
        for x in range(1, 5):
            writer.addSpectrum(mz if mode == "continuous" else mz + x, np.array([1.0, 2.0, x]), (x, 2))
    ibd = path.with_suffix(".ibd").read_bytes()
    with path.open("rb") as stream:
        index = index_imzml(stream, path.stat().st_size, len(ibd), ibd[:16])
    assert index.header.continuous is (mode == "continuous")
    assert index.header.polarity == "negative"
    assert index.header.findings == ()
    assert index.tic is not None
    assert index.tic.tolist() == [4.0, 5.0, 6.0, 7.0]
    assert index.min_mz is not None
    peaks = read_peaks(index, 0, 4, lambda start, length: ibd[start : start + length])
    shift = 0.0 if mode == "continuous" else 1.0
    assert peaks.mz.tolist() == [m + shift * x for x in range(1, 5) for m in mz]
    assert check_checksums(index.header, [ibd[:30], ibd[30:]]) == []


def test_a_checksum_that_differs_is_a_warning() -> None:
    header_ = DatasetHeader(1, 1, sha1="00" * 20, md5="d41d8cd98f00b204e9800998ecf8427e")
    (finding,) = check_checksums(header_, [])
    assert (finding.severity, finding.code) == ("warning", "checksum-differs")
    assert "SHA-1" in finding.message


def test_without_a_namespace_the_file_is_read_the_same() -> None:
    bare = SMALL.edit(' xmlns="http://psi.hupo.org/ms/mzml"', "")
    assert bare.index().header == SMALL.index().header


def test_with_a_namespace_prefix_the_file_is_read_the_same() -> None:
    prefixed = SMALL.imzml.replace("</", "</m:").replace("<", "<m:").replace("<m:/m:", "</m:").replace("<m:?", "<?")
    prefixed = prefixed.replace("xmlns=", "xmlns:m=")
    index = Dataset(prefixed, SMALL.ibd).index()
    assert index.header == SMALL.index().header
    assert index.mz_offset.tolist() == SMALL.index().mz_offset.tolist()


def test_lines_may_end_in_carriage_returns() -> None:
    dataset = Dataset(SMALL.imzml.replace("\n", "\r\n"), SMALL.ibd)
    assert dataset.index().header == SMALL.index().header


def test_a_header_wrapped_as_indexed_mzml_is_read() -> None:
    dataset = SMALL.edit("<mzML", "<indexedmzML><mzML").edit("</mzML>", "</mzML><indexList/></indexedmzML>")
    assert dataset.index().header == SMALL.index().header


def test_scan_settings_instrument_and_file_description_are_optional() -> None:
    text = SMALL.imzml
    for element in ("scanSettingsList", "instrumentConfigurationList", "fileDescription"):
        begin, end = text.index(f"<{element}"), text.index(f"</{element}>") + len(element) + 3
        text = text[:begin] + text[end:]
    found = Dataset(text, SMALL.ibd).index().header
    assert found.pixel_size_um is None
    assert found.instrument == found.uuid == ""
    assert found.centroided is None
    assert [finding.code for finding in found.findings] == ["uuid-differs"]


def test_positions_are_found_without_a_scan_element() -> None:
    dataset = SMALL.edit('<scanList count="1"><scan>\n', "").edit("</scan></scanList>\n", "")
    assert dataset.index().x.tolist() == [1, 2, 3]


def test_missing_positions_are_an_error_that_names_the_spectrum() -> None:
    dataset = SMALL.edit('<cvParam accession="IMS:1000050" name="position x" value="2"/>', "")
    index, findings = dataset.inspect()
    assert index is None
    (finding,) = findings
    assert (finding.severity, finding.code, finding.where) == ("error", "missing-number", "spectrum 2")
    assert "x coordinate (IMS:1000050) is missing" in finding.message


@pytest.mark.parametrize("value", ["one", "1.5", "", "99999999999", "9" * 4000])
def test_a_position_that_is_no_number_is_an_error(value) -> None:
    dataset = SMALL.edit('name="position x" value="2"', f'name="position x" value="{value}"')
    assert dataset.codes() == [("error", "bad-number")]


def test_polarity_comes_from_the_spectra_the_file_content_or_an_unused_group() -> None:
    group = '<cvParam accession="MS:1000130" name="positive scan"/>'
    negative = '<cvParam accession="MS:1000129" name="negative scan"/>'
    in_content = SMALL.edit(group, "").edit("<fileContent>", f"<fileContent>{negative}")
    at_spectrum = SMALL.edit(group, "").edit("<scanList", f"{negative}<scanList", 1)
    unused = SMALL.edit('<referenceableParamGroupRef ref="spectrum"/>', "")
    nowhere = SMALL.edit(group, "")
    assert in_content.index().header.polarity == "negative"
    assert at_spectrum.index().header.polarity == "negative"
    assert unused.index().header.polarity == "positive"
    assert nowhere.index().header.polarity is None
    assert nowhere.codes() == []


def test_both_polarities_give_none_and_a_warning() -> None:
    mixed = SMALL.edit("<scanList", '<cvParam accession="MS:1000129" name="negative scan"/><scanList', 1)
    assert mixed.index().header.polarity is None
    assert mixed.codes() == [("warning", "mixed-polarity")]


def test_profile_spectra_are_legal_with_a_warning() -> None:
    profile = SMALL.edit("MS:1000127", "MS:1000128")
    assert profile.index().header.centroided is False
    assert profile.codes() == [("warning", "profile-spectra")]


def test_terms_with_the_accession_of_another_are_believed_by_name_with_a_warning() -> None:
    wrong = '<cvParam accession="MS:1000521" name="64-bit float"/>'
    dataset = SMALL.edit('<cvParam accession="MS:1000523" name="64-bit float"/>', wrong)
    assert dataset.peaks().mz.tolist() == SMALL.peaks().mz.tolist()
    assert dataset.codes() == [("warning", "mislabelled-term")]


def test_parameter_groups_may_refer_to_groups_and_to_themselves() -> None:
    mz_format = '<cvParam accession="MS:1000523" name="64-bit float"/>'
    groups = (
        '<referenceableParamGroup id="a"><referenceableParamGroupRef ref="b"/></referenceableParamGroup>'
        f'<referenceableParamGroup id="b">{mz_format}<referenceableParamGroupRef ref="a"/></referenceableParamGroup>'
    )
    dataset = SMALL.edit(mz_format, '<referenceableParamGroupRef ref="a"/>')
    dataset = dataset.edit("<referenceableParamGroupList>", f"<referenceableParamGroupList>{groups}")
    assert dataset.peaks().mz.tolist() == SMALL.peaks().mz.tolist()


def test_an_array_may_declare_itself_without_groups_in_any_order() -> None:
    inline = (
        '<cvParam accession="MS:1000576" name="no compression"/>'
        '<cvParam accession="MS:1000523" name="64-bit float"/><cvParam accession="MS:1000514" name="m/z array"/>'
    )
    dataset = SMALL.edit('<referenceableParamGroupRef ref="mzArray"/>', inline)
    assert dataset.peaks().mz.tolist() == SMALL.peaks().mz.tolist()


def test_the_intensity_array_may_come_first_and_other_arrays_are_passed_by() -> None:
    mz, intensity = Place(16, 1, 8), Place(24, 1, 4)
    one = spectrum_xml(1, 1, mz, intensity)
    arrays = one[one.index("<binaryDataArray>") : one.index("</binaryDataArrayList>")]
    first, second = (f"<binaryDataArray>{part}" for part in arrays.split("<binaryDataArray>")[1:])
    other = '<binaryDataArray><cvParam accession="MS:1000786" name="non-standard data array"/></binaryDataArray>'
    ibd = UUID + np.array([123.0]).tobytes() + np.array([7.0], "<f4").tobytes()
    peaks = Dataset(document([one.replace(arrays, second + other + first)]), ibd).peaks()
    assert (peaks.mz.tolist(), peaks.intensity.tolist()) == ([123.0], [7.0])


def test_two_formats_in_one_file_are_read_array_by_array() -> None:
    dataset = make([([100.0], [1.0]), ([200.0], [2.0])], mz="<f4", intensity="<f4")
    wide = np.array([300.125]).tobytes()
    mz, intensity = Place(len(dataset.ibd), 1, 8), Place(20, 1, 4)
    third = spectrum_xml(3, 1, mz, intensity).replace(
        '<referenceableParamGroupRef ref="mzArray"/>',
        '<cvParam accession="MS:1000514" name="m/z array"/><cvParam accession="MS:1000523" name="64-bit float"/>',
    )
    both = Dataset(dataset.imzml.replace("</spectrumList>", f"{third}</spectrumList>"), dataset.ibd + wide)
    assert both.index().mz_type.tolist() == [0, 0, 1]
    assert both.peaks().mz.tolist() == [100.0, 200.0, 300.125]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("MS:1000523", "MS:1000999", "declares no number format"),
        ('accession="MS:1000523" name="64-bit float"', 'accession="MS:1000520" name="16-bit float"', "16-bit float"),
        ("MS:1000576", "MS:1002312", "MS-Numpress linear prediction"),
        ("MS:1000514", "MS:1000515", "There is no m/z array"),
        ("MS:1000514", "MS:1000999", "There is no m/z array"),
        ('ref="mzArray"', 'ref="nothing"', "There is no m/z array"),
        (
            '<cvParam accession="MS:1000523"',
            '<cvParam accession="MS:1000521" name="32-bit float"/><cvParam accession="MS:1000523"',
            "more than one number format",
        ),
        (
            '<cvParam accession="MS:1000576"',
            '<cvParam accession="MS:1000574" name="zlib compression"/><cvParam accession="MS:1000576"',
            "both compressed and not compressed",
        ),
        (
            '<cvParam accession="MS:1000514"',
            '<cvParam accession="MS:1000515" name="intensity array"/><cvParam accession="MS:1000514"',
            "both m/z and intensity array",
        ),
    ],
)
def test_arrays_that_cannot_be_understood_are_errors(old, new, says) -> None:
    with pytest.raises(InvalidDatasetError, match=f"spectrum 1: .*{says}"):
        SMALL.edit(old, new).index()


@pytest.mark.parametrize(
    ("unit", "expected"),
    [
        ("", 20.0),
        (' unitAccession="UO:0000017"', 20.0),
        (' unitAccession="UO:0000018"', 0.02),
        (' unitAccession="UO:0000016"', 20_000.0),
    ],
)
def test_pixel_sizes_are_in_micrometres_whatever_their_unit(unit, expected) -> None:
    size = SMALL.edit(' value="20"', f' value="20"{unit}').index().header.pixel_size_um
    assert size == pytest.approx((expected, expected))


@pytest.mark.parametrize("edit", ['value="20" unitAccession="UO:0000010"', 'value="-20"', 'value="big"'])
def test_a_pixel_size_that_is_no_length_is_left_out_with_a_warning(edit) -> None:
    dataset = SMALL.edit('value="20"', edit)
    assert dataset.index().header.pixel_size_um is None
    assert dataset.codes() == [("warning", "pixel-size")]


def test_analyzer_and_resolving_power_come_from_the_instruments_components() -> None:
    components = (
        '<componentList><analyzer><cvParam accession="MS:1000484" name="orbitrap"/>'
        '<cvParam accession="MS:1000800" name="mass resolving power" value="140000"/></analyzer></componentList>'
    )
    found = SMALL.edit("</instrumentConfiguration>", f"{components}</instrumentConfiguration>").index().header
    assert found.analyzer == "orbitrap"
    assert found.resolving_power == 140_000.0


@pytest.mark.parametrize("term", ['accession="MS:1000747" value="2024-01-01"', 'accession="IMS:1000042"', ""])
def test_terms_that_pyimzml_cannot_convert_do_no_harm(term) -> None:
    dataset = SMALL.edit("<scanSettings ", f'<scanSettings id="s0"><cvParam {term}/></scanSettings><scanSettings ')
    assert dataset.index().header == SMALL.index().header


def test_stated_sums_are_used_only_if_every_spectrum_states_a_number() -> None:
    def with_tic(*values: str) -> SpectraIndex:
        parts = SMALL.imzml.split("<scanList")
        for i, value in enumerate(values):
            parts[i] += f'<cvParam accession="MS:1000285" name="total ion current" value="{value}"/>'
        return Dataset("<scanList".join(parts), SMALL.ibd).index()

    complete = with_tic("1.5", "0", "3e2").tic
    assert complete is not None
    assert complete.tolist() == [1.5, 0.0, 300.0]
    assert with_tic("1.5", "0").tic is None
    assert with_tic("1.5", "0", "nan").tic is None
    assert with_tic("1.5", "0", "many").tic is None


def test_another_number_of_spectra_than_announced_is_a_warning() -> None:
    assert SMALL.edit('<spectrumList count="3"', '<spectrumList count="4"').codes() == [("warning", "spectrum-count")]


def test_a_file_without_spectra_is_an_error() -> None:
    assert Dataset(document([])).codes() == [("error", "no-spectra")]
    assert Dataset(header() + "</run></mzML>").codes() == [("error", "no-spectra")]


def test_a_dataset_without_a_single_peak_is_an_error() -> None:
    assert make([([], []), ([], [])]).codes() == [("error", "no-peaks")]


def test_an_empty_spectrum_among_others_is_legal() -> None:
    dataset = make([TWO_PEAKS, ([], []), TWO_PEAKS])
    assert dataset.codes() == []
    assert dataset.peaks().spectrum.tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("coordinates", "width", "height", "origin", "pixel", "pixel_index"),
    [
        ([(1, 1), (2, 1), (1, 2)], 2, 2, (1, 1), [0, 1, 2], [0, 1, 2]),
        ([(0, 0), (1, 0), (0, 1)], 2, 2, (0, 0), [0, 1, 2], [0, 1, 2]),
        ([(7, 5), (5, 9), (5, 5)], 3, 5, (5, 5), [1, 2, 0], [0, 2, 12]),
        ([(-3, 2), (-1, 2), (-2, 2)], 3, 1, (-3, 2), [0, 2, 1], [0, 1, 2]),
    ],
)
def test_any_origin_order_and_sparsity_of_coordinates_is_legal(
    coordinates, width, height, origin, pixel, pixel_index
) -> None:
    dataset = make([TWO_PEAKS] * 3, coordinates)
    grid = dataset.index().geometry()
    assert (grid.width, grid.height, (grid.x_origin, grid.y_origin)) == (width, height, origin)
    assert grid.pixel.tolist() == pixel
    assert grid.pixel.dtype == np.uint32
    assert grid.pixel_index.tolist() == pixel_index
    assert np.flatnonzero(grid.mask).tolist() == pixel_index
    assert grid.mask.shape == (height, width)
    assert dataset.codes() == []


def test_planes_and_repeated_coordinates_share_pixels_with_a_warning() -> None:
    dataset = make([TWO_PEAKS] * 4, [(1, 1), (2, 1), (1, 1), (2, 1)])
    plane = '<cvParam accession="IMS:1000052" name="position z" value="2"/></scan>'
    dataset = dataset.edit("</scan>", plane, 2)
    grid = dataset.index().geometry()
    assert grid.pixel.tolist() == [0, 1, 0, 1]
    assert dataset.codes() == [("warning", "shared-pixels")]
    assert "2 of 4 spectra" in dataset.inspect()[1][0].message


def test_coordinates_that_span_more_than_any_image_are_an_error() -> None:
    dataset = make([TWO_PEAKS] * 2, [(1, 1), (2_000_000_000, 2_000_000_000)])
    assert dataset.codes() == [("error", "grid-too-large")]


def test_strict_takes_warnings_for_errors() -> None:
    profile = SMALL.edit("MS:1000127", "MS:1000128")
    assert profile.codes(strict=True) == [("error", "profile-spectra")]
    assert profile.inspect(strict=True)[0] is None


def test_a_uuid_that_differs_from_the_ibds_is_a_warning_and_an_error_if_strict() -> None:
    other = Dataset(SMALL.imzml, bytes(16) + SMALL.ibd[16:])
    assert other.codes() == [("warning", "uuid-differs")]
    assert other.codes(strict=True) == [("error", "uuid-differs")]


def test_a_uuid_in_the_byte_order_of_windows_writers_is_the_same() -> None:
    little = bytes.fromhex("1b6f0c1d7a9d2b4e9c330a7a5b2e4411")
    assert Dataset(SMALL.imzml, little + SMALL.ibd[16:]).codes() == []


def test_errors_are_reported_together_the_first_twenty_spelled_out() -> None:
    many = make([TWO_PEAKS] * 30).edit('name="position y" value="1"', 'name="position y" value="?"')
    many = many.edit('name="external offset" value="16"', 'name="external offset" value="999999"')
    with pytest.raises(InvalidDatasetError) as caught:
        many.index()
    lines = str(caught.value).splitlines()
    assert lines[0] == "The dataset has 30 errors:"
    assert len(lines) == 22
    assert lines[-1] == "and 10 more."


def test_errors_of_one_spectrum_do_not_hide_those_of_another() -> None:
    dataset = SMALL.edit('name="position x" value="1"', 'name="position x" value="?"')
    dataset = dataset.edit('name="external offset" value="68"', 'name="external offset" value="9999"')
    assert [(finding.code, finding.where) for finding in dataset.inspect()[1]] == [
        ("bad-number", "spectrum 1"),
        ("beyond-ibd", "spectrum 3"),
    ]


def test_the_index_survives_parquet_with_its_header() -> None:
    index = SMALL.edit("MS:1000127", "MS:1000128").index()
    data = index.to_parquet()
    assert index.to_parquet() == data
    again = SpectraIndex.read(io.BytesIO(data))
    assert again.header == index.header
    assert again.header.findings[0] == Finding("warning", "profile-spectra", index.header.findings[0].message)
    for name in ("x", "y", "mz_offset", "mz_type", "intensity_bytes"):
        column, expected = getattr(again, name), getattr(index, name)
        assert column.dtype == expected.dtype
        assert column.tolist() == expected.tolist()
    assert again.tic is None


def test_a_range_of_rows_keeps_its_numbers_and_needs_only_its_row_groups(monkeypatch) -> None:
    monkeypatch.setattr("ionfleet.index.ROW_GROUP", 4)
    index = make([TWO_PEAKS] * 11).index()
    data = index.to_parquet()
    for first, stop in ((0, 11), (3, 5), (4, 8), (8, 11), (10, 11), (5, 5), (0, 0)):
        rows = SpectraIndex.read(data, (first, stop))
        assert (rows.first, len(rows)) == (first, stop - first)
        assert rows.x.tolist() == list(range(first + 1, stop + 1))
        assert rows.mz_offset.tolist() == index.rows(first, stop).mz_offset.tolist()
    with pytest.raises(ValueError, match="not within"):
        SpectraIndex.read(data, (8, 12))
    with pytest.raises(ValueError, match="needs all 11 spectra"):
        SpectraIndex.read(data, (0, 4)).geometry()
    with pytest.raises(ValueError, match="not within"):
        index.rows(3, 5).rows(2, 5)
