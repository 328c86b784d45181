"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

PROBE_SECONDS = 0.405
"""CPU seconds of a fixed piece of work (`bench/speed.py`) on the machine of these coefficients."""

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.171, "imzml": 4.98e-09, "formulas": 3.65e-05},
        "reads": {"tasks": 34.2, "spectra": 0.000275},
        "writes": {"tasks": 12.3},
        "bytes_in": {"spectra": 2390.0, "formulas": 137.0},
        "bytes_out": {"imzml": 0.0154, "formulas": 3.07},
        "peak_mb": {"tasks": 134.0, "spectra": 0.000275, "formulas": 0.00308},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0246},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2960.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 97.2},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0258, "points": 1.03e-07, "rows": 9.4e-08},
        "reads": {"tasks": 4.74, "points": 8.45e-07},
        "writes": {"tasks": 2.68, "points": 4.52e-07, "rows": 5.13e-06},
        "bytes_in": {"tasks": 31000.0, "points": 11.9, "rows": 36.9},
        "bytes_out": {"points": 16.0},
        "peak_mb": {"tasks": 117.0, "points": 6.27e-05, "rows": 7.68e-06},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.0869, "ions": 4.22e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 3190.0, "ions": 0.766},
        "bytes_out": {"tasks": 1960.0, "ions": 57.8},
        "peak_mb": {"tasks": 132.0, "ions": 0.00157},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.0376, "ions": 2.3e-06, "segments": 0.00437, "runs": 0.00225},
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 2.0},
        "bytes_in": {"ions": 62.4, "runs": 1360.0},
        "bytes_out": {"ions": 54.1, "segments": 1680.0, "runs": 107.0, "pairs": 20.7},
        "peak_mb": {"tasks": 122.0, "ions": 0.000543},
    },
    "annotate": {
        "cpu_seconds": {
            "tasks": 0.0195,
            "read": 4.41e-08,
            "kept": 4.74e-08,
            "ions": 3.65e-06,
            "hits": 1.04e-08,
            "ranges": 0.00153,
        },
        "reads": {"tasks": 4.81, "kept": 3.39e-06, "ranges": 0.827},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 63200.0, "read": 15.3, "ions": 48.1, "hits": 0.31, "rows": 62.1, "ranges": 58500.0},
        "bytes_out": {"tasks": 4200.0, "ions": 11.1, "hits": 0.613, "ranges": 34.6},
        "peak_mb": {
            "tasks": 127.0,
            "read": 4.92e-05,
            "ions": 0.000699,
            "hits": 1.17e-05,
            "rows": 0.000175,
            "ranges": 0.00211,
        },
    },
    "merge": {
        "cpu_seconds": {
            "tasks": 0.0861,
            "ions": 2.57e-06,
            "spectra": 1.56e-06,
            "segments": 0.00332,
            "opened": 0.0136,
            "shown": 0.000607,
            "buffered": 4.57e-08,
            "products": 3.21e-11,
        },
        "reads": {"tasks": 6.36, "spectra": 0.000116, "segments": 1.08, "opened": 4.21, "products": 1.37e-09},
        "writes": {"tasks": 12.0},
        "bytes_in": {
            "ions": 10.2,
            "spectra": 81.0,
            "segments": 3600.0,
            "opened": 33800.0,
            "values": 2.23,
            "buffered": 1.8,
        },
        "bytes_out": {"tasks": 7780.0, "ions": 10.3, "spectra": 12.2, "segments": 77.1, "shown": 5370.0},
        "peak_mb": {"tasks": 132.0, "ions": 0.000122, "spectra": 4.84e-05, "shown": 0.0322, "buffered": 1.76e-05},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0533, "images": 0.00172, "pixels": 5.68e-08},
        "reads": {"tasks": 7.56, "pixels": 5.45e-07},
        "writes": {"images": 0.986, "pixels": 1.58e-06},
        "bytes_in": {"images": 336.0, "pixels": 1.7},
        "bytes_out": {"images": 2370.0, "pixels": 1.0},
        "peak_mb": {"tasks": 123.0, "images": 0.0825, "pixels": 2.67e-06},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.081, "ions": 3.06e-07, "shown": 3.51e-05},
        "reads": {"tasks": 21.0},
        "writes": {"tasks": 10.0},
        "bytes_in": {"tasks": 19500.0, "ions": 11.7, "shown": 6050.0},
        "bytes_out": {"tasks": 17100.0, "ions": 11.4, "shown": 6110.0},
        "peak_mb": {"tasks": 98.0, "ions": 1.8e-05, "shown": 0.00308},
    },
}
