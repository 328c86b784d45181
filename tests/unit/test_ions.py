"""Target and decoy ions of a database."""

from itertools import product

import numpy as np
import pytest

from ionfleet.errors import InvalidConfigurationError
from ionfleet.formula import InvalidIonError, format_formula, ion_counts, parse_formula, parse_modifier
from ionfleet.ions import IonSettings, ion_pairs, modifier_table, target_modifiers

FORMULAS = ["C6H12O6", "C2H5NO2", "CHCl3", "Cx6", "C40H80NO8P", "NaCl", "(CH3)2CO", "CH3COOH"]
PLAIN = IonSettings(("+H", "+Na"))
RICH = IonSettings(("+H", "[M]+"), ("-H2O", "-NH3"), ("-H2O+C2H4O2",), decoy_sample_size=7)


def pairs_as_dictionary(pairs):
    ions = pairs.ion.to_pylist()
    return {
        (pairs.formulas[pairs.formula[i]], pairs.modifiers[pairs.modifier[i]]): (
            ions[i],
            pairs.reasons[pairs.reason[i]],
        )
        for i in range(len(pairs.formula))
    }


def ion_or_reason(formula, modifier):
    try:
        return format_formula(ion_counts(parse_formula(formula), parse_modifier(modifier))), ""
    except InvalidIonError as error:
        return None, str(error)


def test_target_modifiers_are_the_product_with_adducts_innermost():
    settings = IonSettings(("+H", "+Na"), ("-H2O",), ("+O",))
    assert [modifier.text for modifier in target_modifiers(settings)] == [
        "+H", "+Na", "-H2O+H", "-H2O+Na", "+O+H", "+O+Na", "+O-H2O+H", "+O-H2O+Na",
    ]  # fmt: skip
    assert target_modifiers(settings)[6] == ("+O", "-H2O", "+H", "+O-H2O+H")
    assert target_modifiers(settings)[6].prefix == "+O-H2O"


def test_charge_by_an_electron_has_no_text():
    assert [modifier.text for modifier in target_modifiers(IonSettings(("[M]+", "+H"), ("-H2O",)))] == [
        "", "+H", "-H2O", "-H2O+H",
    ]  # fmt: skip


def test_combinations_of_the_same_text_are_one_modifier():
    texts = [modifier.text for modifier in target_modifiers(IonSettings(("+H",), ("-H2O",), ("-H2O",)))]
    assert texts == ["+H", "-H2O+H", "-H2O-H2O+H"]


def test_an_adduct_given_twice_is_refused():
    with pytest.raises(InvalidConfigurationError, match=r"adducts: \+H is given more than once"):
        target_modifiers(IonSettings(("+H", "+Na", "+H")))


@pytest.mark.parametrize("adducts", [(), tuple(f"+C{n}" for n in range(1, 402))])
def test_too_few_or_too_many_modifiers_are_refused(adducts):
    with pytest.raises(InvalidConfigurationError, match=f"make {len(adducts)} combinations, 1 to 400"):
        target_modifiers(IonSettings(adducts))


def test_a_job_without_any_decoy_is_refused():
    candidates = modifier_table(PLAIN).candidates
    with pytest.raises(InvalidConfigurationError, match="every element"):
        modifier_table(IonSettings(candidates))


def test_codes_number_the_targets_first():
    table = modifier_table(RICH)
    assert table.texts[: len(table.targets)] == tuple(target.text for target in table.targets)
    assert len(set(table.texts)) == len(table.texts)
    for row, target in enumerate(table.targets):
        decoys = [table.texts[code] for code in table.decoy_codes[row]]
        assert decoys == [target.prefix + candidate for candidate in table.candidates]


def test_most_modifiers_allowed_still_have_codes():
    losses = tuple(f"-C{n}" for n in range(1, 400))
    table = modifier_table(IonSettings(("+H",), losses))
    assert len(table.targets) == 400
    assert table.decoy_codes.min() >= 0
    assert table.texts[table.decoy_codes[-1, -1]] == "-C399+Ta"


def test_v3_shares_one_draw_among_the_targets_of_a_formula():
    table = modifier_table(RICH)
    decoys = table.decoys(0, 5)
    prefixes = [target.prefix for target in table.targets]
    drawn = [
        [[table.texts[code].removeprefix(prefix) for code in row] for row in decoys.of_target(place)]
        for place, prefix in enumerate(prefixes)
    ]
    assert all(each == drawn[0] for each in drawn)
    assert drawn[0][0] != drawn[0][1]


def test_v1_draws_for_each_target_of_a_formula_formulas_outermost():
    shared = modifier_table(IonSettings(("+H", "+Na", "+K")))
    single = modifier_table(IonSettings(("+H", "+Na", "+K"), fdr_method="v1"))
    one_after_the_other = shared.decoys(0, 12).of_target(0)
    for target in range(3):
        assert np.array_equal(single.decoys(0, 4).of_target(target), one_after_the_other[target::3])


def test_sample_is_clamped_to_the_candidates():
    table = modifier_table(IonSettings(("+H", "+Cl"), decoy_sample_size=80))
    assert table.sample_size == 79
    assert table.decoys(0, 2).of_target(1).shape == (2, 79)


