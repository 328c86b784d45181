"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

PROBE_SECONDS = 0.307
"""CPU seconds of a fixed piece of work (`bench/speed.py`) on the machine of these coefficients."""

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.152, "spectra": 8.46e-06, "formulas": 1.46e-05},
        "reads": {"tasks": 34.2, "spectra": 0.000274},
        "writes": {"tasks": 12.2},
        "bytes_in": {"spectra": 2380.0},
        "bytes_out": {"imzml": 0.0154},
        "peak_mb": {"tasks": 159.0, "spectra": 0.000219, "formulas": 0.00282},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0214},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2980.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 119.0},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0194, "points": 9.42e-08, "rows": 9.57e-08},
        "reads": {"tasks": 4.73, "points": 8.42e-07, "rows": 3.43e-07},
        "writes": {"tasks": 2.69, "points": 4.69e-07, "rows": 3.33e-06},
        "bytes_in": {"tasks": 32700.0, "points": 11.9, "rows": 36.5},
        "bytes_out": {"points": 16.0},
        "peak_mb": {"tasks": 140.0, "points": 6.34e-05},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.057, "ions": 3.39e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 3150.0, "ions": 0.783},
        "bytes_out": {"tasks": 1960.0, "ions": 57.8},
        "peak_mb": {"tasks": 154.0, "ions": 0.0015},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.0418, "ions": 1.77e-06, "segments": 0.00274, "runs": 0.0015},
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 2.0},
        "bytes_in": {"ions": 63.7, "runs": 1540.0},
        "bytes_out": {"ions": 54.1, "segments": 1680.0, "runs": 117.0, "pairs": 20.7},
        "peak_mb": {"tasks": 145.0, "ions": 0.000537},
    },
    "annotate": {
        "cpu_seconds": {
            "tasks": 0.0149,
            "read": 2.95e-08,
            "kept": 3.36e-08,
            "ions": 1.99e-06,
            "hits": 1.96e-08,
            "rows": 6.24e-08,
            "ranges": 0.00117,
        },
        "reads": {"tasks": 4.8, "kept": 3.46e-06, "ranges": 0.828},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 65700.0, "read": 15.5, "ions": 50.0, "hits": 0.157, "rows": 56.7, "ranges": 58600.0},
        "bytes_out": {"tasks": 4200.0, "ions": 11.4, "hits": 0.642, "ranges": 32.0},
        "peak_mb": {"tasks": 152.0, "read": 2.84e-05, "ions": 0.000686, "hits": 2.14e-05, "rows": 0.000374},
    },
    "merge": {
        "cpu_seconds": {
            "tasks": 0.0917,
            "ions": 1.33e-06,
            "spectra": 7.18e-07,
            "segments": 0.00242,
            "opened": 0.0104,
            "shown": 0.000286,
            "values": 3.61e-08,
            "products": 1.41e-11,
        },
        "reads": {"tasks": 6.53, "spectra": 9.04e-05, "segments": 1.08, "opened": 4.21, "products": 1.38e-09},
        "writes": {"tasks": 12.0},
        "bytes_in": {"ions": 11.0, "spectra": 86.6, "segments": 3570.0, "opened": 35500.0, "values": 3.76},
        "bytes_out": {"tasks": 7750.0, "ions": 10.3, "spectra": 12.1, "segments": 77.5, "shown": 5380.0},
        "peak_mb": {"tasks": 154.0, "ions": 0.000246, "spectra": 0.000173, "values": 7.07e-06, "buffered": 8.2e-06},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.051, "images": 0.00128, "pixels": 3.86e-08},
        "reads": {"tasks": 6.29, "images": 0.0085, "pixels": 8.01e-08, "rows": 7.03e-05},
        "writes": {"tasks": 0.522, "images": 0.996, "pixels": 9.86e-07},
        "bytes_in": {"images": 400.0, "pixels": 1.56, "rows": 15.4},
        "bytes_out": {"images": 2210.0, "pixels": 1.05},
        "peak_mb": {"tasks": 130.0, "images": 0.164, "pixels": 7.9e-07, "rows": 0.00044},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.0625, "ions": 1.62e-07, "shown": 1.23e-05, "spectra": 4.24e-08},
        "reads": {"tasks": 21.0},
        "writes": {"tasks": 10.0},
        "bytes_in": {"tasks": 19700.0, "ions": 8.49, "shown": 5700.0, "spectra": 12.1},
        "bytes_out": {"tasks": 17200.0, "ions": 8.31, "shown": 5730.0, "spectra": 12.1},
        "peak_mb": {"tasks": 119.0, "ions": 2.58e-05, "shown": 0.0037, "spectra": 1.07e-05},
    },
}
