"""Chemical elements: masses of their lightest isotopes, isotope labels, and the elements that decoys are made with.

docs/annotation.md, Formulas and ions; Targets and decoys.
"""

from __future__ import annotations

ELECTRON_MASS = 0.00054857990924
"""Mass of an electron in Da, the value that cpyMSpec charges its isotope patterns with."""

# The lightest isotope, not the most common one: it defines the m/z of an ion that users are shown.
# Masses of NIST as METASPACE shows them. The table that cpyMSpec computes patterns with is older: they differ by about
# 1e-5 Da in heavy elements, less than the grid of its centroids; a test compares all of them.
# fmt: off
LIGHTEST_ISOTOPE_MASSES: dict[str, float] = {
    "H": 1.007825032, "He": 3.01602932, "Li": 6.015122887, "Be": 9.0121831, "B": 10.012937, "C": 12.0, "N": 14.003074,
    "O": 15.99491462, "F": 18.99840316, "Ne": 19.99244018, "Na": 22.98976928, "Mg": 23.9850417, "Al": 26.9815385,
    "Si": 27.97692654, "P": 30.973762, "S": 31.97207117, "Cl": 34.9688527, "Ar": 35.9675451, "K": 38.96370649,
    "Ca": 39.9625909, "Sc": 44.955908, "Ti": 45.952628, "Cr": 49.946042, "V": 49.947156, "Fe": 53.939609,
    "Mn": 54.938044, "Ni": 57.935342, "Co": 58.933194, "Cu": 62.929598, "Zn": 63.929142, "Ga": 68.925574,
    "Ge": 69.924249, "Se": 73.9224759, "As": 74.921595, "Kr": 77.920365, "Br": 78.918338, "Sr": 83.913419,
    "Rb": 84.91178974, "Y": 88.90584, "Zr": 89.9047, "Mo": 91.906808, "Nb": 92.90637, "Ru": 95.90759, "Tc": 96.9064,
    "Pd": 101.9056, "Rh": 102.9055, "Cd": 105.90646, "Ag": 106.90509, "Sn": 111.904824, "In": 112.904062,
    "Te": 119.90406, "Sb": 120.90381, "Xe": 123.90589, "I": 126.90447, "Ba": 129.90632, "Cs": 132.905452,
    "Ce": 135.907129, "La": 137.90712, "Pr": 140.90766, "Nd": 141.90773, "Sm": 143.91201, "Pm": 144.91276,
    "Eu": 150.91986, "Gd": 151.9198, "Dy": 155.92428, "Tb": 158.92535, "Er": 161.92879, "Ho": 164.93033,
    "Yb": 167.93389, "Tm": 168.93422, "Hf": 173.94005, "Lu": 174.94078, "W": 179.94671, "Ta": 179.94746,
    "Os": 183.952489, "Re": 184.952955, "Pt": 189.95993, "Ir": 190.96059, "Hg": 195.96583, "Au": 196.966569,
    "Tl": 202.972345, "Pb": 203.973044, "Bi": 208.9804, "Po": 209.0, "At": 210.0, "Rn": 220.0, "Fr": 223.0, "Ra": 226.0,
    "Ac": 227.0, "Pa": 231.03588, "Th": 232.0380553, "U": 234.04095, "Np": 237.0, "Am": 243.0, "Pu": 244.0, "Bk": 247.0,
    "Cm": 247.0, "Cf": 251.0, "Es": 252.0, "Fm": 257.0, "Md": 258.0, "No": 259.0, "Rf": 261.0, "Db": 262.0, "Lr": 262.0,
    "Sg": 266.0,
}
# fmt: on
"""Symbol to mass in Da of the element's lightest isotope, for every element that has an isotope pattern."""

LABEL_MASSES: dict[str, float] = {
    "Cx": 13.00335484,
    "Hx": 2.014101778,
    "Nx": 15.00010889,
    "Ox": 17.99915961,
    "Sx": 33.967867,
}
"""Symbol to mass in Da of the pseudo elements that stand for pure 13C, 2H, 15N, 18O and 34S."""

MASSES: dict[str, float] = LIGHTEST_ISOTOPE_MASSES | LABEL_MASSES
"""Every symbol that a formula may have, to its mass in Da."""

# fmt: off
DECOY_ELEMENTS: tuple[str, ...] = (
    "He", "Li", "Be", "B", "C", "N", "O", "F", "Ne", "Mg", "Al", "Si", "P", "S", "Cl", "Ar",
    "Ca", "Sc", "Ti", "V", "Cr", "Mn", "Fe", "Co", "Ni", "Cu", "Zn", "Ga", "Ge", "As", "Se", "Br",
    "Kr", "Rb", "Sr", "Y", "Zr", "Nb", "Mo", "Ru", "Rh", "Pd", "Ag", "Cd", "In", "Sn", "Sb", "Te",
    "I", "Xe", "Cs", "Ba", "La", "Ce", "Pr", "Nd", "Sm", "Eu", "Gd", "Tb", "Dy", "Ho", "Ir", "Th",
    "Pt", "Os", "Yb", "Lu", "Bi", "Pb", "Re", "Tl", "Tm", "U", "W", "Au", "Er", "Hf", "Hg", "Ta",
)
# fmt: on
"""Elements that no molecule gains in a mass spectrometer; their order fixes which ones a draw takes."""

_FIRST = "CHNOPS"

ION_ORDER: tuple[str, ...] = (*_FIRST, *sorted(MASSES.keys() - set(_FIRST)))
"""Every symbol in the order in which an ion formula is written."""
