"""The ions of a job: every formula of a database with its target modifiers and the decoys drawn for it.

docs/annotation.md, Targets and decoys. A job has hundreds of thousands of pairs of a formula and a modifier, so they
are columns: formulas and modifiers are numbers, and ion formulas an Arrow array.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ionfleet import formula as grammar
from ionfleet.decoys import decoy_candidates, draw_decoys
from ionfleet.elements import ION_ORDER, LABEL_MASSES, MASSES
from ionfleet.errors import InvalidConfigurationError
from ionfleet.formula import Compatibility

MAX_TARGET_MODIFIERS = 400
"""Target modifiers that a job may have: with the decoys of each, their codes still fit int16."""


@dataclass(frozen=True)
class IonSettings:
    """What decides a job's ions, apart from its databases; parts of the configuration by their names there."""

    adducts: tuple[str, ...]
    neutral_losses: tuple[str, ...] = ()
    chemical_modifications: tuple[str, ...] = ()
    decoy_sample_size: int = 20
    fdr_method: Literal["v1", "v3"] = "v3"
    compatibility: Compatibility = "ionfleet"


class Modifier(NamedTuple):
    """A target modifier: its parts, and the text they join to (`[M]+` and `[M]-` add nothing to it)."""

    chem_mod: str
    neutral_loss: str
    adduct: str
    text: str

    @property
    def prefix(self) -> str:
        """What its decoys share: all but the adduct."""
        return self.chem_mod + self.neutral_loss


class InvalidIon(NamedTuple):
    """A pair that makes no ion, and why."""

    formula: str
    modifier: str
    reason: str


def target_modifiers(settings: IonSettings) -> tuple[Modifier, ...]:
    """Return the target modifiers: each chemical modification with each neutral loss with each adduct, in that nesting.

    No modification and no loss are always among them. Combinations of the same text are one modifier, the first.

    Raises
    ------
    InvalidConfigurationError
        An adduct is given twice, there is none, or there are more than `MAX_TARGET_MODIFIERS` combinations.

    """
    twice = {adduct for adduct in settings.adducts if settings.adducts.count(adduct) > 1}
    if twice:
        raise InvalidConfigurationError(f"adducts: {', '.join(sorted(twice))} is given more than once; give it once.")
    parts = (("", *settings.chemical_modifications), ("", *settings.neutral_losses), settings.adducts)
    combinations = len(parts[0]) * len(parts[1]) * len(parts[2])
    if not 1 <= combinations <= MAX_TARGET_MODIFIERS:
        raise InvalidConfigurationError(
            f"chemical_modifications, neutral_losses and adducts make {combinations:,} combinations, "
            f"1 to {MAX_TARGET_MODIFIERS} are allowed; give fewer of them, and at least one adduct."
        )
    modifiers: dict[str, Modifier] = {}
    for chem_mod, neutral_loss, adduct in product(*parts):
        text = chem_mod + neutral_loss + ("" if adduct in grammar.UNCHANGED else adduct)
        modifiers.setdefault(text, Modifier(chem_mod, neutral_loss, adduct, text))
    return tuple(modifiers.values())


