"""Every array is checked against the ibd before anything is read from it."""

from __future__ import annotations

import pytest

from ionfleet.errors import InvalidDatasetError
from ionfleet.imzml.checks import MAX_POINTS

from .imzml_files import SMALL, Dataset, Place, at_offsets, document, header, make, spectrum_xml
from .imzml_files import ZLIB as ZLIB_TERM

POINTS = 100_000_000  # 1.2 GB a spectrum
STEP = 12 * POINTS
TURN = 1 << 32


def true_offsets(n: int) -> list[tuple[int, int]]:
    return [(16 + i * STEP, 16 + i * STEP + 8 * POINTS) for i in range(n)]


def signed(value: int) -> int:
    return (value + TURN // 2) % TURN - TURN // 2


def test_a_truncated_ibd_is_an_error_that_names_spectrum_and_byte() -> None:
    cut = Dataset(SMALL.imzml, SMALL.ibd[:-1])
    with pytest.raises(
        InvalidDatasetError, match=r"spectrum 3: The intensity array lies at bytes 68 to 76, .* 75 bytes"
    ):
        cut.index()


def test_an_ibd_cut_within_the_first_spectrum_names_every_array_that_is_lost() -> None:
    found = Dataset(SMALL.imzml, SMALL.ibd[:20]).inspect()[1]
    assert [finding.code for finding in found] == ["beyond-ibd"] * 6


def test_an_empty_ibd_is_one_error() -> None:
    assert Dataset(SMALL.imzml, b"").codes() == [("error", "empty-ibd")]


def test_an_ibd_too_short_for_a_uuid_is_told_as_such() -> None:
    assert ("warning", "uuid-differs") in Dataset(SMALL.imzml, b"short").codes()


@pytest.mark.parametrize("value", ["x", "", "16.0", "1e3", str(1 << 63), "9" * 4000])
def test_an_offset_that_is_no_number_is_an_error(value) -> None:
    assert SMALL.edit('offset" value="16"', f'offset" value="{value}"').codes() == [("error", "bad-number")]


@pytest.mark.parametrize("value", ["-1", str((1 << 63) - 1), str(1 << 60)])
def test_a_length_that_no_ibd_can_hold_is_an_error(value) -> None:
    dataset = SMALL.edit('array length" value="1"', f'array length" value="{value}"')
    assert dataset.codes()[0] == ("error", "impossible-length")


def test_an_array_may_end_with_the_ibd_and_not_a_byte_later() -> None:
    assert len(SMALL.ibd) == 76
    assert SMALL.edit('offset" value="52"', 'offset" value="60"').codes() == []
    for offset in ("61", str((1 << 63) - 1)):
        assert SMALL.edit('offset" value="52"', f'offset" value="{offset}"').codes() == [("error", "beyond-ibd")]


def test_a_missing_offset_is_an_error() -> None:
    dataset = SMALL.edit('<cvParam accession="IMS:1000102" name="external offset" value="16"/>', "")
    with pytest.raises(
        InvalidDatasetError, match=r"spectrum 1: The m/z array's external offset \(IMS:1000102\) is missing"
    ):
        dataset.index()


def test_arrays_of_unequal_length_are_an_error() -> None:
    parts = [spectrum_xml(1, 1, Place(16, 2, 16), Place(32, 1, 4))]
    with pytest.raises(InvalidDatasetError, match="spectrum 1: There are 2 m/z values but 1 intensities"):
        Dataset(document(parts), ibd_size=100).index()


def test_an_encoded_length_that_contradicts_the_points_is_a_warning() -> None:
    dataset = SMALL.edit('encoded length" value="16"', 'encoded length" value="17"', 1)
    assert dataset.codes() == [("warning", "encoded-length")]
    assert dataset.peaks().mz.tolist() == SMALL.peaks().mz.tolist()


@pytest.mark.parametrize("encoded", ['value="0"', 'value=""'])
def test_an_encoded_length_that_is_not_filled_in_is_ignored_only_if_it_is_zero(encoded) -> None:
    dataset = SMALL.edit('encoded length" value="16"', f'encoded length" {encoded}', 1)
    assert dataset.codes() == ([] if encoded == 'value="0"' else [("error", "bad-number")])


def test_compressed_arrays_need_their_encoded_length() -> None:
    dataset = make([([100.0], [1.0])], compress=True)
    term = dataset.imzml[dataset.imzml.index('<cvParam accession="IMS:1000104"') :].split("\n")[0]
    assert dataset.edit(term, "", 1).codes() == [("error", "encoded-length-missing")]


def test_more_points_than_compressed_bytes_can_unfold_to_are_an_error() -> None:
    huge = 1 << 40
    parts = [spectrum_xml(1, 1, Place(16, huge, 1000), Place(1016, huge, 1000))]
    dataset = Dataset(document(parts, header(compression=ZLIB_TERM)), ibd_size=4000)
    assert dataset.codes() == [("error", "impossible-length")] * 2


def test_offsets_beyond_32_bits_are_read_as_they_are() -> None:
    offsets = true_offsets(8)
    dataset = at_offsets(offsets, POINTS, 16 + 8 * STEP)
    assert dataset.codes() == []
    assert dataset.index().mz_offset.tolist() == [mz for mz, _ in offsets]


def test_offsets_with_a_sign_bit_are_unwrapped_with_a_warning() -> None:
    offsets = true_offsets(9)
    wrapped = [(signed(mz), signed(intensity)) for mz, intensity in offsets]
    dataset = at_offsets(wrapped, POINTS, 16 + 9 * STEP)
    assert dataset.codes() == [("warning", "wrapped-offsets")]
    index = dataset.index()
    assert list(zip(index.mz_offset.tolist(), index.intensity_offset.tolist(), strict=True)) == offsets


def test_offsets_that_start_again_at_zero_are_unwrapped_with_a_warning() -> None:
    offsets = true_offsets(9)
    wrapped = [(mz % TURN, intensity % TURN) for mz, intensity in offsets]
    dataset = at_offsets(wrapped, POINTS, 16 + 9 * STEP)
    assert dataset.codes() == [("warning", "wrapped-offsets")]
    index = dataset.index()
    assert list(zip(index.mz_offset.tolist(), index.intensity_offset.tolist(), strict=True)) == offsets


def test_leading_offsets_that_wrapped_are_unwrapped_where_only_one_turn_fits() -> None:
    offsets = [(mz + 2 * STEP, intensity + 2 * STEP) for mz, intensity in true_offsets(1)]
    wrapped = [(signed(mz), signed(intensity)) for mz, intensity in offsets]
    assert min(wrapped[0]) < 0
    index = at_offsets(wrapped, POINTS, 16 + 3 * STEP).index()
    assert (index.mz_offset[0], index.intensity_offset[0]) == offsets[0]
    assert at_offsets(wrapped, POINTS, 16 + 3 * STEP + TURN).codes()[0] == ("error", "ambiguous-offsets")


def test_wrapped_offsets_out_of_order_are_an_error() -> None:
    offsets = true_offsets(4)
    wrapped = [(signed(mz), signed(intensity)) for mz, intensity in (offsets[0], offsets[2], offsets[1], offsets[3])]
    assert at_offsets(wrapped, POINTS, 16 + 4 * STEP).codes()[0] == ("error", "ambiguous-offsets")


def test_wrapped_offsets_that_end_outside_of_the_file_are_an_error() -> None:
    wrapped = [(signed(mz), signed(intensity)) for mz, intensity in true_offsets(4)]
    assert at_offsets(wrapped, POINTS, 16 + 3 * STEP).codes()[0] == ("error", "ambiguous-offsets")


def test_a_negative_offset_that_no_wrap_explains_is_an_error() -> None:
    dataset = SMALL.edit('offset" value="40"', 'offset" value="-40"')
    assert dataset.codes() == [("error", "ambiguous-offsets"), ("error", "beyond-ibd")]


def test_spectra_written_in_another_order_are_not_taken_for_wrapped() -> None:
    offsets = true_offsets(3)
    backwards = [offsets[2], offsets[1], offsets[0]]
    dataset = at_offsets(backwards, POINTS, 16 + 5 * STEP)
    assert dataset.codes() == []
    assert dataset.index().mz_offset.tolist() == [mz for mz, _ in backwards]


def test_spectra_that_share_bytes_may_not_have_points_without_end():
    points = MAX_POINTS // 8
    few, many = (at_offsets([(16, 16)] * spectra, points, 16 + 8 * points) for spectra in (8, 9))
    assert few.codes() == []
    assert many.codes() == [("error", "too-many-points")]
