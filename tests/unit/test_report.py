"""The page's data: what merge, render and status write for it, and the page itself."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.databases import Database
from ionfleet.errors import DamagedObjectError, InvalidConfigurationError
from ionfleet.images import dense_image
from ionfleet.report.optical import optical_script
from ionfleet.report.packs import PackWriter, encode_values, ions_per_pack
from ionfleet.report.page import page
from ionfleet.report.scripts import pack_path, script
from ionfleet.stages.page import pack_size
from ionfleet.stages.render import read_images

from .small_jobs import FORMULAS, SmallJob, database, dataset, planted

SOURCES = Path(__file__).resolve().parents[2] / "report"
PNG = b"\x89PNG\r\n\x1a\n and more"


def handed_over(data: bytes) -> tuple[str, object]:
    """Return what a script hands to the page: its path and its value."""
    text = data.decode("ascii")
    assert text.startswith("ionfleet(")
    assert text.endswith(");\n")
    path, value = json.loads(f"[{text[9:-3]}]")
    return path, value


def decoded(text: str, pixels: int) -> tuple[np.ndarray, np.ndarray]:
    """Return ranks of pixels and values of an encoded image."""
    data = zlib.decompress(base64.b64decode(text), -15)
    bits = -(-pixels // 8)
    ranks = np.flatnonzero(np.unpackbits(np.frombuffer(data[:bits], np.uint8), bitorder="little")[:pixels])
    planes = np.frombuffer(data[bits:], np.uint8).reshape(4, -1)
    return ranks, np.ascontiguousarray(planes.T).view("<f4").ravel()


class TestScripts:
    @settings(deadline=None)
    @given(st.recursive(st.text() | st.none() | st.integers(), lambda inner: st.lists(inner)))
    def test_a_script_hands_over_its_value_and_nothing_else(self, value: object) -> None:
        assert handed_over(script("report/x.js", value)) == ("report/x.js", value)

    @pytest.mark.parametrize("name", ["</script><script>alert(1)</script>", "<!--", "]]>", "\u2028", "\ud800", '");'])
    def test_no_name_ends_its_text_or_its_element(self, name: str) -> None:
        data = script("report/x.js", [name])
        assert b"<" not in data
        assert data.count(b"\n") == 1
        assert handed_over(data)[1] == [name]

    def test_what_is_no_number_is_refused(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            script("report/x.js", float("nan"))


class TestPacks:
    @settings(deadline=None)
    @given(st.integers(1, 200), st.randoms(use_true_random=False))
    def test_images_are_kept_exactly(self, pixels: int, random) -> None:
        ranks = np.array(sorted(random.sample(range(pixels), random.randint(0, pixels))), np.uint32)
        values = np.array([random.choice([1e-40, 0.1, 3e38, np.inf, 7]) for _ in ranks], np.float32)
        found, read = decoded(encode_values(ranks, values, pixels), pixels)
        assert found.tolist() == ranks.tolist()
        assert read.tobytes() == values.tobytes()

    def test_small_images_share_packs_and_large_ones_do_not(self) -> None:
        sizes = [ions_per_pack(pixels, 4) for pixels in (1, 100, 10_000, 100_000, 250_000, 33_000_000)]
        assert sizes == [32, 32, 16, 2, 1, 1]

    def test_a_pack_is_written_once_it_is_whole(self) -> None:
        written = {}
        packs = PackWriter(8, {"A": (3, 2), "B": (3, 1)}, written.__setitem__)
        one = np.array([1], np.uint32), np.array([5], np.float32)
        packs.add("A", 1, *one)
        packs.add("B", 0, *one)
        packs.add("C", 0, *one)
        assert not written
        packs.add("A", 0, *one)
        packs.close()
        contents = {path: handed_over(data)[1] for path, data in written.items()}
        assert {path: {ion: list(each) for ion, each in content.items()} for path, content in contents.items()} == {
            pack_path(3, first=True): {"A": ["0"], "B": ["0"]},
            pack_path(3, first=False): {"A": ["1"], "B": []},
        }

    def test_a_pack_without_all_its_images_is_damage(self) -> None:
        packs = PackWriter(8, {"A": (0, 2)}, lambda _path, _data: None)
        packs.add("A", 0, np.array([1], np.uint32), np.array([5], np.float32))
        with pytest.raises(DamagedObjectError, match="1 ion images, of 1 packs"):
            packs.close()


def partners_of(text: str, annotations: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return how many partners each annotation has, their rows and their scores."""
    data = np.frombuffer(zlib.decompress(base64.b64decode(text), -15), np.uint8)
    planes = data[annotations:].reshape(2, 4, -1).transpose(0, 2, 1)
    rows, scores = np.ascontiguousarray(planes)
    return data[:annotations], rows.view("<u4").ravel(), scores.view("<f4").ravel()


