"""How long `ionfleet image` takes once a dataset is sorted: `make bench`.

The whole command, with the start of its interpreter, for several m/z of a simulated dataset of 200×200 pixels and 17
million peaks: wall and CPU time of the median one. The floor is the same interpreter with the command's imports.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from simulated import Case, make

from ionfleet_simulate.simulation import Simulation

CASE = Case(Simulation(width=200, height=200, seed=3, peaks_per_spectrum=600, matrix_peaks=40, ions=100), 500)
MZ = (184.0733, 496.3398, 760.5851, 798.5410, 885.5499)
COMMAND = "from ionfleet_cli.main import main; main()"
IMPORTS = "import ionfleet_cli.image"


def measured(code: str, *arguments: object) -> tuple[float, float]:
    """Return wall and CPU seconds of a Python program."""
    used, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", code, *map(str, arguments)], check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - used.ru_utime - used.ru_stime


def told(what: str, times: list[tuple[float, float]]) -> None:
    """Print the medians of some times."""
    wall, processor = (statistics.median(each) for each in zip(*times, strict=True))
    print(f"{what:44s} {wall:6.2f} s wall  {processor:6.2f} s CPU")


def main() -> None:
    """Measure and print."""
    made = make(CASE)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        place = ("--cache", folder, "--out", Path(folder, "image.png"))
        asked = [("image", made.imzml, "--mz", mz, *place) for mz in MZ]
        print(f"{made.spectra:,} spectra, {made.peaks:,} peaks")
        told("the first question, which sorts", [measured(COMMAND, *asked[0])])
        told("any later one", [measured(COMMAND, *each) for each in asked])
        told("floor: its imports", [measured(IMPORTS) for _ in MZ])


if __name__ == "__main__":
    main()
