"""The ions of a job: all pairs of columns at once against the grammar one by one."""

from __future__ import annotations

from ionfleet.errors import InvalidConfigurationError
from ionfleet.formula import (
    InvalidFormulaError,
    InvalidIonError,
    format_formula,
    ion_counts,
    parse_formula,
    parse_modifier,
)
from ionfleet.ions import IonSettings, ion_pairs

from ..invariants import assert_fit_to_show, assert_named

WORDS = (
    b"+H", b"+Na", b"-H", b"[M]+", b"[M]-", b"-H2O", b"+C2H2O", b" ", b"\n", b"v1", b"v3", b"metaspace", b"C6H12O6",
    b"He", b"Cx3", b"C29999", b"H29999", b"D", b"(CH2)9", b"C0",
)  # fmt: skip
MAX_ITEMS = 3


def seeds() -> dict[str, bytes]:
    """Return settings on four lines (adducts, losses, modifications, options), then formulas, one a line."""
    return {
        "positive": b"+H +Na +K\n-H2O\n\nv3 ionfleet 20\nC6H12O6\nC3H7NO2\nCx6H12O6\n",
        "negative": b"-H +Cl\n-NH3\n+C2H2O\nv1 ionfleet 3\nC6H12O6\nO2\n",
        "radical": b"[M]+\n\n-H2O+C2H4O2\nv3 metaspace 80\nC6H12O6\nD2O\nC0H5\n",
    }


def check(data: bytes) -> None:
    """Make the ions of a few formulas, and each of them again by itself."""
    lines = data.decode("utf-8", "replace").split("\n")
    adducts, losses, modifications, options, *formulas = lines + [""] * max(0, 5 - len(lines))
    formulas = list(dict.fromkeys(formulas))[:MAX_ITEMS]
    settings = _settings(adducts, losses, modifications, options.split())
    try:
        for text in (*settings.adducts, *settings.neutral_losses, *settings.chemical_modifications):
            parse_modifier(text)
        pairs = ion_pairs(formulas, 0, len(formulas), settings)
    except (InvalidConfigurationError, InvalidFormulaError) as error:
        assert_named(error)
        return
    assert len(set(zip(pairs.formula.tolist(), pairs.modifier.tolist(), strict=True))) == len(pairs.formula)
    rows = zip(pairs.formula.tolist(), pairs.modifier.tolist(), pairs.ion.to_pylist(), pairs.reason, strict=True)
    for formula, modifier, ion, reason in rows:
        expected = _ion(formulas[formula], pairs.modifiers[modifier], settings)
        assert (ion, pairs.reasons[reason]) == expected
        if ion is None:
            assert_fit_to_show(pairs.reasons[reason])


def _settings(adducts: str, losses: str, modifications: str, options: list[str]) -> IonSettings:
    number = next((int(word) for word in options if word.isascii() and word.isdigit() and 1 <= int(word[:3]) <= 80), 2)
    return IonSettings(
        adducts=tuple(adducts.split()[:MAX_ITEMS]),
        neutral_losses=tuple(losses.split()[:MAX_ITEMS]),
        chemical_modifications=tuple(modifications.split()[:MAX_ITEMS]),
        decoy_sample_size=number if number <= 80 else 80,
        fdr_method="v1" if "v1" in options else "v3",
        compatibility="metaspace" if "metaspace" in options else "ionfleet",
    )


def _ion(formula: str, modifier: str, settings: IonSettings) -> tuple[str | None, str]:
    try:
        counts = parse_formula(formula, settings.compatibility)
        return format_formula(ion_counts(counts, parse_modifier(modifier))), ""
    except (InvalidFormulaError, InvalidIonError) as error:
        return None, str(error)
