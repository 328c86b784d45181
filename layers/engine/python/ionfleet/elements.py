"""Chemical elements: masses of their lightest isotopes, isotope labels, and the elements that decoys are made with.

docs/annotation.md, Formulas and ions; Targets and decoys.
"""

from __future__ import annotations

ELECTRON_MASS = 0.00054857990924
"""Mass of an electron in Da, the value that cpyMSpec charges its isotope patterns with."""

# The lightest isotope, not the most common one: it defines the m/z of an ion that users are shown.
# The values are those of cpyMSpec's own table, so that a mass and an isotope pattern never disagree; a test compares
# all of them.
# fmt: off
LIGHTEST_ISOTOPE_MASSES: dict[str, float] = {
    "H": 1.007825032, "He": 3.016029319, "Li": 6.0151223, "Be": 9.0121822, "B": 10.0129371, "C": 12.0,
    "N": 14.00307401, "O": 15.99491462, "F": 18.9984032, "Ne": 19.99244018, "Na": 22.98976966, "Mg": 23.98504187,
    "Al": 26.98153863, "Si": 27.97692649, "P": 30.97376149, "S": 31.97207073, "Cl": 34.96885271, "Ar": 35.96754511,
    "K": 38.9637069, "Ca": 39.9625912, "Sc": 44.9559119, "Ti": 45.9526316, "Cr": 49.9460442, "V": 49.9471585,
    "Fe": 53.9396147, "Mn": 54.9380451, "Ni": 57.9353429, "Co": 58.933195, "Cu": 62.9295975, "Zn": 63.9291422,
    "Ga": 68.9255736, "Ge": 69.9242474, "Se": 73.9224764, "As": 74.9215965, "Kr": 77.9203648, "Br": 78.9183379,
    "Sr": 83.913425, "Rb": 84.91178974, "Y": 88.9058483, "Zr": 89.9047044, "Mo": 91.906811, "Nb": 92.9063781,
    "Ru": 95.907598, "Tc": 96.9064, "Pd": 101.905609, "Rh": 102.905504, "Cd": 105.906459, "Ag": 106.905097,
    "Sn": 111.904818, "In": 112.904058, "Te": 119.90402, "Sb": 120.9038157, "Xe": 123.905893, "I": 126.904473,
    "Ba": 129.9063208, "Cs": 132.9054519, "Ce": 135.907172, "La": 137.907112, "Pr": 140.9076528, "Nd": 141.9077233,
    "Sm": 143.911999, "Pm": 144.9127, "Eu": 150.9198502, "Gd": 151.919791, "Dy": 155.924283, "Tb": 158.9253468,
    "Er": 161.928778, "Ho": 164.9303221, "Yb": 167.933897, "Tm": 168.9342133, "Hf": 173.940046, "Lu": 174.9407718,
    "W": 179.946704, "Ta": 179.9474648, "Os": 183.9524891, "Re": 184.952955, "Pt": 189.959932, "Ir": 190.960594,
    "Hg": 195.965833, "Au": 196.9665687, "Tl": 202.9723442, "Pb": 203.9730436, "Bi": 208.9803987, "Po": 209.0,
    "At": 210.0, "Rn": 220.0, "Fr": 223.0, "Ra": 226.0, "Ac": 227.0, "Pa": 231.035884,
    "Th": 232.0380553, "U": 234.0409521, "Np": 237.0, "Am": 243.0, "Pu": 244.0, "Bk": 247.0,
    "Cm": 247.0, "Cf": 251.0, "Es": 252.0, "Fm": 257.0, "Md": 258.0, "No": 259.0,
    "Rf": 261.0, "Db": 262.0, "Lr": 262.0, "Sg": 266.0,
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
