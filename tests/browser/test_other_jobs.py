"""The page of jobs that are out of the ordinary: scored by a model, without annotations, with thousands of them."""

from __future__ import annotations

import json
import re
import shutil
from itertools import cycle, islice
from pathlib import Path

import pyarrow as pa

from ionfleet.databases import Database
from ionfleet.report.scripts import script

from ..unit.scoring_models import random_model
from ..unit.small_jobs import FORMULAS, SmallJob, database, dataset
from .conftest import published
from .looking import ALL, Show, column, counted, walked_to

LINKS = {
    "HMDB0000122": "https://hmdb.ca/metabolites/HMDB0000122",
    "CHEBI:17234": "https://www.ebi.ac.uk/chebi/CHEBI:17234",
    "LMGP01010005": "https://www.lipidmaps.org/databases/lmsd/LMGP01010005",
    "SLM:000000510": "https://www.swisslipids.org/#/entity/SLM:000000510/",
    "C00031": "https://www.kegg.jp/entry/C00031",
    "CID5793": "https://pubchem.ncbi.nlm.nih.gov/compound/5793",
}
"""Where the molecules of these ids are described."""


class TestOtherJobs:
    def test_what_a_model_scored_is_shown_by_its_score(self, show: Show, tmp_path: Path) -> None:
        databases = [database(FORMULAS, "one")]
        fields = {"adducts": ["+H", "+Na"], "scoring_model": "animal"}
        spectra = dataset(1, ions=[f"{formula}H" for formula in ("C6H12O6", "C10H16N5O13P3")])
        small = SmallJob(spectra, databases, fields)
        small.stores.input.create("models/animal.json", json.dumps(random_model(1)).encode())
        rows = small.run().table("annotations.parquet").sort_by([("fdr", "ascending"), ("score", "descending")])
        page = show(ALL, published(small, tmp_path))
        heads = page.get_by_role("grid").get_by_role("columnheader").all_inner_texts()
        assert [re.sub(r"\W+$", "", head.strip()) for head in heads] == ["Ion", "m/z", "Score", "FDR", "Molecules"]
        shown = column(page, 3)
        assert shown == [f"{score:.3f}" for score in rows.column("score").to_pylist()]
        assert shown != [f"{msm:.3f}" for msm in rows.column("msm").to_pylist()]
        assert "What the model animal makes of the others" in page.locator(".scores").inner_text()

    def test_a_job_without_annotations_says_so(self, show: Show, tmp_path: Path) -> None:
        small = SmallJob(dataset(1), [database(["C90H90"], "one")], {"adducts": ["+K"]}).run()
        assert small.table("annotations.parquet").num_rows == 0
        page = show("", published(small, tmp_path))
        assert page.get_by_role("heading", name="No annotations").is_visible()
        assert page.get_by_text("Images are shown here once an annotation is chosen.").is_visible()
        page.get_by_role("button", name="See what was searched for").click()
        assert page.get_by_role("heading", name="Settings").is_visible()

    def test_molecules_are_linked_to_the_databases_of_their_ids(self, show: Show, tmp_path: Path) -> None:
        ids = pa.array([*LINKS, "P-1"])
        rows = pa.table({"id": ids, "name": ["glucose"] * len(ids), "formula": ["C6H12O6"] * len(ids)})
        spectra = dataset(1, ions=["C6H13O6"])
        page = show(ALL, published(SmallJob(spectra, [Database("one", rows)], {"adducts": ["+H"]}).run(), tmp_path))
        links = page.eval_on_selector_all(
            ".molecules a", "all => Object.fromEntries(all.map(a => [a.innerText, [a.href, a.rel]]))"
        )
        assert links.pop("P-1")[0] == "https://pubchem.ncbi.nlm.nih.gov/#query=glucose"
        assert {id_: address for id_, (address, _) in links.items()} == LINKS
        assert {rel for _, rel in links.values()} == {"noopener noreferrer"}

    def test_only_the_rows_in_sight_of_5000_are_in_the_document(self, show: Show, folder: Path, tmp_path: Path) -> None:
        place = shutil.copytree(folder, tmp_path / "many")
        name = "report/annotations.js"
        content = json.loads((place / name).read_text().removeprefix("ionfleet(").removesuffix(");\n").split(",", 1)[1])
        columns = {key: list(islice(cycle(values), 5000)) for key, values in content["columns"].items()}
        columns["ion"] = [f"C{number}{ion}" for number, ion in enumerate(columns["ion"])]
        columns["fdr"] = [number / 10_000 for number in range(5000)]
        (place / name).write_bytes(script(name, content | {"columns": columns}))
        (place / "report/colocalization.js").write_bytes(script("report/colocalization.js", {}))
        page = show(ALL, place)
        assert counted(page) == "5,000 of 5,000 annotations"
        page.keyboard.press("End")
        walked_to(page, 4999)
        assert page.locator(".rows .row").count() < 100
        page.get_by_role("radio", name="5 %", exact=True).check()
        assert counted(page) == "501 of 5,000 annotations"
        assert page.get_by_text("too few annotations or pixels").is_visible()
