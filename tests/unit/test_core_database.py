"""The bundled molecular database."""

from __future__ import annotations

import csv
import io

import pytest

from ionfleet.formula import ion_mz, parse_formula
from ionfleet_simulate.core_database import bundled_tsv, core_molecules, every_nth_formula, to_tsv
from ionfleet_simulate.lipids import LIPID_CLASSES

KNOWN_LIPIDS = {
    "FA 16:0": "C16H32O2",
    "FA 20:5": "C20H30O2",
    "FA 22:6": "C22H32O2",
    "FA 18:1;O": "C18H34O3",
    "FAHFA 36:1": "C36H68O4",
    "CAR 2:0": "C9H17NO4",
    "CAR 16:0": "C23H45NO4",
    "NAE 20:4": "C22H37NO2",
    "NAT 18:1": "C20H39NO4S",
    "MG 18:1": "C21H40O4",
    "DG 36:2": "C39H72O5",
    "TG 52:2": "C55H102O6",
    "TG O-52:1": "C55H106O5",
    "CE 18:1": "C45H78O2",
    "LPC 16:0": "C24H50NO7P",
    "LPE 18:0": "C23H48NO7P",
    "LPA 18:1": "C21H41O7P",
    "LPS 18:0": "C24H48NO9P",
    "LPI 18:0": "C27H53O12P",
    "LPG 18:1": "C24H47O9P",
    "LPC O-16:0": "C24H52NO6P",
    "LPE P-18:0": "C23H48NO6P",
    "PC 34:1": "C42H82NO8P",
    "PE 36:2": "C41H78NO8P",
    "PS 36:1": "C42H80NO10P",
    "PI 38:4": "C47H83O13P",
    "PG 34:1": "C40H77O10P",
    "PA 34:1": "C37H71O8P",
    "PC O-34:1": "C42H84NO7P",
    "PE O-36:2": "C41H80NO7P",
    "PE P-36:1": "C41H80NO7P",
    "PIP 38:4": "C47H84O16P2",
    "PIP2 38:4": "C47H85O19P3",
    "NAPE 50:1": "C55H106NO9P",
    "LCL 54:6": "C63H112O16P2",
    "CL 72:8": "C81H142O17P2",
    "Cer 34:1;O2": "C34H67NO3",
    "Cer 42:0;O3": "C42H85NO4",
    "CerP 34:1;O2": "C34H68NO6P",
    "EPC 34:1;O2": "C36H73N2O6P",
    "SM 34:1;O2": "C39H79N2O6P",
    "HexCer 40:1;O2": "C46H89NO8",
    "Hex2Cer 34:1;O2": "C46H87NO13",
    "Hex3Cer 34:1;O2": "C52H97NO18",
    "SHexCer 42:2;O2": "C48H91NO11S",
    "GM3 34:1;O2": "C57H104N2O21",
}

# [M+H]+ as found in spectral libraries, in Da.
KNOWN_PROTONATED = {
    "Glycine": 76.0393,
    "Glutamic acid": 148.0604,
    "Tryptophan": 205.0972,
    "Creatine": 132.0768,
    "Taurine": 126.0219,
    "Glutathione": 308.0911,
    "Carnosine": 227.1139,
    "Adenosine": 268.1040,
    "Guanosine": 284.0989,
    "AMP": 348.0704,
    "ATP": 508.0030,
    "UDP-glucose": 567.0623,
    "NAD": 664.1164,
    "FAD": 786.1644,
    "Coenzyme A": 768.1225,
    "Acetyl-CoA": 810.1330,
    "Riboflavin": 377.1456,
    "Folic acid": 442.1470,
    "S-Adenosylhomocysteine": 385.1289,
    "Spermine": 203.2230,
    "Dopamine": 154.0863,
    "Serotonin": 177.1022,
    "Melatonin": 233.1285,
    "Carnitine": 162.1125,
    "Glycerophosphocholine": 258.1101,
    "Sphingosine": 300.2897,
    "Cortisol": 363.2166,
    "Testosterone": 289.2162,
    "Cholesterol": 387.3621,
    "Taurocholic acid": 516.2990,
    "Bilirubin": 585.2708,
    "alpha-Tocopherol": 431.3884,
    "Glucose": 181.0707,
    "Citric acid": 193.0343,
    "Glucose 6-phosphate": 261.0370,
}


@pytest.fixture(scope="module")
def formulas() -> dict[str, str]:
    return {molecule.name: molecule.formula for molecule in core_molecules()}


def test_the_bundled_file_is_what_the_rules_make() -> None:
    assert bundled_tsv() == to_tsv(core_molecules())


def test_the_bundled_file_is_small() -> None:
    assert len(bundled_tsv().encode()) < 400_000


def test_the_file_has_the_columns_of_a_molecular_database() -> None:
    rows = list(csv.DictReader(io.StringIO(bundled_tsv()), delimiter="\t"))
    assert list(rows[0]) == ["id", "name", "formula", "class"]
    assert rows[0] == {"id": "IFC00001", "name": "Glycine", "formula": "C2H5NO2", "class": "amino acid"}
    assert all(all(cell.strip() for cell in row.values()) for row in rows)


def test_ids_and_names_are_unique() -> None:
    molecules = core_molecules()
    assert len({molecule.id for molecule in molecules}) == len(molecules)
    assert len({molecule.name for molecule in molecules}) == len(molecules)


def test_there_are_some_thousand_distinct_formulas(formulas: dict[str, str]) -> None:
    assert 2500 <= len(set(formulas.values())) <= 4000


@pytest.mark.parametrize(("name", "formula"), KNOWN_LIPIDS.items())
def test_lipids_have_their_published_formulas(formulas: dict[str, str], name: str, formula: str) -> None:
    assert formulas[name] == formula


@pytest.mark.parametrize(("name", "mz"), KNOWN_PROTONATED.items())
def test_metabolites_have_their_published_masses(formulas: dict[str, str], name: str, mz: float) -> None:
    counts = parse_formula(formulas[name])
    protonated = "".join(f"{symbol}{count + (symbol == 'H')}" for symbol, count in counts.items())
    assert ion_mz(protonated, 1) == pytest.approx(mz, abs=2e-4)


def test_double_bonds_keep_to_what_chains_can_carry() -> None:
    phosphatidylcholines = next(lipid for lipid in LIPID_CLASSES if lipid.name == "PC")
    names = {name for name, _ in phosphatidylcholines.species()}
    assert {"PC 28:0", "PC 34:2", "PC 38:6", "PC 44:12"} <= names
    assert names.isdisjoint({"PC 28:6", "PC 44:13"})


def test_a_dipeptide_is_two_amino_acids_less_a_water(formulas: dict[str, str]) -> None:
    assert formulas["Ala-Gly"] == "C5H10N2O3"
    assert formulas["Trp-Trp"] == "C22H22N4O3"


def test_every_nth_formula_keeps_all_rows_of_the_formulas_it_keeps() -> None:
    molecules = core_molecules()
    kept = every_nth_formula(molecules, 1500)
    formulas = {molecule.formula for molecule in kept}
    assert len(formulas) == 1500
    assert kept == [molecule for molecule in molecules if molecule.formula in formulas]


def test_every_nth_formula_keeps_everything_where_less_is_there() -> None:
    molecules = core_molecules()[:10]
    assert every_nth_formula(molecules, 50) == molecules