@dataclass(frozen=True, eq=False)
class ModifierTable:
    """Every modifier of a job, numbered: its code is its place in `texts`, the targets first.

    The codes depend on the settings alone, not on a database or a range of its formulas.

    Attributes
    ----------
    settings
        What the table was made of.
    targets
        The target modifiers; that of code i is `targets[i]`.
    candidates
        The adducts that decoys are drawn from.
    texts
        Text of each modifier, by code.
    decoy_codes
        int16, shape (targets, candidates): the code of the decoy modifier that a target modifier and a candidate make.

    """

    settings: IonSettings
    targets: tuple[Modifier, ...]
    candidates: tuple[str, ...]
    texts: tuple[str, ...]
    decoy_codes: NDArray[np.int16]

    @property
    def sample_size(self) -> int:
        """Decoys of each target: what the settings ask for, or all the candidates where there are fewer."""
        return min(self.settings.decoy_sample_size, len(self.candidates))

    @property
    def pairs_per_formula(self) -> int:
        """The most pairs, targets and decoys, that one formula can have."""
        decoy_sets = len({target.prefix for target in self.targets}) if self._shared else len(self.targets)
        return len(self.targets) + self.sample_size * decoy_sets

    @property
    def _shared(self) -> bool:
        return self.settings.fdr_method == "v3"

    def decoys(self, first: int, stop: int) -> Decoys:
        """Return the decoys of the formulas in places `first` ≤ i < `stop` of their database.

        Method v3 draws once for a formula, v1 once for each of its target modifiers.
        """
        draws_each = 1 if self._shared else len(self.targets)
        draws = draw_decoys(stop * draws_each, len(self.candidates), self.sample_size, first * draws_each)
        return Decoys(draws.reshape(stop - first, draws_each, self.sample_size), self.decoy_codes)


@dataclass(frozen=True, eq=False)
class Decoys:
    """The decoys of a range of formulas.

    Attributes
    ----------
    draws
        uint8, shape (formulas, 1 or targets, sample): candidates drawn, for all target modifiers or for each.
    decoy_codes
        As in `ModifierTable`.

    """

    draws: NDArray[np.uint8]
    decoy_codes: NDArray[np.int16]

    def of_target(self, target: int) -> NDArray[np.int16]:
        """Return the codes of the decoys of one target modifier, int16 of shape (formulas, sample).

        Column i is the i-th ranking of FDR method v1.
        """
        drawn = self.draws[:, target if self.draws.shape[1] > 1 else 0]
        codes: NDArray[np.int16] = self.decoy_codes[target][drawn]
        return codes


@lru_cache(maxsize=8)
def modifier_table(settings: IonSettings) -> ModifierTable:
    """Return the target modifiers of a job, and all decoy modifiers that can be drawn for them, numbered.

    Raises
    ------
    InvalidConfigurationError
        As `target_modifiers`; also where no candidate for decoys is left.

    """
    targets = target_modifiers(settings)
    candidates = decoy_candidates(settings.adducts, settings.neutral_losses, settings.chemical_modifications)
    if not candidates:
        raise InvalidConfigurationError("adducts: every element that decoys are made with is a target; give fewer.")
    codes = {target.text: code for code, target in enumerate(targets)}
    decoy_codes = np.empty((len(targets), len(candidates)), dtype=np.int16)
    for row, target in enumerate(targets):
        for column, candidate in enumerate(candidates):
            decoy_codes[row, column] = codes.setdefault(target.prefix + candidate, len(codes))
    decoy_codes.flags.writeable = False
    return ModifierTable(settings, targets, tuple(candidates), tuple(codes), decoy_codes)


