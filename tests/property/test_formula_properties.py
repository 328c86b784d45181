"""Laws that formulas, modifiers and ions keep for any input."""

import contextlib

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ionfleet.decoys import draw_decoys
from ionfleet.elements import MASSES
from ionfleet.formula import (
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
from ionfleet.ions import IonSettings, ion_pairs

elements = st.sampled_from(["C", "H", "N", "O", "P", "S", "Na", "Cl", "Br", "Se", "Co", "Cx", "Hx"])
counts = st.dictionaries(elements, st.integers(1, 300), min_size=1, max_size=6)
fragments = st.tuples(st.sampled_from("+-"), st.dictionaries(elements, st.integers(1, 9), min_size=1, max_size=3))
modifiers = st.lists(fragments, min_size=1, max_size=4).map(
    lambda parts: "".join(sign + format_formula(part) for sign, part in parts)
)
# Texts that come close to formulas, beside any others.
texts = st.one_of(st.text(max_size=30), st.text(alphabet="CHNOxPNalD0129().+-=[] ·", max_size=30))


@given(st.dictionaries(st.sampled_from(sorted(MASSES)), st.integers(1, 29_999), min_size=1))
def test_formatted_counts_are_read_back(numbers):
    assert parse_formula(format_formula(numbers)) == numbers
    assert parse_formula(format_formula(numbers), "metaspace") == numbers


@given(st.lists(counts, min_size=1, max_size=4), st.integers(1, 5))
def test_parentheses_multiply_and_repeats_add(groups, times):
    text = "".join(f"({format_formula(group)}){times}" for group in groups)
    expected = {}
    for group in groups:
        for symbol, count in group.items():
            expected[symbol] = expected.get(symbol, 0) + times * count
    assert parse_formula(text) == expected


@given(texts)
def test_any_text_is_a_formula_or_refused_with_a_reason(text):
    for compatibility in ("ionfleet", "metaspace"):
        for read in (parse_formula, check_formula):
            with contextlib.suppress(InvalidFormulaError):
                read(text, compatibility)
    with contextlib.suppress(InvalidFormulaError):
        parse_modifier(text)


@given(counts, counts)
def test_adding_then_taking_away_leaves_the_formula(formula, part):
    text = format_formula(part)
    assume(set(formula) - {"Cx", "Hx"})
    assert ion_counts(formula, parse_modifier(f"+{text}-{text}")) == formula


@given(counts, modifiers)
def test_an_ion_has_the_mass_of_its_parts(formula, modifier):
    parsed = parse_modifier(modifier)
    try:
        ion = format_formula(ion_counts(formula, parsed))
    except InvalidIonError:
        return
    parts = sum(MASSES[symbol] * count for symbol, count in formula.items())
    parts += sum(sign * MASSES[symbol] * count for sign, part in parsed for symbol, count in part.items())
    assert np.isclose((ion_mz(ion, 1) + ion_mz(ion, -1)) / 2, parts, rtol=0, atol=1e-7)
    plain, shift = split_labels(parse_formula(ion))
    assert np.isclose(ion_mz(ion, 1), ion_mz(format_formula(plain), 1) + shift, rtol=0, atol=1e-7)


@given(st.lists(counts.map(format_formula).filter(bool), max_size=8), st.sampled_from([1, -1, 2]))
def test_mzs_of_many_ions_are_those_of_each_to_the_last_bit(ions, charge):
    assert ion_mzs(ions, charge).tolist() == [ion_mz(ion, charge) for ion in ions]


@given(st.lists(st.one_of(counts.map(format_formula), texts), min_size=1, max_size=4))
def test_what_is_no_ion_among_many_is_refused_as_it_is_alone(ions):
    def attempt(act):
        try:
            return list(act())
        except InvalidIonError as error:
            return str(error)

    assert attempt(lambda: ion_mzs(ions, 1).tolist()) == attempt(lambda: [ion_mz(ion, 1) for ion in ions])


@settings(deadline=None)
@given(st.lists(st.one_of(counts.map(format_formula), texts), min_size=1, max_size=8, unique=True), modifiers)
def test_ions_made_together_are_those_made_one_by_one(formulas, loss):
    for compatibility in ("ionfleet", "metaspace"):
        options = IonSettings(("+H", "-Cl"), (loss,), decoy_sample_size=3, compatibility=compatibility)
        pairs = ion_pairs(formulas, 0, len(formulas), options)
        for row, ion in enumerate(pairs.ion.to_pylist()):
            formula, modifier = formulas[pairs.formula[row]], pairs.modifiers[pairs.modifier[row]]
            try:
                expected = format_formula(ion_counts(parse_formula(formula, compatibility), parse_modifier(modifier)))
                reason = ""
            except (InvalidIonError, InvalidFormulaError) as error:
                expected, reason = None, str(error)
            assert (ion, pairs.reasons[pairs.reason[row]]) == (expected, reason)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 60), st.integers(0, 60), st.integers(1, 80), st.integers(1, 80))
def test_draws_do_not_depend_on_where_one_begins_or_ends(first, more, candidates, sample):
    everything = draw_decoys(first + more + 5, candidates, sample)
    assert np.array_equal(draw_decoys(first + more, candidates, sample, first), everything[first : first + more])
    assert all(len(set(row)) == min(sample, candidates) for row in everything.tolist())
