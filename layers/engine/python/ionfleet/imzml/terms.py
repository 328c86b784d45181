"""The terms of the PSI-MS and imaging MS vocabularies that the reader understands."""

from __future__ import annotations

from ionfleet.index import Analyzer

POSITION_X, POSITION_Y = "IMS:1000050", "IMS:1000051"
EXTERNAL_OFFSET, EXTERNAL_LENGTH, ENCODED_LENGTH = "IMS:1000102", "IMS:1000103", "IMS:1000104"
TIC, LOWEST_MZ, HIGHEST_MZ = "MS:1000285", "MS:1000528", "MS:1000527"
POSITIVE, NEGATIVE = "MS:1000130", "MS:1000129"
CENTROID, PROFILE = "MS:1000127", "MS:1000128"
CONTINUOUS, PROCESSED = "IMS:1000030", "IMS:1000031"
UUID, MD5, SHA1 = "IMS:1000080", "IMS:1000090", "IMS:1000091"
PIXEL_SIZE_X, PIXEL_SIZE_Y = "IMS:1000046", "IMS:1000047"
RESOLVING_POWER, INSTRUMENT_MODEL, SERIAL_NUMBER = "MS:1000800", "MS:1000031", "MS:1000529"

ROLES = {"mz": "m/z", "intensity": "intensity"}
"""The arrays that a spectrum must have, as in the names of columns and as in messages."""
MZ_ARRAY, INTENSITY_ARRAY = "MS:1000514", "MS:1000515"
NUMBER_FORMATS = {
    "MS:1000521": 0,
    "MS:1000523": 1,
    "MS:1000519": 2,
    "IMS:1000141": 2,
    "MS:1000522": 3,
    "IMS:1000142": 3,
}
"""Positions in `ionfleet.index.ARRAY_DTYPES`: 32 and 64 bit float, 32 and 64 bit integer."""
OTHER_NUMBER_FORMATS = {
    "MS:1000520": "16-bit float",
    "IMS:1100000": "8-bit integer",
    "IMS:1100001": "16-bit integer",
    "IMS:1000140": "16-bit integer",
}
NO_COMPRESSION, ZLIB_COMPRESSION = "MS:1000576", "MS:1000574"
OTHER_COMPRESSIONS = {
    "MS:1002312": "MS-Numpress linear prediction",
    "MS:1002313": "MS-Numpress positive integer",
    "MS:1002314": "MS-Numpress short logged float",
    "MS:1002746": "MS-Numpress linear prediction followed by zlib",
    "MS:1002747": "MS-Numpress positive integer followed by zlib",
    "MS:1002748": "MS-Numpress short logged float followed by zlib",
    "MS:1003088": "truncation and zlib",
    "MS:1003089": "truncation, delta prediction and zlib",
    "MS:1003090": "truncation, linear prediction and zlib",
}

ANALYZERS: dict[str, Analyzer] = {"MS:1000484": "orbitrap", "MS:1000079": "fticr", "MS:1000084": "tof"}
MICROMETRES = {"UO:0000017": 1.0, "UO:0000018": 1e-3, "UO:0000016": 1e3, "UO:0000015": 1e4, "UO:0000008": 1e6}
"""Micrometres in a micrometre, nanometre, millimetre, centimetre, metre."""

SPECTRUM_TERMS = frozenset(
    {POSITION_X, POSITION_Y, EXTERNAL_OFFSET, EXTERNAL_LENGTH, ENCODED_LENGTH, TIC, LOWEST_MZ, HIGHEST_MZ}
    | {POSITIVE, NEGATIVE, CENTROID, PROFILE, MZ_ARRAY, INTENSITY_ARRAY, NO_COMPRESSION, ZLIB_COMPRESSION}
    | set(NUMBER_FORMATS)
    | set(OTHER_NUMBER_FORMATS)
    | set(OTHER_COMPRESSIONS)
)
"""What is looked for inside of a spectrum; everything else there is passed by."""
LAYOUT_TERMS = frozenset({EXTERNAL_OFFSET, EXTERNAL_LENGTH, ENCODED_LENGTH})
