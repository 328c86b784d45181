"""Formulas, modifiers and ions."""

import math

import cpyMSpec
import numpy as np
import pytest

from ionfleet.elements import DECOY_ELEMENTS, ELECTRON_MASS, ION_ORDER, LABEL_MASSES, LIGHTEST_ISOTOPE_MASSES, MASSES
from ionfleet.errors import InvalidInputError
from ionfleet.formula import (
    LABELS_ONLY,
    MAX_COUNT,
    NO_ATOMS,
    InvalidFormulaError,
    InvalidIonError,
    check_formula,
    format_formula,
    ion_counts,
    ion_mz,
    ion_mzs,
    parse_formula,
    parse_modifier,
    split_labels,
)


@pytest.mark.parametrize("symbol", LIGHTEST_ISOTOPE_MASSES)
def test_lightest_isotope_is_the_one_of_the_isotope_pattern(symbol):
    pattern = cpyMSpec.isotopePattern(symbol, 1e-9)
    assert min(pattern.masses) == pytest.approx(LIGHTEST_ISOTOPE_MASSES[symbol], rel=0, abs=1e-4)


def test_electron_weighs_what_charging_an_isotope_pattern_takes_off():
    pattern = cpyMSpec.isotopePattern("H")
    before = pattern.masses[0]
    pattern.addCharge(1000)
    assert (before - pattern.masses[0]) / 1000 == pytest.approx(ELECTRON_MASS, rel=1e-12)


def test_labels_and_elements_are_ordered_as_an_ion_formula_is_written():
    assert ION_ORDER[:7] == ("C", "H", "N", "O", "P", "S", "Ac")
    assert set(ION_ORDER) == MASSES.keys() == LIGHTEST_ISOTOPE_MASSES.keys() | LABEL_MASSES.keys()
    assert list(ION_ORDER[6:]) == sorted(ION_ORDER[6:])


def test_every_decoy_element_has_an_isotope_pattern():
    assert len(set(DECOY_ELEMENTS)) == 80
    assert set(DECOY_ELEMENTS) <= LIGHTEST_ISOTOPE_MASSES.keys()


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        ("C6H12O6", {"C": 6, "H": 12, "O": 6}),
        ("NaCl", {"Na": 1, "Cl": 1}),
        ("CO", {"C": 1, "O": 1}),
        ("Co", {"Co": 1}),
        ("CH3COOH", {"C": 2, "H": 4, "O": 2}),
        ("(CH3)2CO", {"C": 3, "H": 6, "O": 1}),
        ("C6H10(OH)2", {"C": 6, "H": 12, "O": 2}),
        ("((CH2)2O)3(NH)", {"C": 6, "H": 13, "O": 3, "N": 1}),
        ("Cx6H12O6", {"Cx": 6, "H": 12, "O": 6}),
        ("C029", {"C": 29}),
    ],
)
def test_formula_is_added_up(text, counts):
    assert parse_formula(text) == counts


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "blank"),
        ("c6h12o6", "'c' at position 1"),
        ("C6 H12", "' ' at position 3"),
        ("C6H12O6.HCl", "second component"),
        ("C6H12O6·H2O", "second component"),
        ("C5H14NO+", "charge"),
        ("C2H3O2-", "charge"),
        ("13C6H12O6", "isotope numbers"),
        ("[13C]6H12O6", "isotope numbers"),
        ("C3(2H)5", "isotope numbers"),
        ("C6H12Xx", "'Xx' is not an element"),
        ("C6H6D6", "written Hx"),
        ("C10H12R2", "'R' is not an element"),
        ("C0H4", "after C is 0"),
        ("(CH2)0", "after ')' is 0"),
        ("C30000", "more than 29,999 atoms of C"),
        ("(C20000)2", "more than 29,999 atoms of C"),
        ("C20000C20000", "more than 29,999 atoms of C"),
        ("C" + "9" * 100, "too large"),
        ("(CH2", "not closed"),
        ("CH2)2", "closes nothing"),
        ("C()2", "empty"),
        ("()", "empty"),
        ("C6H₁₂", "'₁' at position 4"),
        ("C" * 2501, "2,501 characters"),
    ],
)
def test_refused_formula_says_why(text, reason):
    with pytest.raises(InvalidFormulaError) as caught:
        parse_formula(text)
    assert reason in str(caught.value)


def test_largest_count_is_taken():
    assert parse_formula(f"C{MAX_COUNT}") == {"C": MAX_COUNT}


@pytest.mark.parametrize(
    ("text", "ion"),
    [("CH3COOH", "CH2O"), ("C6H10(OH)2", "C6H2O"), ("C6H12O6.HCl", "C6H2O6Cl"), ("13C6H12O6", "C6H13O6")],
)
def test_metaspace_overwrites_repeats_and_skips_the_rest(text, ion):
    counts = parse_formula(text, "metaspace")
    assert format_formula(ion_counts(counts, parse_modifier("+H"))) == ion


@pytest.mark.parametrize("text", ["13C6H12O6", "C6H10(OH)2", "CH3COOH", "C6H6D6", "C0H4", "Cx6"])
def test_metaspace_imports(text):
    check_formula(text, "metaspace")


@pytest.mark.parametrize("text", ["", "C6 H12", "c6", "C6H12+", "C6-H", "C=C", "C6Xx", "C6.HCl", "(CH2", "C" * 2501])
def test_metaspace_refuses_at_import(text):
    with pytest.raises(InvalidFormulaError):
        check_formula(text, "metaspace")


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("", ()),
        ("[M]+", ()),
        ("[M]-", ()),
        ("+H", ((1, {"H": 1}),)),
        ("-H2O+Na", ((-1, {"H": 2, "O": 1}), (1, {"Na": 1}))),
        ("+CH3COO-H", ((1, {"C": 2, "H": 3, "O": 2}), (-1, {"H": 1}))),
    ],
)
def test_modifier_is_signed_fragments_in_order(text, fragments):
    assert parse_modifier(text) == fragments


