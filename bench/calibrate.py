"""What the stages of a job use, measured on simulated datasets, and the coefficients of the estimate that fit it.

Runs each dataset as `ionfleet run` does and takes what the functions noted of themselves: CPU seconds, memory, requests
and bytes. CPU seconds are those of the machine's usual speed: what others on it change meanwhile is taken out by the
time of a fixed piece of work, beside which they are kept. Prints how well the present coefficients fit, then the table
of `ionfleet.coefficients`; with `--write` puts that in its place.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

import numpy as np
from shapes import Measured, Shape, local_deployment, measured

from ionfleet import coefficients as present
from ionfleet.estimate import drivers, expected
from ionfleet_simulate.simulation import DEMO, Simulation

LINE_LENGTH = 120
CPU = "cpu_seconds"
MEMORY = "peak_mb"
QUANTITIES = (CPU, "reads", "writes", "bytes_in", "bytes_out", MEMORY)
OF_MEMORY = frozenset({"buffered"})
"""Drivers that nothing but memory grows with."""

SHAPES = (
    Shape("demo", DEMO, 3774),
    Shape("few formulas", DEMO, 470),
    Shape("tiny", Simulation(width=20, height=20, peaks_per_spectrum=100, matrix_peaks=20, ions=20), 125),
    Shape(
        "nothing to see",
        Simulation(width=24, height=24, peaks_per_spectrum=100, matrix_peaks=20, ions=1, seed=10),
        60,
        {"segment_peaks": 600},
    ),
    Shape("60×60", Simulation(width=60, height=60), 1258),
    Shape(
        "many cuts",
        Simulation(width=60, height=60, peaks_per_spectrum=300, ions=300, seed=2),
        6000,
        {"sort_task_peaks": 4_000, "segment_peaks": 20_000},
    ),
    Shape(
        "110×110",
        Simulation(width=110, height=110, peaks_per_spectrum=700, ions=400, seed=4),
        943,
        {"sort_task_peaks": 1_000_000},
    ),
    Shape("150×120", Simulation(width=150, height=120, peaks_per_spectrum=400, ions=100, seed=5), 314),
    Shape(
        "many spectra",
        Simulation(width=300, height=300, peaks_per_spectrum=50, matrix_peaks=20, ions=40, seed=6),
        600,
        {"sort_task_peaks": 400_000, "segment_peaks": 500_000},
    ),
    Shape(
        "few cuts",
        Simulation(width=300, height=300, peaks_per_spectrum=130, ions=150, seed=8),
        1000,
        {"sort_task_peaks": 14_000_000, "segment_peaks": 30_000_000},
    ),
    Shape(
        "large images", Simulation(width=600, height=600, peaks_per_spectrum=30, matrix_peaks=5, ions=200, seed=9), 400
    ),
    Shape(
        "many large images",
        Simulation(width=800, height=800, peaks_per_spectrum=60, matrix_peaks=10, ions=120, seed=11),
        900,
    ),
    Shape("large", Simulation(width=160, height=160, peaks_per_spectrum=1300, ions=900, seed=7), 2500),
)


def fit(rows: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Return the coefficients, none negative, with the least relative errors: float64[drivers]."""
    if not values.any():
        return np.zeros(rows.shape[1])
    weights = 1 / np.maximum(values, values.max() * 1e-3)
    used = np.ones(rows.shape[1], bool)
    while True:
        found = np.zeros(rows.shape[1])
        scale = np.maximum(np.abs(rows[:, used]).max(axis=0), 1e-300)
        solution, *_ = np.linalg.lstsq(rows[:, used] * weights[:, None] / scale, values * weights, rcond=None)
        found[used] = solution / scale
        if (found >= 0).all():
            return found
        used[np.argmin(found * np.abs(rows).max(axis=0))] = False


def fitted(jobs: list[Measured]) -> dict[str, dict[str, dict[str, float]]]:
    """Fit every quantity of every stage.

    Raises
    ------
    SystemExit
        A stage was called by no job, so that nothing is known of it.

    """
    table: dict[str, dict[str, dict[str, float]]] = {}
    for stage in present.COEFFICIENTS:
        there = [job for job in jobs if stage in job.stages and stage in drivers(job.facts)]
        if not there:
            sys.exit(f"No job called {stage}: was its work found in a cache?")
        table[stage] = {quantity: _fit_quantity(stage, quantity, there, usual(jobs)) for quantity in QUANTITIES}
    return table


def _fit_quantity(stage: str, quantity: str, jobs: list[Measured], usual_probe: float) -> dict[str, float]:
    counts = [drivers(job.facts)[stage] for job in jobs]
    names = [name for name in counts[0] if quantity == MEMORY or name not in OF_MEMORY]
    # Memory is that of one task, which has its part of the work.
    rows = np.array([[each[name] / (each["tasks"] if quantity == MEMORY else 1) for name in names] for each in counts])
    slower = [job.probe / usual_probe if quantity == CPU else 1 for job in jobs]
    values = np.array([job.stages[stage][quantity] for job in jobs], float) / slower
    found = fit(rows, values)
    least = 1e-3 * values.max()
    return {
        name: float(f"{value:.3g}")
        for name, value, largest in zip(names, found, rows.max(axis=0), strict=True)
        if value * largest > least
    }


def usual(jobs: list[Measured]) -> float:
    """Return how long the fixed piece of work usually took."""
    return float(np.median([job.probe for job in jobs]))


def show_fit(shape: Shape, job: Measured) -> None:
    """Print what the present table expects of a job whose counts are known, over what was measured."""
    counts = drivers(job.facts)
    for quantity in (CPU, MEMORY):
        ratios = [
            f"{stage} {expected(stage, counts[stage])[quantity] / used[quantity]:.2f}"
            for stage, used in job.stages.items()
            if stage in counts and used[quantity]
        ]
        print(f"{shape.name}, {quantity} expected / measured: {', '.join(ratios)}")


def write(table: str, probe: float) -> None:
    """Put a table of coefficients, and the time of the fixed piece of work, in the place of the present ones."""
    path = Path(str(present.__file__))
    head = path.read_text().partition("PROBE_SECONDS = ")[0]
    note = '"""CPU seconds of a fixed piece of work (`bench/speed.py`) on the machine of these coefficients."""'
    kept = f"PROBE_SECONDS = {probe:.3g}\n{note}\n\n"
    path.write_text(f"{head}{kept}COEFFICIENTS: dict[str, dict[str, dict[str, float]]] = {table}\n")


def rendered(table: dict[str, dict[str, dict[str, float]]]) -> str:
    """Write the table as the formatter would."""
    lines = ["{"]
    for stage, quantities in table.items():
        lines += [f'    "{stage}": {{', *(_line(*each) for each in quantities.items()), "    },"]
    return "\n".join([*lines, "}"])


def _line(quantity: str, terms: dict[str, float]) -> str:
    line = f'        "{quantity}": {json.dumps(terms)},'
    if len(line) <= LINE_LENGTH:
        return line
    each = "".join(f'            "{name}": {value},\n' for name, value in terms.items())
    return f'        "{quantity}": {{\n{each}        }},'


def main() -> None:
    """Measure, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table to its module")
    arguments = parser.parse_args()
    deployment, jobs = local_deployment(), []
    for shape in SHAPES:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            jobs.append(measured(shape, Path(folder), deployment))
        show_fit(shape, jobs[-1])
    table = rendered(fitted(jobs))
    print("COEFFICIENTS =", table)
    if arguments.write:
        write(table, usual(jobs))


if __name__ == "__main__":
    main()
