"""`ionfleet export`: files for other programs, made of a job's results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ionfleet.client import Results
from ionfleet.client.export import fdr_that_fits, first_image, write_pixel_intensities
from ionfleet.client.frames import Row
from ionfleet.client.pictures import coloured_png
from ionfleet_cli import terminal
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.named import is_here
from ionfleet_cli.results import ANNDATA, PICTURES, PIXELS


@dataclass(frozen=True)
class Wanted:
    """What to make: tables by their names in the folder, pictures of ions in colours, of which annotations."""

    tables: tuple[str, ...]
    ions: tuple[str, ...]
    colours: str
    fdr: float
    database: str | None


def folder_of(place: str) -> Path:
    """Return where the files of some results go that nobody named a folder for: to them, or to one named after them."""
    return Path(place) if is_here(place) else Path(f"{place.rstrip('/').rpartition('/')[2]}-export")


def export(results: Results, folder: Path, wanted: Wanted, console: Console) -> None:
    """Make the files of some results and print where they are.

    Raises
    ------
    ResultsError
        There is no such ion among them.
    CommandError
        What the files are made with is not installed.

    """
    rows = [_find(results, ion, wanted.database) for ion in wanted.ions]
    folder.mkdir(parents=True, exist_ok=True)
    if wanted.tables and (limit := fdr_that_fits(results, wanted.fdr, wanted.database)) < wanted.fdr:
        console.print(f"All annotations would be too large; the tables have those with an FDR up to {limit:.0%}.")
    for name in wanted.tables:
        with _appearing(folder / name) as path:
            _write_table(results, name, path, wanted)
        console.print(terminal.styled(str(folder / name)), soft_wrap=True)
    for row in rows:
        path = folder / PICTURES / f"{row['formula']}{row['modifier']}.png"
        path.parent.mkdir(exist_ok=True)
        parts = {"neutral_loss": row["neutral_loss"], "chem_mod": row["chem_mod"], "only_first_isotope": True}
        images = results.isotope_images(row["formula"], row["adduct"], **parts)
        path.write_bytes(coloured_png(first_image(images), results.mask(), wanted.colours))
        console.print(terminal.styled(str(path)), soft_wrap=True)


def _write_table(results: Results, name: str, path: Path, wanted: Wanted) -> None:
    if name == PIXELS:
        write_pixel_intensities(results, path, wanted.fdr, wanted.database)
        return
    try:
        results.to_anndata(wanted.fdr, wanted.database).write_h5ad(path)
    except ModuleNotFoundError as error:
        raise CommandError(f"{ANNDATA} is made with packages that are not installed. {error}") from None


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    """Give a hidden path to write to; the file takes its place where the block ends without an error."""
    hidden = path.with_name(f".{path.name}")
    try:
        yield hidden
        hidden.replace(path)
    finally:
        hidden.unlink(missing_ok=True)


def _find(results: Results, ion: str, database: str | None) -> Row:
    """Return the annotation that is meant by a formula and modifier, with or without the charge's sign."""
    rows = results.rows(database=database)
    found = next((row for row in rows if ion in (row["ion"], row["formula"] + row["modifier"])), None)
    if found is None:
        raise UsageError(f"{ion} is not among the annotations; there is {_some(rows)}.")
    return found


def _some(rows: Sequence[Row]) -> str:
    return ", ".join(row["formula"] + row["modifier"] for row in rows[:5]) or "none"
