"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

PROBE_SECONDS = 0.313
"""CPU seconds of a fixed piece of work (`bench/speed.py`) on the machine of these coefficients."""

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.129, "imzml": 3.91e-09, "formulas": 2.45e-05},
        "reads": {"tasks": 33.9, "spectra": 0.000275},
        "writes": {"tasks": 12.1},
        "bytes_in": {"spectra": 2380.0},
        "bytes_out": {"imzml": 0.0154},
        "peak_mb": {"tasks": 158.0, "spectra": 0.000226, "formulas": 0.00275},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0214},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2980.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 120.0},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0191, "points": 1.13e-07},
        "reads": {"tasks": 4.73, "points": 8.42e-07, "rows": 3.43e-07},
        "writes": {"tasks": 2.69, "points": 4.69e-07, "rows": 3.33e-06},
        "bytes_in": {"tasks": 32700.0, "points": 11.9, "rows": 36.5},
        "bytes_out": {"points": 16.0},
        "peak_mb": {"tasks": 140.0, "points": 6.13e-05, "rows": 7.12e-06},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.0706, "ions": 3.41e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 3150.0, "ions": 0.783},
        "bytes_out": {"tasks": 1960.0, "ions": 57.8},
        "peak_mb": {"tasks": 155.0, "ions": 0.00136},
    },
    "partition": {
        "cpu_seconds": {
            "tasks": 0.0294,
            "ions": 1.16e-06,
            "chunks": 0.0151,
            "segments": 0.00301,
            "runs": 0.000443,
            "pairs": 1.68e-06,
        },
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 2.0},
        "bytes_in": {"ions": 63.7, "runs": 1540.0},
        "bytes_out": {"ions": 54.1, "segments": 1680.0, "runs": 117.0, "pairs": 20.7},
        "peak_mb": {"tasks": 145.0, "ions": 0.00055},
    },
    "annotate": {
        "cpu_seconds": {"tasks": 0.0145, "read": 2.21e-08, "kept": 9.2e-08, "ions": 4.4e-06, "ranges": 0.00114},
        "reads": {"tasks": 4.8, "kept": 3.46e-06, "ranges": 0.828},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 65700.0, "read": 15.5, "ions": 50.0, "hits": 0.157, "rows": 56.7, "ranges": 58600.0},
        "bytes_out": {"tasks": 4200.0, "ions": 11.4, "hits": 0.642, "ranges": 32.0},
        "peak_mb": {"tasks": 153.0, "read": 2.74e-05, "ions": 0.000624, "hits": 2.39e-05, "rows": 0.000351},
    },
    "merge": {
        "cpu_seconds": {
            "tasks": 0.0788,
            "ions": 7.84e-07,
            "spectra": 9.9e-07,
            "segments": 0.00229,
            "opened": 0.0099,
            "shown": 0.000632,
            "values": 4.63e-08,
            "products": 9.86e-12,
        },
        "reads": {"tasks": 6.53, "spectra": 9.04e-05, "segments": 1.08, "opened": 4.21, "products": 1.38e-09},
        "writes": {"tasks": 12.0},
        "bytes_in": {
            "ions": 10.5,
            "spectra": 85.5,
            "segments": 3580.0,
            "opened": 34200.0,
            "values": 3.28,
            "buffered": 0.633,
        },
        "bytes_out": {"tasks": 7750.0, "ions": 10.3, "spectra": 12.1, "segments": 77.5, "shown": 5380.0},
        "peak_mb": {"tasks": 154.0, "ions": 0.000248, "spectra": 0.000173, "values": 6.6e-06, "buffered": 8.84e-06},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0248, "images": 0.0014, "pixels": 4.47e-08},
        "reads": {"tasks": 7.59, "pixels": 5.33e-07},
        "writes": {"tasks": 0.522, "images": 0.996, "pixels": 9.86e-07},
        "bytes_in": {"images": 306.0, "pixels": 1.71},
        "bytes_out": {"images": 2210.0, "pixels": 1.05},
        "peak_mb": {"tasks": 148.0, "images": 0.0683, "pixels": 3.12e-06},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.0627, "ions": 1.79e-07, "shown": 9.38e-06, "spectra": 5.08e-08},
        "reads": {"tasks": 21.0},
        "writes": {"tasks": 10.0},
        "bytes_in": {"tasks": 19700.0, "ions": 8.49, "shown": 5700.0, "spectra": 12.1},
        "bytes_out": {"tasks": 17200.0, "ions": 8.31, "shown": 5730.0, "spectra": 12.1},
        "peak_mb": {"tasks": 120.0, "ions": 3.5e-05, "shown": 0.000914, "spectra": 1.14e-05},
    },
}
