"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.104, "imzml": 2.18e-08, "formulas": 7.47e-06},
        "reads": {"tasks": 18.5, "imzml": 2.31e-07, "formulas": 0.000921},
        "writes": {"tasks": 12.2},
        "bytes_in": {"imzml": 1.0},
        "bytes_out": {"tasks": 8610.0, "imzml": 0.0153},
        "peak_mb": {"tasks": 125.0, "imzml": 1.98e-07, "formulas": 0.00227},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0235},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2300.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 80.4},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0423, "points": 1.73e-07},
        "reads": {"tasks": 5.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 8870.0, "points": 12.0, "rows": 36.1},
        "bytes_out": {"points": 16.0, "rows": 0.186},
        "peak_mb": {"tasks": 97.0, "points": 9.54e-05, "rows": 0.00058},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.123, "ions": 5.23e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 2200.0, "ions": 0.789},
        "bytes_out": {"ions": 71.8},
        "peak_mb": {"tasks": 122.0, "ions": 0.00505},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.0603, "ions": 4.11e-06, "runs": 0.00243},
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 1.0},
        "bytes_in": {"ions": 69.7, "segments": 4570.0, "runs": 14000.0},
        "bytes_out": {"ions": 64.9},
        "peak_mb": {"tasks": 150.0, "ions": 0.000814},
    },
    "annotate": {
        "cpu_seconds": {"tasks": 0.0536, "points": 7.41e-08, "ions": 5.23e-06, "hits": 7.83e-07, "rows": 4.49e-08},
        "reads": {"tasks": 4.0, "pairs": 2.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"points": 15.3, "ions": 45.2, "hits": 4.05, "rows": 63.7, "pairs": 82300.0},
        "bytes_out": {"ions": 7.3, "hits": 2.16},
        "peak_mb": {"tasks": 107.0, "points": 7.86e-05, "ions": 0.00302, "hits": 0.000114, "pairs": 4.46},
    },
    "merge": {
        "cpu_seconds": {"tasks": 0.115, "ions": 2.87e-06},
        "reads": {"tasks": 4.0, "segments": 1.0},
        "writes": {"tasks": 7.0},
        "bytes_in": {"ions": 4.62, "shown": 3800.0, "segments": 16600.0},
        "bytes_out": {"ions": 9.51, "shown": 3590.0, "segments": 14100.0},
        "peak_mb": {"tasks": 131.0, "ions": 0.000515},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0985, "images": 0.00254, "pixels": 3.53e-08},
        "reads": {"tasks": 5.91, "pixels": 3.92e-06},
        "writes": {"images": 0.944},
        "bytes_in": {"images": 230.0, "pixels": 2.3},
        "bytes_out": {"images": 1150.0, "pixels": 0.316},
        "peak_mb": {"tasks": 134.0, "images": 0.0887, "pixels": 1.04e-05},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.0571, "ions": 1.8e-07},
        "reads": {"tasks": 11.0},
        "writes": {"tasks": 5.0},
        "bytes_in": {"ions": 15.3, "shown": 2620.0},
        "bytes_out": {"ions": 14.6, "shown": 2790.0},
        "peak_mb": {"tasks": 80.4, "ions": 2.99e-05, "shown": 0.000662},
    },
}
