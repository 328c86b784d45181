"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.00503, "imzml": 2.14e-08, "formulas": 1.23e-05},
        "reads": {"tasks": 13.2, "imzml": 2.58e-07},
        "writes": {"tasks": 12.0},
        "bytes_in": {"spectra": 180.0, "imzml": 0.921, "formulas": 10.4},
        "bytes_out": {"tasks": 8050.0, "imzml": 0.0151},
    },
    "launch": {
        "cpu_seconds": {"tasks": 7.82e-05},
        "reads": {"tasks": 1.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2680.0},
        "bytes_out": {},
    },
    "sort": {
        "cpu_seconds": {"points": 1.45e-07},
        "reads": {"tasks": 4.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"points": 12.2},
        "bytes_out": {"points": 16.0},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.00522, "ions": 0.000154},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 432.0, "ions": 1.7},
        "bytes_out": {"ions": 71.7},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.00347, "ions": 1.66e-06, "segments": 0.0003},
        "reads": {"tasks": 2.54, "chunks": 0.653, "segments": 0.927},
        "writes": {"tasks": 3.0, "segments": 1.0},
        "bytes_in": {"ions": 71.0, "segments": 13000.0},
        "bytes_out": {"ions": 65.8, "chunks": 1790.0},
    },
    "annotate": {
        "cpu_seconds": {"points": 3.03e-08, "ions": 2.12e-06, "hits": 8.27e-07},
        "reads": {"tasks": 4.72, "points": 5.16e-06},
        "writes": {"tasks": 3.0},
        "bytes_in": {"points": 16.7, "ions": 65.9},
        "bytes_out": {"points": 0.113, "ions": 5.01, "hits": 3.51},
    },
    "merge": {
        "cpu_seconds": {"tasks": 0.0234, "ions": 1.79e-06, "shown": 7.35e-05, "segments": 0.00246},
        "reads": {"tasks": 4.0, "segments": 1.0},
        "writes": {"tasks": 7.0},
        "bytes_in": {"ions": 7.14, "shown": 2920.0, "segments": 5630.0},
        "bytes_out": {"ions": 10.4, "shown": 2920.0, "segments": 11700.0},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0041, "pixels": 1.32e-07},
        "reads": {"tasks": 5.62, "pixels": 3.66e-06},
        "writes": {"images": 0.847, "pixels": 1.15e-05},
        "bytes_in": {"tasks": 22800.0, "pixels": 2.16},
        "bytes_out": {"images": 31.3, "pixels": 0.681},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.000585, "ions": 1.44e-09},
        "reads": {"tasks": 10.0},
        "writes": {"tasks": 7.0},
        "bytes_in": {"ions": 13.5, "shown": 2610.0},
        "bytes_out": {"ions": 13.7, "shown": 2570.0},
    },
}