@pytest.fixture(scope="module")
def job() -> SmallJob:
    one = database(FORMULAS, "one")
    classes = pa.array(["sugar", ""] * len(FORMULAS))
    databases = [Database("one", one.table.append_column("class", classes)), database(FORMULAS[:4], "</script>")]
    fields = {"adducts": ["+H", "+Na"], "neutral_losses": ["-H2O"]}
    small = SmallJob(dataset(1), databases, fields)
    ions = planted(databases, small.plan().configuration.ions, 2, share=0.9)
    return SmallJob(dataset(1, ions=ions), databases, fields).run()


class TestJob:
    def test_the_page_has_every_image_that_the_results_have(self, job: SmallJob) -> None:
        plan, grid = job.plan(), job.dataset.index().geometry()
        table = handed_over(job.file("report/annotations.js"))[1]["columns"]
        pixels = len(grid.pixel_index)
        stored = {
            (image.ion, image.isotope): dense_image(grid, image.pixel, image.intensity)
            for segment in range(len(job.tasks("annotate")))
            for image in read_images(job.stores, job.execution, segment, set(table["ion_formula"]))
        }
        found = {}
        for ion, pack, points in zip(table["ion_formula"], table["pack"], table["nnz"], strict=True):
            for isotope in np.flatnonzero(points).tolist():
                path = pack_path(pack, first=isotope == 0)
                content = handed_over(job.stores.results.get(plan.results_prefix + path))[1]
                ranks, values = decoded(content[ion][str(isotope)], pixels)
                found[ion, isotope] = dense_image(grid, ranks, values)
        assert stored.keys() == found.keys()
        assert len(found) > 20
        assert all(np.array_equal(stored[key], found[key]) for key in found)
        assert pack_size(plan) == 32

    def test_the_page_has_the_annotations_of_the_tables(self, job: SmallJob) -> None:
        content = handed_over(job.file("report/annotations.js"))[1]
        rows = job.table("annotations.parquet").sort_by([("fdr", "ascending"), ("msm", "descending")]).to_pylist()
        columns = content["columns"]
        assert [content["databases"][number] for number in columns["database"]] == [row["database"] for row in rows]
        classes = [[content["classes"][number] for number in numbers] for numbers in columns["molecule_classes"]]
        assert classes == [row["molecule_classes"] for row in rows]
        assert {"", "sugar"} <= {*content["classes"]}
        for name, values in columns.items():
            if name in ("database", "molecule_classes", "pack"):
                continue
            for value, row in zip(values, rows, strict=True):
                assert value == row[name] or value == pytest.approx(row[name], rel=1e-4)

    def test_the_page_has_the_best_partners_of_the_table(self, job: SmallJob) -> None:
        columns = handed_over(job.file("report/annotations.js"))[1]["columns"]
        rows = job.table("annotations.parquet").sort_by([("fdr", "ascending"), ("msm", "descending")]).to_pylist()
        names = [(row["database"], row["formula"], row["modifier"]) for row in rows]
        lists = handed_over(job.file("report/colocalization.js"))[1]
        found = {}
        for level, measures in lists.items():
            for measure, block in measures.items():
                counts, partners, scores = partners_of(block, len(columns["ion"]))
                place = np.repeat(np.arange(len(counts)), counts)
                for row, partner, score in zip(place, partners, scores, strict=True):
                    found.setdefault((int(level) / 100, measure, names[row]), []).append((names[partner], score))
        expected = {}
        for pair in sorted(job.table("colocalization.parquet").to_pylist(), key=lambda pair: pair["rank"]):
            ion, partner = ((pair["database"], pair[f"formula_{side}"], pair[f"modifier_{side}"]) for side in "ab")
            listed = expected.setdefault((pair["fdr_level"], pair["algorithm"], ion), [])
            if len(listed) < 20:
                listed.append((partner, pair["score"]))
        assert found == expected
        assert len(found) > 20

    def test_the_page_knows_pixels_and_totals(self, job: SmallJob) -> None:
        facts = handed_over(job.file("report/dataset.js"))[1]
        index, grid = job.dataset.index(), job.dataset.index().geometry()
        peaks = job.dataset.peaks()
        total = np.bincount(grid.pixel[peaks.spectrum], peaks.intensity, len(grid.pixel_index))
        ranks, values = decoded(facts["tic"], facts["pixels"])
        assert values == pytest.approx(total[ranks], rel=1e-5)
        mask = np.unpackbits(
            np.frombuffer(zlib.decompress(base64.b64decode(facts["mask"]), -15), np.uint8), bitorder="little"
        )
        assert np.array_equal(mask[: grid.width * grid.height].reshape(grid.height, grid.width), grid.mask)
        assert (facts["x_origin"], facts["width"]) == (index.x.min(), grid.width)
        metrics = job.table("metrics.parquet").to_pylist()
        assert sum(facts["scores"]["targets"]) == sum(row["is_target"] and row["msm"] > 0 for row in metrics)
        assert sum(facts["scores"]["decoys"]) == sum(not row["is_target"] for row in metrics)


