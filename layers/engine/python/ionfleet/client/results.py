"""The results of one job."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ionfleet.client import frames
from ionfleet.client.filters import filtered
from ionfleet.client.images import HIGHEST, Image, IsotopeImages, clip_hotspots, decode, intensities, normalise
from ionfleet.client.source import ResultsError, open_source
from ionfleet.diagnostics import METADATA_KEY
from ionfleet.parquet import read_table
from ionfleet.report.scripts import OPTICAL

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from ionfleet.client.optical import OpticalImage

Scale = bool | Literal["TIC"] | npt.NDArray[np.float64]
"""Images in the dataset's intensities (True), in 0–1 (False), or divided by TIC or another image."""

_FETCHES = 8
_RETURNED = {"sumFormula": "formula", "msmScore": "score", "fdrLevel": "fdr", "rhoChaos": "chaos"} | frames.COLUMNS


class Metadata(dict[str, Any]):
    """What was said of the sample, with METASPACE's name for its JSON."""

    @property
    def json(self) -> str:
        """The same as JSON."""
        return json.dumps(self)


class Results:
    """The results of one job, in a folder or in a bucket. Whatever is read is read once, when it is first asked for.

    Parameters
    ----------
    address
        A folder that `ionfleet run` has filled, or `s3://bucket/results/<dataset>/<job>/`.
    client
        boto3's client for S3; None for one by the environment's credentials.

    Raises
    ------
    ResultsError
        There are no results.

    Examples
    --------
    >>> results = Results("brain-results")
    >>> results.name, results.polarity, results.databases
    ('brain', 'Positive', ['db'])
    >>> annotations = results.results(fdr=0.5)
    >>> list(annotations.index.names), float(annotations.msm.max()) <= 1
    (['formula', 'adduct'], True)
    >>> images = results.isotope_images("C6H12O6", "+K")
    >>> images, len(images), images[0].shape == results.tic_image().shape
    (IsotopeImages(C6H12O6+K), 4, True)
    >>> results.to_anndata().n_obs == results.image_size["x"] * results.image_size["y"]
    True

    """

    def __init__(self, address: str | Path, *, client: Any = None) -> None:
        self.address = str(address)
        self._source = open_source(address, client)
        self.summary: dict[str, Any] = json.loads(self._source.read("summary.json"))

    def __repr__(self) -> str:
        return f"Results({self.name} | ID: {self.id})"

    @property
    def id(self) -> str:
        """Id of the dataset."""
        return str(self.summary["dataset"]["id"])

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return str(self.summary["dataset"]["name"])

    @property
    def config(self) -> dict[str, Any]:
        """The configuration that the job was run with, every value known."""
        return dict(self.summary["configuration"])

    @property
    def metadata(self) -> Metadata:
        """What was said of the sample when the dataset was submitted."""
        return Metadata(self.config["metadata"])

    @property
    def status(self) -> str:
        """What METASPACE calls a dataset with results."""
        return "FINISHED"

    @property
    def s3dir(self) -> str:
        """The folder of the input bucket that the dataset was put into."""
        return str(self.summary["dataset"]["imzml"]["key"]).rpartition("/")[0]

    @property
    def adducts(self) -> list[str]:
        """The adducts that were looked for."""
        return list(self.config["adducts"])

    @property
    def polarity(self) -> Literal["Positive", "Negative"]:
        """Polarity of the ions."""
        return "Positive" if self.config["charge"] > 0 else "Negative"

    @property
    def databases(self) -> list[str]:
        """Names of the databases; where a method is given none, it takes the first."""
        return [database["name"] for database in self.summary["databases"]]

    @property
    def image_size(self) -> dict[str, int]:
        """Pixels along `x` and `y`."""
        return {"x": self.summary["dataset"]["width"], "y": self.summary["dataset"]["height"]}

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of every image."""
        return self.image_size["y"], self.image_size["x"]

    @cached_property
    def table(self) -> pa.Table:
        """The annotations of all databases, as docs/annotation.md describes `annotations.parquet`."""
        return read_table(self._source.read("annotations.parquet"))

    @cached_property
    def metrics(self) -> pa.Table:
        """Every scored ion, decoys too, as docs/annotation.md describes `metrics.parquet`."""
        return read_table(self._source.read("metrics.parquet"))

    @cached_property
    def _pixels(self) -> pa.Table:
        return read_table(self._source.read("diagnostics.parquet"))

    @property
    def pixel_size(self) -> tuple[float, float] | None:
        """Size of a pixel along x and y in micrometres, None where the imzML does not say."""
        size = json.loads(self._pixels.schema.metadata[METADATA_KEY])["pixel_size_um"]
        return None if size is None else (size[0], size[1])

    def annotations(
        self,
        fdr: float = 0.1,
        database: str | None = None,
        return_vals: Iterable[str] = ("sumFormula", "adduct"),
        **annotation_filter: Any,
    ) -> list[list[Any]]:
        """Return some columns of the annotations up to an FDR, a list each, under METASPACE's names or ours.

        Further arguments are filters under METASPACE's names (`ionfleet.client.filters`), such as `adduct="+K"`.
        """
        rows, names = filtered(self.rows(fdr, database), annotation_filter), list(return_vals)

        def value(row: frames.Row, name: str) -> Any:
            if name == "isotopeImages":
                return frames.isotope_images(row, self._source)
            return row[_RETURNED.get(name, name)]

        there = {*self.table.column_names, "isotopeImages"}
        unknown = [name for name in names if _RETURNED.get(name, name) not in there]
        if unknown:
            known = ", ".join([*_RETURNED, "isotopeImages"])
            raise ResultsError(f"Annotations have no {', '.join(unknown)}; they have {known}.")
        return [[value(row, name) for name in names] for row in rows]

    def results(
        self,
        database: str | None = None,
        fdr: float | None = None,
        coloc_with: str | None = None,
        include_chem_mods: bool = False,
        include_neutral_losses: bool = False,
        **annotation_filter: Any,
    ) -> pd.DataFrame:
        """Return annotations as a data frame.

        Parameters
        ----------
        database
            One of `databases`, None for the first.
        fdr
            The highest FDR, None for all that is shown (0.5).
        coloc_with
            An ion such as `C6H12O6+K+`: only what is colocalised with it at the level `fdr`, the best first, with a
            column `colocCoeff`.
        include_chem_mods, include_neutral_losses
            Keep annotations with modifications or losses; these are part of the index then.
        annotation_filter
            Filters under METASPACE's names: `sumFormula`, `adduct`, `chemMod`, `neutralLoss`, `ion`, `mzFilter` (a
            mapping of `min` and `max`), `compoundQuery` (part of a molecule's name), `hasChemMod`, `hasNeutralLoss`.

        Returns
        -------
        pandas.DataFrame
            Index `formula`, `adduct`; columns `ionFormula`, `ion`, `mz`, `msm` (or the scoring model's score),
            `rhoSpatial`, `rhoSpectral`, `moc`, `fdr`, `offSample`, `isotopeImages`, `moleculeNames`, `moleculeIds`,
            `intensity`.

        """
        rows = filtered(self.rows(fdr, database), annotation_filter)
        rows = [row for row in rows if include_chem_mods or not row["chem_mod"]]
        rows = [row for row in rows if include_neutral_losses or not row["neutral_loss"]]
        index = ["formula", "adduct"]
        index += ["chemMod"] * include_chem_mods + ["neutralLoss"] * include_neutral_losses
        if coloc_with is None:
            return frames.annotation_frame(rows, self._source, index)
        scores = self._colocalised_with(coloc_with, fdr, database)
        rows = sorted((row for row in rows if row["ion"] in scores), key=lambda row: -scores[row["ion"]])
        frame = frames.annotation_frame(rows, self._source, index)
        return frame.assign(colocCoeff=[scores[row["ion"]] for row in rows])

    def isotope_images(
        self,
        sf: str,
        adduct: str,
        only_first_isotope: bool = False,
        scale_intensity: Scale = True,
        hotspot_clipping: bool = False,
        neutral_loss: str = "",
        chem_mod: str = "",
    ) -> IsotopeImages:
        """Return the images of an annotated ion's isotope peaks.

        Parameters
        ----------
        sf, adduct, neutral_loss, chem_mod
            Formula as in the database, and the parts of the modifier.
        only_first_isotope
            Read the first image only.
        scale_intensity
            True for the dataset's intensities, False for 0–1, "TIC" for shares of each pixel's total ion count, or an
            image to divide by, float64[height, width].
        hotspot_clipping
            Limit each image to the 99th percentile of what is visible.

        Raises
        ------
        ResultsError
            There is no such annotation.

        """
        parts = {"formula": sf, "adduct": adduct, "neutral_loss": neutral_loss, "chem_mod": chem_mod}
        table = self.table
        for name, part in parts.items():
            table = table.filter(pc.field(name) == part)
        if not len(table):
            raise ResultsError(f"{sf}{chem_mod}{neutral_loss}{adduct} is not among the annotations of {self.name}.")
        scale = self.tic_image() if isinstance(scale_intensity, str) else scale_intensity
        return self._images(table.slice(0, 1).to_pylist()[0], only_first_isotope, scale, hotspot_clipping)

    def all_annotation_images(
        self,
        fdr: float = 0.1,
        database: str | None = None,
        only_first_isotope: bool = False,
        scale_intensity: Scale = True,
        hotspot_clipping: bool = False,
        **annotation_filter: Any,
    ) -> list[IsotopeImages]:
        """Return the images of all annotations up to an FDR, the best first.

        Arguments are those of `isotope_images`, and filters as `results` takes them.
        """
        scale = self.tic_image() if isinstance(scale_intensity, str) else scale_intensity
        rows = filtered(self.rows(fdr, database), annotation_filter)
        with ThreadPoolExecutor(_FETCHES) as pool:
            return list(pool.map(lambda row: self._images(row, only_first_isotope, scale, hotspot_clipping), rows))

    def optical_images(self) -> OpticalImage:
        """Return the optical image that the job was given, and how it lies beneath the ion images.

        Raises
        ------
        ResultsError
            It was given none.
        ModuleNotFoundError
            Pillow, which reads pictures, is not installed.

        """
        from ionfleet.client.optical import read_optical

        if self.config.get("optical_image") is None:
            raise ResultsError(f"{self.name} was annotated without an optical image.")
        return read_optical(self._source.read(OPTICAL), self.shape)

    def tic_image(self) -> npt.NDArray[np.float64]:
        """Return the total ion count, float64[height, width]; NaN where no spectrum was acquired."""
        image = np.full(self.shape, np.nan)
        columns = (self._pixels.column(name).to_numpy() for name in ("y", "x", "tic"))
        y, x, tic = columns
        image[y, x] = tic
        return image

    def mask(self) -> npt.NDArray[np.bool_]:
        """Return where a spectrum was acquired, bool[height, width]."""
        return ~np.isnan(self.tic_image())

    def colocalization(
        self,
        fdr: float = 0.1,
        database: str | None = None,
        algorithm: Literal["median_thresholded_cosine", "cosine"] = "median_thresholded_cosine",
    ) -> pd.DataFrame:
        """Return which annotations of a level are found in the same places.

        Parameters
        ----------
        fdr
            The level: 0.05, 0.1, 0.2 or 0.5.
        database
            One of `databases`, None for the first.
        algorithm
            The measure, see docs/annotation.md, Colocalization.

        Returns
        -------
        pandas.DataFrame
            Index `formula_a`, `modifier_a`; columns `formula_b`, `modifier_b`, `rank` (from 0) and `score`.

        """
        frame = self._partners(fdr, database, algorithm).to_pandas(strings_to_categorical=False)
        texts = dict.fromkeys(("formula_a", "modifier_a", "formula_b", "modifier_b"), str)
        return frame.astype(texts).set_index(["formula_a", "modifier_a"])

    def to_anndata(self, fdr: float = 0.5, database: str | None = None, *, use_tic: bool = False) -> AnnData:
        """Return the first images of all annotations as `ionfleet.client.export.to_anndata` does."""
        from ionfleet.client.export import to_anndata

        return to_anndata(self, fdr, database, use_tic=use_tic)

    def read(self, name: str) -> bytes:
        """Return the content of one of the results' files, such as `ion_images/C6H12O6+K_0.png`."""
        return self._source.read(name)

    def _database(self, name: str | None) -> str:
        if name is None:
            return self.databases[0]
        if name not in self.databases:
            raise ResultsError(
                f"Nothing was annotated with a database {name!r}; the databases are {', '.join(self.databases)}."
            )
        return name

    def rows(self, fdr: float | None = None, database: str | None = None) -> list[frames.Row]:
        """Return annotations up to an FDR as rows of `table`, the best first; None for all, and the first database."""
        table = self.table.filter(pc.field("database") == self._database(database))
        rows: list[frames.Row] = (table if fdr is None else table.filter(pc.field("fdr") <= fdr)).to_pylist()
        return rows

    def _images(
        self, row: frames.Row, only_first: bool, scale: bool | npt.NDArray[np.float64], clip: bool
    ) -> IsotopeImages:
        centroids = [mz for mz in row["theo_mz"] if mz > 0][: 1 if only_first else None]
        images = [self._image(row, peak, scale, clip) for peak in range(len(centroids))]
        return IsotopeImages(row["formula"], row["chem_mod"], row["neutral_loss"], row["adduct"], images, centroids)

    def _image(self, row: frames.Row, peak: int, scale: bool | npt.NDArray[np.float64], clip: bool) -> Image | None:
        points = row["nnz"][peak]
        if not points:
            return None if scale is False else np.zeros(self.shape, np.float32)
        grey = decode(self._source.read(frames.image_name(row, peak)))
        if scale is False:
            image = (grey / np.float32(HIGHEST)).astype(np.float32)
        else:
            image = intensities(grey, row["total_iso_ints"][peak], row["max_iso_ints"][peak], points)
        if isinstance(scale, np.ndarray):
            image = normalise(image, scale)
        if not clip:
            return image
        clipped = clip_hotspots(image)
        return clipped / (clipped.max() or np.float32(1)) if scale is False else clipped

    def _partners(self, fdr: float, database: str | None, algorithm: str) -> pa.Table:
        table = read_table(self._source.read("colocalization.parquet"))
        wanted = {"database": self._database(database), "fdr_level": fdr, "algorithm": algorithm}
        for name, value in wanted.items():
            table = table.filter(pc.field(name) == value)
        return table.drop_columns([*wanted])

    def _colocalised_with(self, ion: str, fdr: float | None, database: str | None) -> dict[str, float]:
        """Return the score of each ion, by its name, that is listed with one; 1 for that itself."""
        if fdr is None:
            raise ResultsError("What is colocalised depends on the level; give fdr with coloc_with, such as 0.1.")
        rows = self.rows(None, database)
        names = {(row["formula"], row["modifier"]): row["ion"] for row in rows}
        pairs = self._partners(fdr, database, "median_thresholded_cosine").to_pylist()
        listed = {
            names[pair["formula_b"], pair["modifier_b"]]: pair["score"]
            for pair in pairs
            if names[pair["formula_a"], pair["modifier_a"]] == ion
        }
        return {ion: 1.0} | listed if ion in names.values() else listed
