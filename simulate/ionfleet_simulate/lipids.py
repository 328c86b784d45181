"""Lipid species made by rule: a backbone, and chains whose carbons and double bonds are counted together.

Names are those of the shorthand nomenclature at species level: class, carbons in all chains, double bonds in all
chains, further oxygens. `PC O-34:1` has one alkyl chain; `PE P-36:2` has one alkenyl chain, whose vinyl ether bond is
not counted; in `Cer 34:1;O2` the long-chain base counts as a chain, its two oxygens are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ionfleet.formula import format_formula, parse_formula

# 18:4, 20:5 and 22:6 are the limits of what is found in nature.
_SATURATED_CARBONS = 13
_DOUBLE_BONDS_PER_FURTHER_CARBON = 0.8
_MOST_DOUBLE_BONDS = 6


@dataclass(frozen=True)
class LipidClass:
    """One class of lipids.

    Attributes
    ----------
    name, suffix
        What stands before and after carbons and double bonds in the names of its species; `name` is the class column.
    backbone
        Formula of what is left when every chain is taken off with water put in: glycerol for TG. Sphingolipids count
        the carbons of their long-chain base as an alkyl chain on what remains of the base, H3NO2.
    acyls, alkyls, alkenyls
        How many chains are bound as esters or amides, as ethers, as vinyl ethers.
    carbons
        Numbers of carbons in all chains.
    double_bonds
        Most double bonds in all chains; fewer are made where chains are short.

    """

    name: str
    backbone: str
    carbons: range
    double_bonds: int = 99
    acyls: int = 1
    alkyls: int = 0
    alkenyls: int = 0
    suffix: str = ""

    @property
    def chains(self) -> int:
        """Number of chains of any kind."""
        return self.acyls + self.alkyls + self.alkenyls

    def species(self) -> Iterator[tuple[str, str]]:
        """Yield name and formula of every species, by carbons, then double bonds."""
        separator = "" if self.name.endswith("-") else " "
        for carbons in self.carbons:
            for double_bonds in range(min(self.double_bonds, self._natural_double_bonds(carbons)) + 1):
                name = f"{self.name}{separator}{carbons}:{double_bonds}{self.suffix}"
                yield name, self.formula(carbons, double_bonds)

    def formula(self, carbons: int, double_bonds: int) -> str:
        """Return the sum formula of the species with that many carbons and double bonds in its chains.

        Each chain replaces a hydrogen of the backbone: alkyl by CnH2n+1, alkenyl by CnH2n-1, acyl by CnH2n-1O.

        Examples
        --------
        >>> LipidClass("TG", "C3H8O3", range(48, 55), acyls=3).formula(52, 2)
        'C55H102O6'

        """
        counts = parse_formula(self.backbone)
        counts["C"] = counts.get("C", 0) + carbons
        counts["H"] += 2 * (carbons - double_bonds - self.acyls - self.alkenyls)
        counts["O"] += self.acyls
        return format_formula(counts)

    def _natural_double_bonds(self, carbons: int) -> int:
        further = max(0, carbons - _SATURATED_CARBONS * self.chains)
        return min(int(_DOUBLE_BONDS_PER_FURTHER_CARBON * further), _MOST_DOUBLE_BONDS * self.chains)


_CHAIN = range(12, 27)
_LYSO = range(14, 25)
_DIACYL = range(28, 45)
_ETHER = range(30, 43)
_CERAMIDE = range(32, 45)
_CARDIOLIPIN = range(64, 81, 2)

_LYSOPHOSPHATIDYL = {
    "LPC": "C8H20NO6P",
    "LPE": "C5H14NO6P",
    "LPS": "C6H14NO8P",
    "LPI": "C9H19O11P",
    "LPG": "C6H15O8P",
    "LPA": "C3H9O6P",
}

LIPID_CLASSES: tuple[LipidClass, ...] = (
    LipidClass("FA", "H2O", _CHAIN),
    LipidClass("FA", "H2O2", range(16, 25, 2), 3, suffix=";O"),
    LipidClass("FAHFA", "H2O2", range(30, 39), 4, acyls=2),
    LipidClass("CAR", "C7H15NO3", range(2, 27), 4),
    LipidClass("NAE", "C2H7NO", range(14, 25, 2)),
    LipidClass("NAT", "C2H7NO3S", range(14, 25, 2)),
    LipidClass("MG", "C3H8O3", range(12, 25)),
    LipidClass("DG", "C3H8O3", _DIACYL, acyls=2),
    LipidClass("TG", "C3H8O3", range(36, 67), 14, acyls=3),
    LipidClass("TG O-", "C3H8O3", range(46, 61), 8, acyls=2, alkyls=1),
    LipidClass("CE", "C27H46O", range(12, 25)),
    *(LipidClass(name, backbone, _LYSO) for name, backbone in _LYSOPHOSPHATIDYL.items()),
    LipidClass("LPC O-", "C8H20NO6P", _LYSO, 2, acyls=0, alkyls=1),
    LipidClass("LPE P-", "C5H14NO6P", _LYSO, 2, acyls=0, alkenyls=1),
    *(LipidClass(name[1:], backbone, _DIACYL, acyls=2) for name, backbone in _LYSOPHOSPHATIDYL.items()),
    LipidClass("PC O-", "C8H20NO6P", _ETHER, 8, alkyls=1),
    LipidClass("PE O-", "C5H14NO6P", _ETHER, 8, alkyls=1),
    LipidClass("PE P-", "C5H14NO6P", _ETHER, 8, alkenyls=1),
    LipidClass("PIP", "C9H20O14P2", range(32, 41), 6, acyls=2),
    LipidClass("PIP2", "C9H21O17P3", range(32, 41), 6, acyls=2),
    LipidClass("NAPE", "C5H14NO6P", range(48, 61, 2), 8, acyls=3),
    LipidClass("LCL", "C9H22O13P2", range(48, 61), acyls=3),
    LipidClass("CL", "C9H22O13P2", _CARDIOLIPIN, acyls=4),
    LipidClass("Cer", "H3NO2", _CERAMIDE, 3, alkyls=1, suffix=";O2"),
    LipidClass("Cer", "H3NO3", _CERAMIDE, 2, alkyls=1, suffix=";O3"),
    LipidClass("Cer", "H3NO4", _CERAMIDE, 1, alkyls=1, suffix=";O4"),
    LipidClass("CerP", "H4NO5P", _CERAMIDE, 2, alkyls=1, suffix=";O2"),
    LipidClass("EPC", "C2H9N2O5P", _CERAMIDE, 2, alkyls=1, suffix=";O2"),
    LipidClass("SM", "C5H15N2O5P", range(30, 45), 3, alkyls=1, suffix=";O2"),
    LipidClass("SM", "C5H15N2O6P", _CERAMIDE, 1, alkyls=1, suffix=";O3"),
    LipidClass("HexCer", "C6H13NO7", _CERAMIDE, 3, alkyls=1, suffix=";O2"),
    LipidClass("HexCer", "C6H13NO8", _CERAMIDE, 2, alkyls=1, suffix=";O3"),
    LipidClass("Hex2Cer", "C12H23NO12", _CERAMIDE, 3, alkyls=1, suffix=";O2"),
    LipidClass("Hex3Cer", "C18H33NO17", _CERAMIDE, 2, alkyls=1, suffix=";O2"),
    LipidClass("SHexCer", "C6H13NO10S", _CERAMIDE, 2, alkyls=1, suffix=";O2"),
    LipidClass("SHexCer", "C6H13NO11S", _CERAMIDE, 2, alkyls=1, suffix=";O3"),
    LipidClass("GM3", "C23H40N2O20", _CERAMIDE, 2, alkyls=1, suffix=";O2"),
)
"""Every class of ionfleet-core, in the order of the database."""
