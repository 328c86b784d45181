"""How the use of each stage grows with what it works on: printed by `bench/calibrate.py`, kept as it came.

By stage and quantity (`cpu_seconds` on one core of the machine it ran on, requests and bytes of S3), so much for each
of the drivers of the stage, which `ionfleet.estimate.drivers` counts. What adds less than a thousandth is left out.
"""

from __future__ import annotations

COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {
    "plan": {
        "cpu_seconds": {"tasks": 0.25, "imzml": 5.7e-09, "formulas": 1.71e-05},
        "reads": {"tasks": 34.0, "imzml": 2.28e-07, "formulas": 0.000873},
        "writes": {"tasks": 12.2},
        "bytes_in": {"imzml": 1.0},
        "bytes_out": {"tasks": 8350.0, "imzml": 0.0153, "formulas": 1.1},
        "peak_mb": {"tasks": 125.0, "imzml": 1.93e-07, "formulas": 0.00221},
    },
    "launch": {
        "cpu_seconds": {"tasks": 0.0242},
        "reads": {"tasks": 2.0},
        "writes": {"tasks": 1.0},
        "bytes_in": {"tasks": 2300.0},
        "bytes_out": {},
        "peak_mb": {"tasks": 80.9},
    },
    "sort": {
        "cpu_seconds": {"tasks": 0.0138, "points": 2.43e-07, "rows": 9.72e-08},
        "reads": {"tasks": 5.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"tasks": 11600.0, "points": 12.0, "rows": 31.4},
        "bytes_out": {"points": 16.0},
        "peak_mb": {"tasks": 120.0, "points": 4.7e-05, "rows": 0.000105},
    },
    "isotopes": {
        "cpu_seconds": {"tasks": 0.0849, "ions": 5.68e-05},
        "reads": {"tasks": 3.0},
        "writes": {"tasks": 2.0},
        "bytes_in": {"tasks": 2210.0, "ions": 0.787},
        "bytes_out": {"ions": 71.8},
        "peak_mb": {"tasks": 121.0, "ions": 0.00516},
    },
    "partition": {
        "cpu_seconds": {"tasks": 0.0663, "ions": 1.2e-07, "chunks": 0.0442, "segments": 0.005, "pairs": 1e-06},
        "reads": {"tasks": 2.0, "chunks": 1.0, "runs": 1.0},
        "writes": {"tasks": 3.0, "segments": 2.0},
        "bytes_in": {"ions": 69.2, "segments": 18500.0},
        "bytes_out": {"ions": 64.9},
        "peak_mb": {"tasks": 151.0, "ions": 0.000634},
    },
    "annotate": {
        "cpu_seconds": {"tasks": 0.0559, "read": 7.07e-08, "ions": 7.19e-06, "hits": 2.1e-07, "ranges": 0.00183},
        "reads": {"tasks": 5.0, "ranges": 1.0},
        "writes": {"tasks": 3.0},
        "bytes_in": {"read": 15.2, "ions": 44.6, "hits": 1.4, "rows": 31.4, "ranges": 65000.0},
        "bytes_out": {"ions": 7.19, "hits": 0.7, "ranges": 444.0},
        "peak_mb": {
            "tasks": 111.0,
            "read": 6e-05,
            "ions": 0.00279,
            "hits": 2.6e-05,
            "rows": 0.000105,
            "ranges": 0.2,
        },
    },
    "merge": {
        "cpu_seconds": {"tasks": 0.0943, "ions": 3.43e-06, "segments": 0.00329},
        "reads": {"tasks": 4.0, "segments": 1.0},
        "writes": {"tasks": 7.0},
        "bytes_in": {"ions": 6.85, "shown": 3370.0, "segments": 10200.0},
        "bytes_out": {"ions": 11.6, "shown": 2930.0, "segments": 8800.0},
        "peak_mb": {"tasks": 129.0, "ions": 0.000531},
    },
    "render": {
        "cpu_seconds": {"tasks": 0.0315, "images": 0.0025, "pixels": 1.23e-07},
        "reads": {"tasks": 6.0, "pixels": 4.01e-06},
        "writes": {"images": 0.944},
        "bytes_in": {"images": 162.0, "pixels": 2.29},
        "bytes_out": {"images": 1150.0, "pixels": 0.316},
        "peak_mb": {"tasks": 129.0, "images": 0.0859, "pixels": 1.19e-05},
    },
    "publish": {
        "cpu_seconds": {"tasks": 0.0588, "shown": 6.85e-05},
        "reads": {"tasks": 11.0},
        "writes": {"tasks": 5.0},
        "bytes_in": {"ions": 15.2, "shown": 2620.0},
        "bytes_out": {"ions": 14.6, "shown": 2790.0},
        "peak_mb": {"tasks": 80.5, "ions": 2.99e-05, "shown": 0.000595},
    },
}
