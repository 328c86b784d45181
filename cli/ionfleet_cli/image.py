"""`ionfleet image`: where a dataset has signal at an m/z, whatever is known of that m/z."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from rich.console import Console

from ionfleet.client.pictures import coloured_png
from ionfleet.image_at import ImageAt, image_at
from ionfleet_cli import terminal
from ionfleet_cli.failures import UsageError
from ionfleet_cli.sorted_datasets import open_sorted

ARRAY = ".npy"
PICTURE = ".png"


def show_image(place: str, mz: float, ppm: float, out: Path | None, colours: str, console: Console) -> None:
    """Write the image at an m/z and print what it holds.

    Raises
    ------
    InvalidInputError
        There is no such dataset or window.
    UsageError
        The file is to be neither PNG nor NumPy array.

    """
    path = out or Path(f"{_stem(place)}-mz{mz:.4f}{PICTURE}")
    if path.suffix.lower() not in (PICTURE, ARRAY):
        raise UsageError(f"{path} is neither {PICTURE} nor {ARRAY}; give --out a file of one of these kinds.")
    dataset = open_sorted(place, console)
    image = image_at(dataset.store, dataset.runs, dataset.grid, mz, ppm)
    path.write_bytes(_array(image) if path.suffix.lower() == ARRAY else _picture(image, colours))
    terminal.print_facts(_facts(image), console)
    console.print(terminal.styled(str(path), "bold"))


def _stem(place: str) -> str:
    return Path(place.rstrip("/")).stem


def _picture(image: ImageAt, colours: str) -> bytes:
    return coloured_png(image.intensity, image.sampled, colours)


def _array(image: ImageAt) -> bytes:
    """Return the intensities as NumPy keeps them, NaN where nothing was sampled."""
    out = io.BytesIO()
    np.save(out, np.where(image.sampled, image.intensity, np.float32(np.nan)))
    return out.getvalue()


def _facts(image: ImageAt) -> dict[str, str]:
    signal, total = int((image.intensity > 0).sum()), image.intensity.sum(dtype=np.float64)
    return {
        "window": f"m/z {image.lower:.5f} to {image.upper:.5f}",
        "peaks": f"{image.peaks:,}" + ("" if image.mean_mz is None else f", at m/z {image.mean_mz:.5f} on average"),
        "pixels": f"{signal:,} with signal of {int(image.sampled.sum()):,}",
        "intensity": f"{image.intensity.max(initial=0):,.6g} at most, {total:,.6g} in all",
    }
