"""Results of a job in Python: tables as data frames, ion images as arrays.

    from ionfleet.client import Results

    results = Results("brain-results")                                     # a folder that `ionfleet run` has filled
    results = Results("s3://bucket/results/ds-0123…/job-0123…/")           # or the same in the cloud
    annotations = results.results(fdr=0.1)
    images = results.isotope_images("C42H82NO8P", "+K")

Names and shapes are those of metaspace2020's `SMDataset`. This is a library for notebooks, in no Lambda layer. Tables
need pandas, `to_anndata` needs anndata: `pip install 'ionfleet[client]'`.
"""

from __future__ import annotations

from ionfleet.client.images import IsotopeImages
from ionfleet.client.results import Results
from ionfleet.client.source import ResultsError

__all__ = ["IsotopeImages", "Results", "ResultsError"]