@dataclass(frozen=True, eq=False)
class IonPairs:
    """Distinct pairs of a formula and a modifier, in the order of formulas and then of modifier codes.

    The pairs of adjacent ranges of formulas, one after the other, are the pairs of the whole range.

    Attributes
    ----------
    formulas
        The distinct formulas of the whole database, in its order.
    modifiers
        Text of each modifier, by code.
    formula
        int32, shape (pairs,): place of the formula in `formulas`.
    modifier
        int16, shape (pairs,): code of the modifier.
    is_target
        bool, shape (pairs,): a target, which may serve as a decoy too; the others are decoys only.
    ion
        Arrow strings: the ion formula, null where the pair makes no ion.
    reason
        int32, shape (pairs,): place in `reasons` of why the pair makes no ion, 0 where it makes one.
    reasons
        Texts; the first one is empty.

    """

    formulas: Sequence[str]
    modifiers: tuple[str, ...]
    formula: NDArray[np.int32]
    modifier: NDArray[np.int16]
    is_target: NDArray[np.bool_]
    ion: pa.StringArray
    reason: NDArray[np.int32]
    reasons: tuple[str, ...]

    @cached_property
    def distinct_ions(self) -> pa.StringArray:
        """The distinct ion formulas, sorted; pairs with the same ion formula are one ion."""
        return pc.unique(self.ion.drop_null()).sort()

    @cached_property
    def ion_id(self) -> NDArray[np.int32]:
        """Place of each pair's ion in `distinct_ions`, -1 where it makes none: int32 of shape (pairs,)."""
        places = pc.index_in(self.ion, self.distinct_ions).fill_null(-1)
        return np.asarray(places.to_numpy(zero_copy_only=False), dtype=np.int32)

    def invalid(self, *, targets_only: bool = True) -> Iterator[InvalidIon]:
        """Yield the pairs that make no ion, of the targets or of all."""
        chosen = (self.reason > 0) & (self.is_target | (not targets_only))
        for row in np.flatnonzero(chosen):
            formula, modifier = self.formulas[self.formula[row]], self.modifiers[self.modifier[row]]
            yield InvalidIon(formula, modifier, self.reasons[self.reason[row]])


def ion_pairs(formulas: Sequence[str], first: int, stop: int, settings: IonSettings) -> IonPairs:
    """Return the pairs of the formulas in places `first` ≤ i < `stop`, with the ions they make.

    Parameters
    ----------
    formulas
        The distinct formulas of a database, in its order.
    first, stop
        The range; decoys depend on the place of a formula in the database, not in the range.
    settings
        Modifiers, decoys and rules of the job.

    Raises
    ------
    InvalidConfigurationError
        See `modifier_table`.

    """
    table = modifier_table(settings)
    formula, modifier = _distinct_pairs(table, first, stop)
    composition = _Composition(formulas[first:stop], settings.compatibility)
    ion, reason = _make_ions(composition, table.texts, formula, modifier)
    return IonPairs(
        formulas=formulas,
        modifiers=table.texts,
        formula=(formula + first).astype(np.int32),
        modifier=modifier.astype(np.int16),
        is_target=modifier < len(table.targets),
        ion=ion,
        reason=reason,
        reasons=tuple(composition.reasons),
    )


