"""`ionfleet image`: where a dataset has signal at an m/z, whatever is known of that m/z."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console

from ionfleet.client import Results
from ionfleet.client.pictures import coloured_png
from ionfleet.image_at import ImageAt, image_at
from ionfleet_aws.stores import S3Store
from ionfleet_cli import terminal
from ionfleet_cli.deployment import Address
from ionfleet_cli.failures import UsageError
from ionfleet_cli.local_files import find_dataset
from ionfleet_cli.named import dataset_beside, find_deployed, is_here, is_results
from ionfleet_cli.s3 import SCHEME, open_bucket, split
from ionfleet_cli.sorted_datasets import SortedCache, SortedDataset, open_runs

ARRAY = ".npy"
PICTURE = ".png"


@dataclass(frozen=True)
class Where:
    """Where sorted runs are kept on this machine, which deployment a job is of, and where results are told."""

    cache: Path
    address: Address
    console: Console


def show_image(place: str, window: tuple[float, float], out: Path | None, colours: str, where: Where) -> None:
    """Write the image of a window, m/z ± ppm, and print what it holds.

    Parameters
    ----------
    place
        An imzML file, a folder of results, `s3://<work bucket>/datasets/<dataset id>/`, or a job.
    window
        m/z and ppm.
    out
        A picture or an array, by the extension; by default a picture named after dataset and m/z.
    colours
        Of a picture.
    where
        Where runs are kept, which deployment a job is of, and where it is said.

    Raises
    ------
    InvalidInputError
        There is no such dataset or window.
    UsageError
        The file is to be neither PNG nor NumPy array, or there is no such job.

    """
    mz, ppm = window
    path = out or Path(f"{_stem(place)}-mz{mz:.4f}{PICTURE}")
    if path.suffix.lower() not in (PICTURE, ARRAY):
        raise UsageError(f"{path} is neither {PICTURE} nor {ARRAY}; give --out a file of one of these kinds.")
    dataset = open_sorted(place, where)
    image = image_at(dataset.store, dataset.runs, dataset.grid, mz, ppm)
    path.write_bytes(_array(image) if path.suffix.lower() == ARRAY else _picture(image, colours))
    terminal.print_facts(_facts(image), where.console)
    where.console.print(terminal.styled(str(path), "bold"), soft_wrap=True)


def open_sorted(place: str, where: Where) -> SortedDataset:
    """Return the sorted runs of a dataset or of a job's, as `show_image` is told them; raises what that raises."""
    if place.startswith(SCHEME):
        bucket, key = split(place)
        return open_runs(open_bucket(bucket), key.removeprefix("datasets/").partition("/")[0], place)
    if is_here(place):
        return _sorted_here(Path(place), where)
    job = find_deployed(place, where.address)
    work = job.deployment.buckets.work
    store = S3Store(job.deployment.client("s3"), work.name, owner=work.owner)
    return open_runs(store, job.status.dataset, job.status.job)


def _sorted_here(path: Path, where: Where) -> SortedDataset:
    cache = SortedCache(where.cache)
    if not is_results(path):
        return cache.opened(find_dataset(path), where.console)
    results = Results(path)
    return cache.kept(results.id, str(path)) or cache.opened(find_dataset(dataset_beside(path, results)), where.console)


def _stem(place: str) -> str:
    path = Path(place.rstrip("/"))
    return path.stem if path.suffix.lower() == ".imzml" else path.name


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