@pytest.mark.parametrize(
    "text", ["H", "+", "+2H", "+13C", "-H2O+", "-(H2O)", "+h", " +H", "+H\n", "[M]", "+Xx", "+H0", "+H30000"]
)
def test_refused_modifier_says_why(text):
    with pytest.raises(InvalidFormulaError, match=r"\S"):
        parse_modifier(text)


@pytest.mark.parametrize(
    ("formula", "modifier", "ion"),
    [
        ("C6H12O6", "", "C6H12O6"),
        ("C6H12O6", "+H", "C6H13O6"),
        ("C6H12O6", "-H2O+Na", "C6H10O5Na"),
        ("C6H12O6", "+H2O-H", "C6H13O7"),
        ("H2O", "+H-O", "H3"),
        ("CHClBrNa", "-C", "HBrClNa"),
        ("CHNOPS", "+Se+As", "CHNOPSAsSe"),
        ("Cx6", "+H", "HCx6"),
        ("Cx6H12O6", "+Na", "H12O6Cx6Na"),
    ],
)
def test_modifier_makes_an_ion(formula, modifier, ion):
    assert format_formula(ion_counts(parse_formula(formula), parse_modifier(modifier))) == ion


@pytest.mark.parametrize(
    ("formula", "modifier", "reason"),
    [
        ("C6H12O6", "-NH3+N", "Negative total element count for N"),
        ("C6H12O6", "-Cl+Cl", "Negative total element count for Cl"),
        ("H2O", "-H2O", NO_ATOMS),
        ("Cx6", "-H", "Negative total element count for H"),
        ("Cx6", "", LABELS_ONLY),
        ("Cx6H", "-H", LABELS_ONLY),
        ("C29999", "+C", "More than 29,999 atoms of C"),
    ],
)
def test_impossible_ion_says_why(formula, modifier, reason):
    with pytest.raises(InvalidIonError) as caught:
        ion_counts(parse_formula(formula), parse_modifier(modifier))
    assert str(caught.value) == reason


def test_element_without_isotope_pattern_makes_no_ion():
    with pytest.raises(InvalidIonError, match="No isotope pattern for D"):
        ion_counts(parse_formula("C6H6D6", "metaspace"), parse_modifier("+H"))


def test_invalid_formulas_and_ions_are_invalid_input():
    assert issubclass(InvalidFormulaError, InvalidInputError)
    assert issubclass(InvalidIonError, InvalidInputError)


def test_applying_a_modifier_leaves_the_formula_alone():
    counts = parse_formula("C6H12O6")
    ion_counts(counts, parse_modifier("-H2O+Na"))
    assert counts == {"C": 6, "H": 12, "O": 6}


def test_labels_are_split_off_with_their_mass():
    counts, shift = split_labels(parse_formula("C27H38Hx7O"))
    assert counts == {"C": 27, "H": 38, "O": 1}
    assert shift == pytest.approx(7 * 2.014101778, rel=1e-15)
    assert split_labels({"C": 1}) == ({"C": 1}, 0.0)


def test_mz_is_that_of_the_lightest_isotopes_without_an_electron():
    assert ion_mz("C6H13O6", 1) == pytest.approx(181.0706646, abs=5e-8)
    assert ion_mz("Cl", -1) == pytest.approx(LIGHTEST_ISOTOPE_MASSES["Cl"] + ELECTRON_MASS, rel=1e-15)
    assert ion_mz("Sn", 1) < 112


def test_mz_is_over_the_size_of_the_charge():
    assert ion_mz("C6H14O6", 2) == pytest.approx((ion_mz("C6H14O6", 1) + ELECTRON_MASS) / 2 - ELECTRON_MASS, rel=1e-15)
    assert ion_mz("C6H14O6", -2) > ion_mz("C6H14O6", 2)


def test_mz_of_a_label_is_its_pure_isotope():
    assert ion_mz("HCx6", 1) - ion_mz("C6H", 1) == pytest.approx(6 * (13.00335484 - 12), rel=1e-12)


def test_many_mzs_are_those_of_each():
    ions = ["C6H13O6", "C6H12O6Na", "HCx6", "C6H13O6"]
    many = ion_mzs(ions, 1)
    assert many.dtype == np.float64
    assert many.tolist() == [ion_mz(ion, 1) for ion in ions]
    assert ion_mzs([], 1).shape == (0,)


@pytest.mark.parametrize("ion", ["", "h2", "C6H12O6+", "C6D6", "C6\nH6", "Cé", "12", "Aaa"])
def test_mz_of_no_ion_formula_is_refused(ion):
    with pytest.raises(InvalidIonError):
        ion_mz(ion, 1)
    with pytest.raises(InvalidIonError):
        ion_mzs(["C6H6", ion], 1)


def test_mzs_of_the_largest_ions_are_rounded_once():
    ions = ["".join(f"{symbol}29999" for symbol in MASSES), "C29999H29999", "C123456H"]
    assert ion_mzs(ions, 1).tolist() == [ion_mz(ion, 1) for ion in ions]


def test_charge_of_an_ion_is_not_zero():
    with pytest.raises(ValueError, match="not 0"):
        ion_mz("H", 0)


def test_mz_agrees_with_the_monoisotopic_peak_of_the_pattern():
    pattern = cpyMSpec.isotopePattern("C40H80NO8P")
    pattern.addCharge(1)
    assert math.isclose(ion_mz("C40H80NO8P", 1), min(pattern.masses), rel_tol=1e-9)
