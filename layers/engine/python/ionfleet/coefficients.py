"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.201, "imzml": 6.72e-09, "formulas": 2.49e-05},
        "reads": {"tasks": 33.9, "imzml": 1.3e-07},
        "writes": {"tasks": 12.3},
        "bytes_in": {"tasks": 238000.0, "imzml": 1.07, "formulas": 107.0},
        "bytes_out": {"tasks": 8880.0, "imzml": 0.0154, "formulas": 1.12},
        "peak_mb": {"tasks": 131.0, "imzml": 2.97e-07, "formulas": 0.00309},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0272},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 3040.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 97.8},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0204, "points": 1.32e-07, "rows": 2.25e-07},
        "reads": {"tasks": 4.86, "points": 5.8e-07},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 12800.0, "points": 12.0, "rows": 36.4},
        "bytes_out": {"points": 16.0},
        "peak_mb": {"tasks": 115.0, "points": 6.25e-05, "rows": 0.000175},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.039, "ions": 5.06e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 2290.0, "ions": 0.92},
        "bytes_out": {"tasks": 2900.0, "ions": 57.7},
        "peak_mb": {"tasks": 135.0, "ions": 0.00127},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.042, "ions": 1.97e-06, "segments": 0.0082, "runs": 0.000438},
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 2.0},
        "bytes_in": {"ions": 55.4, "segments": 18600.0},
        "bytes_out": {"ions": 53.4, "segments": 2820.0},
        "peak_mb": {"tasks": 122.0, "ions": 0.000534},
    },
    "annotate": {
        "cpu_seconds": {"tasks": 0.0617, "read": 2.87e-08, "ions": 1.61e-07, "hits": 5.58e-08, "ranges": 0.00112},
        "reads": {"tasks": 5.0, "ranges": 1.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"read": 15.3, "ions": 40.3, "hits": 0.711, "rows": 50.1, "ranges": 115000.0},
        "bytes_out": {"ions": 13.9, "hits": 0.536, "ranges": 254.0},
        "peak_mb": {
            "tasks": 112.0,
            "read": 6.95e-05,
            "ions": 0.000994,
            "hits": 1.73e-05,
            "rows": 0.000132,
            "ranges": 0.168,
        },
    },
    "merge": {
        "cpu_seconds": {"tasks": 0.105, "segments": 0.0171, "shown": 0.00114, "values": 7.63e-08},
        "reads": {"tasks": 3.77, "segments": 5.47, "shown": 0.0145},
        "writes": {"tasks": 12.0},
        "bytes_in": {"spectra": 84.9, "segments": 32800.0, "shown": 9430.0, "values": 2.62, "products": 0.000149},
        "bytes_out": {"tasks": 8280.0, "ions": 9.93, "spectra": 13.5, "shown": 5420.0},
        "peak_mb": {"tasks": 128.0, "ions": 9.39e-05, "spectra": 0.000327, "shown": 0.0646, "values": 1.86e-05},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0715, "images": 0.00162, "pixels": 6.38e-08},
        "reads": {"tasks": 7.32, "pixels": 1.26e-06},
        "writes": {"images": 0.972, "pixels": 2e-06},
        "bytes_in": {"images": 314.0, "pixels": 1.68},
        "bytes_out": {"images": 2790.0, "pixels": 0.864},
        "peak_mb": {"tasks": 111.0, "images": 0.0479, "pixels": 1.58e-05},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.0938, "shown": 7.26e-06},
        "reads": {"tasks": 21.0},
        "writes": {"tasks": 10.0},
        "bytes_in": {"ions": 14.0, "shown": 5210.0},
        "bytes_out": {"ions": 14.0, "shown": 5210.0},
        "peak_mb": {"tasks": 97.6, "ions": 1.89e-05, "shown": 0.00342},
    },
}