@pytest.mark.parametrize("method", ["v1", "v3"])
def test_pairs_are_all_targets_and_all_drawn_decoys_once(method):
    settings = IonSettings(("+H", "+Na"), ("-H2O",), fdr_method=method, decoy_sample_size=5)
    table = modifier_table(settings)
    pairs = ion_pairs(FORMULAS, 0, len(FORMULAS), settings)
    expected = {(f, code) for f, code in product(range(len(FORMULAS)), range(len(table.targets)))}
    for target in range(len(table.targets)):
        codes = table.decoys(0, len(FORMULAS)).of_target(target)
        expected |= {(f, int(code)) for f, row in enumerate(codes) for code in row}
    found = list(zip(pairs.formula.tolist(), pairs.modifier.tolist(), strict=True))
    assert found == sorted(expected)
    assert (pairs.is_target == (pairs.modifier < len(table.targets))).all()
    assert max(np.bincount(pairs.formula)) <= table.pairs_per_formula


def test_most_pairs_of_a_formula_are_known_beforehand():
    assert modifier_table(IonSettings(("+H", "+Na", "+K"))).pairs_per_formula == 23
    assert modifier_table(IonSettings(("+H", "+Na", "+K"), fdr_method="v1")).pairs_per_formula == 63
    assert modifier_table(IonSettings(("+H", "+Na"), ("-H2O",))).pairs_per_formula == 4 + 2 * 20


@pytest.mark.parametrize("settings", [PLAIN, RICH, IonSettings(("-H", "+Cl"), fdr_method="v1")])
def test_ions_are_those_of_each_formula_and_modifier(settings):
    for (formula, modifier), found in pairs_as_dictionary(ion_pairs(FORMULAS, 0, len(FORMULAS), settings)).items():
        assert found == ion_or_reason(formula, modifier)


def test_pairs_of_adjacent_ranges_make_the_whole():
    whole = ion_pairs(FORMULAS, 0, len(FORMULAS), RICH)
    parts = [ion_pairs(FORMULAS, first, stop, RICH) for first, stop in [(0, 3), (3, 3), (3, 4), (4, 8)]]
    for column in ("formula", "modifier", "is_target"):
        assert np.array_equal(np.concatenate([getattr(part, column) for part in parts]), getattr(whole, column))
    assert [ion for part in parts for ion in part.ion.to_pylist()] == whole.ion.to_pylist()


def test_columns_have_the_types_they_say():
    pairs = ion_pairs(FORMULAS, 0, 2, PLAIN)
    assert (pairs.formula.dtype, pairs.modifier.dtype, pairs.is_target.dtype) == (np.int32, np.int16, np.bool_)
    assert (pairs.reason.dtype, pairs.ion_id.dtype) == (np.int32, np.int32)


def test_pairs_of_one_ion_formula_are_one_ion():
    pairs = ion_pairs(["C6H12O6", "C6H14O7"], 0, 2, IonSettings(("+H",), ("-H2O",), decoy_sample_size=1))
    ions = pairs_as_dictionary(pairs)
    assert ions["C6H12O6", "+H"] == ions["C6H14O7", "-H2O+H"]
    distinct = pairs.distinct_ions.to_pylist()
    assert distinct == sorted(set(distinct))
    assert [distinct[i] for i in pairs.ion_id] == pairs.ion.to_pylist()


def test_invalid_ions_are_listed_with_their_reasons():
    pairs = ion_pairs(["C6H12O6", "C2H5NO2"], 0, 2, IonSettings(("+H", "-Cl"), ("-NH3",), decoy_sample_size=2))
    reasons = {(ion.formula, ion.modifier): ion.reason for ion in pairs.invalid()}
    assert reasons == {
        ("C6H12O6", "-Cl"): "Negative total element count for Cl",
        ("C6H12O6", "-NH3+H"): "Negative total element count for N",
        ("C6H12O6", "-NH3-Cl"): "Negative total element count for N",
        ("C2H5NO2", "-Cl"): "Negative total element count for Cl",
        ("C2H5NO2", "-NH3-Cl"): "Negative total element count for Cl",
    }
    assert (pairs.ion_id[pairs.reason > 0] == -1).all()
    assert len(list(pairs.invalid(targets_only=False))) == int((pairs.reason > 0).sum()) > len(reasons)


def test_metaspace_counts_repeats_its_own_way():
    settings = IonSettings(("+H",), compatibility="metaspace")
    ions = pairs_as_dictionary(ion_pairs(["CH3COOH"], 0, 1, settings))
    assert ions["CH3COOH", "+H"] == ("CH2O", "")
    assert pairs_as_dictionary(ion_pairs(["CH3COOH"], 0, 1, IonSettings(("+H",))))["CH3COOH", "+H"] == ("C2H5O2", "")


@pytest.mark.parametrize(
    ("formula", "compatibility", "reason"),
    [
        ("C6H6D6", "metaspace", "No isotope pattern for D"),
        ("C99999999999", "metaspace", "More than 29,999 atoms of C"),
        ("13C6H12O6", "ionfleet", "isotope numbers"),
        ("C29999", "ionfleet", "More than 29,999 atoms of C"),
        ("Cx6", "ionfleet", "Nothing but isotope labels remains"),
    ],
)
def test_a_formula_that_makes_no_ion_harms_no_other(formula, compatibility, reason):
    settings = IonSettings(("[M]+", "+C"), decoy_sample_size=1, compatibility=compatibility)
    pairs = ion_pairs(["C6H12O6", formula], 0, 2, settings)
    invalid = [ion for ion in pairs.invalid() if reason in ion.reason]
    assert invalid
    assert {ion.formula for ion in pairs.invalid(targets_only=False)} == {formula}


def test_no_formulas_make_no_pairs():
    pairs = ion_pairs([], 0, 0, PLAIN)
    assert len(pairs.formula) == len(pairs.ion) == len(pairs.ion_id) == len(pairs.distinct_ions) == 0