def _distinct_pairs(table: ModifierTable, first: int, stop: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return formulas, counted from `first`, and modifier codes of the distinct pairs of a range, in order."""
    decoys = table.decoys(first, stop)
    present = np.zeros((stop - first, len(table.texts)), bool)
    present[:, : len(table.targets)] = True
    for target in range(len(table.targets)):
        np.put_along_axis(present, decoys.of_target(target).astype(np.int64), True, axis=1)
    formula, modifier = np.nonzero(present)
    return formula.astype(np.int64, copy=False), modifier.astype(np.int64, copy=False)


def _make_ions(
    composition: _Composition, texts: Sequence[str], formula: NDArray[np.int64], modifier: NDArray[np.int64]
) -> tuple[pa.StringArray, NDArray[np.int32]]:
    """Return ion formulas and reasons of pairs, made for all the formulas of one modifier at once."""
    by_modifier = np.argsort(modifier, kind="stable")
    bounds = np.searchsorted(modifier, np.arange(len(texts) + 1), sorter=by_modifier)
    reason = np.zeros(len(formula), dtype=np.int32)
    ions: list[pa.StringArray] = [pa.array([], pa.string())]
    for text, start, stop in zip(texts, bounds[:-1], bounds[1:], strict=True):
        if start < stop:
            rows = by_modifier[start:stop]
            ion, reason[rows] = composition.ions(grammar.parse_modifier(text), formula[rows])
            ions.append(ion)
    back = np.empty_like(by_modifier)
    back[by_modifier] = np.arange(len(by_modifier))
    return pa.concat_arrays(ions).take(pa.array(back, pa.int64())), reason


class _Composition:
    """Element counts of many formulas as columns; applies a modifier to all of them as `ion_counts` does to one."""

    def __init__(self, formulas: Sequence[str], compatibility: Compatibility) -> None:
        self.reasons: dict[str, int] = {"": 0}
        self._columns: dict[str, NDArray[np.int32]] = {}
        self._refused = np.zeros(len(formulas), dtype=np.int32)
        for row, text in enumerate(formulas):
            try:
                self._enter(row, grammar.parse_formula(text, compatibility))
            except grammar.InvalidFormulaError as error:
                self._refused[row] = self._code(str(error))

    def _enter(self, row: int, counts: Mapping[str, int]) -> None:
        for symbol, count in counts.items():
            if symbol not in MASSES:
                self._refused[row] = self._refused[row] or self._code(grammar.no_isotope_pattern(symbol))
            else:
                if symbol not in self._columns:
                    self._columns[symbol] = np.zeros(len(self._refused), dtype=np.int32)
                # One above the limit is as invalid as any number above it, and leaves room to add.
                self._columns[symbol][row] = min(count, grammar.MAX_COUNT + 1)

    def _code(self, reason: str) -> int:
        return self.reasons.setdefault(reason, len(self.reasons))

    def ions(self, modifier: grammar.Modifier, rows: NDArray[np.int64]) -> tuple[pa.StringArray, NDArray[np.int32]]:
        """Return ion formulas, null where there is none, and reasons of the formulas in `rows` with a modifier."""
        reason = self._refused[rows]
        columns = {symbol: column[rows] for symbol, column in self._columns.items()}
        for sign, fragment in modifier:
            for symbol, count in fragment.items():
                columns[symbol] = columns.get(symbol, np.zeros(len(rows), np.int32)) + np.int32(sign * count)
                if sign < 0:
                    self._refuse(reason, columns[symbol] < 0, grammar.negative_count(symbol))
        columns = {symbol: columns[symbol] for symbol in ION_ORDER if symbol in columns and columns[symbol].any()}
        self._refuse_no_ion(reason, columns)
        return _format_ions(columns, reason > 0), reason

    def _refuse_no_ion(self, reason: NDArray[np.int32], columns: Mapping[str, NDArray[np.int32]]) -> None:
        nothing = np.zeros(len(reason), dtype=np.int32)
        labels = sum((columns[symbol] for symbol in columns if symbol in LABEL_MASSES), nothing)
        others = sum((columns[symbol] for symbol in columns if symbol not in LABEL_MASSES), nothing)
        self._refuse(reason, labels + others == 0, grammar.NO_ATOMS)
        self._refuse(reason, others == 0, grammar.LABELS_ONLY)
        for symbol, column in columns.items():
            self._refuse(reason, column > grammar.MAX_COUNT, grammar.too_many_atoms(symbol))

    def _refuse(self, reason: NDArray[np.int32], where: NDArray[np.bool_], text: str) -> None:
        """Give the rows `where` a reason, unless they have one."""
        where = where & (reason == 0)
        if where.any():
            reason[where] = self._code(text)


def _format_ions(columns: Mapping[str, NDArray[np.int32]], refused: NDArray[np.bool_]) -> pa.StringArray:
    parts = [
        _tokens(symbol, int(column.max()).bit_length()).take(pa.array(np.maximum(column, 0), pa.int32()))
        for symbol, column in columns.items()
    ]
    separator = pa.array([""] * len(refused), pa.string())
    joined: pa.StringArray = pc.binary_join_element_wise(*parts, separator)
    ions: pa.StringArray = pc.replace_with_mask(joined, pa.array(refused, pa.bool_()), pa.scalar(None, pa.string()))
    return ions


@lru_cache(maxsize=1024)
def _tokens(symbol: str, bits: int) -> pa.StringArray:
    """Return how an element of each count below 2**bits, at least up to 1, is written in an ion formula."""
    return pa.array(["", symbol, *(f"{symbol}{count}" for count in range(2, 1 << max(1, bits)))], pa.string())