class TestPage:
    def test_the_page_is_built_from_its_sources(self) -> None:
        tools = ["build.mjs", "digest.mjs", "package-lock.json", "package.json", "tsconfig.json"]
        names = sorted([*tools, *(f"src/{path.name}" for path in (SOURCES / "src").iterdir())])
        content = b"".join(name.encode() + b"\0" + (SOURCES / name).read_bytes() + b"\0" for name in names)
        built = re.search(r'name="ionfleet-sources" content="(\w+)"', page().decode())
        assert built is not None
        assert built[1] == hashlib.sha256(content).hexdigest()[:20], "report/ was changed: run make report"

    def test_the_page_lets_nothing_run_but_its_own_script(self) -> None:
        text = page().decode()
        policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
        code = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
        assert len(code) == 1
        digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}' 'self' file:;" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy

    def test_its_packages_are_locked_without_addresses(self) -> None:
        packages = json.loads((SOURCES / "package-lock.json").read_text())["packages"]
        assert all("resolved" not in each for each in packages.values())
        assert all("integrity" in each for name, each in packages.items() if name)


class TestOptical:
    def test_a_picture_is_handed_over_with_its_transform(self) -> None:
        data = optical_script("report/optical.js", "a.png", PNG, [[1, 0, 0], [0, 2, 0], [0, 0, 1]])
        path, content = handed_over(data)
        assert path == "report/optical.js"
        assert base64.b64decode(content.pop("data")) == PNG
        assert content == {"name": "a.png", "media": "image/png", "transform": [[1, 0, 0], [0, 2, 0], [0, 0, 1]]}

    def test_what_is_no_picture_is_refused(self) -> None:
        with pytest.raises(InvalidConfigurationError, match=r"'a.svg', which is neither PNG nor JPEG"):
            optical_script("report/optical.js", "a.svg", b"<svg onload=alert(1)>", None)
