"""Results in a cloud, as a user's own Python and command line see them through S3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from typer.testing import CliRunner

from ionfleet.client import Results
from ionfleet_cli.failures import ExitCode
from ionfleet_cli.main import application
from ionfleet_replay import Cloud
from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory, table


@pytest.fixture(scope="module")
def finished(
    assembly: Path, dataset: SimulatedDataset, database: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Laboratory]:
    """A cloud in which a job has succeeded."""
    with Cloud(assembly, tmp_path_factory.mktemp("buckets") / "cloud") as cloud:
        laboratory = Laboratory(cloud)
        laboratory.annotate(dataset, database, metadata={"organism": "mouse"})
        yield laboratory


@pytest.fixture
def annotated(finished: Laboratory, monkeypatch: pytest.MonkeyPatch) -> Laboratory:
    """That cloud, where the environment's credentials lead to it."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", finished.cloud.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "anything")
    return finished


def address(laboratory: Laboratory) -> str:
    """Return where the results of the first job are."""
    (status,) = [each for each in laboratory.job_statuses() if each["configuration"]["databases"] == ["lipids"]]
    return f"s3://{laboratory.cloud.outputs['ResultsBucket']}/{status['results']}"


def sorts(laboratory: Laboratory) -> int:
    """Count the invocations of the sort function since the last count."""
    return sum(count for name, count in laboratory.invocations().items() if "sort" in name.lower())


def ionfleet(*arguments: object) -> Any:
    return CliRunner().invoke(application, [*map(str, arguments)])


def test_the_client_reads_a_bucket(annotated: Laboratory) -> None:
    results = Results(address(annotated))
    rows = results.rows()
    expected = table(results.read("annotations.parquet"))
    assert [row["ion"] for row in rows] == expected.column("ion").to_pylist()
    assert results.metadata == {"organism": "mouse"}
    images = results.all_annotation_images(fdr=0.1)
    assert len(images) == sum(row["fdr"] <= 0.1 for row in rows) > 0
    assert images[0][0] is not None
    assert images[0][0].max() == pytest.approx(rows[0]["max_iso_ints"][0])
    assert not np.isnan(results.tic_image()[results.mask()]).any()


def test_an_image_at_any_mz_comes_from_the_runs_of_the_job(annotated: Laboratory, tmp_path: Path) -> None:
    results = Results(address(annotated))
    row = results.rows()[0]
    place = f"s3://{annotated.cloud.outputs['WorkBucket']}/datasets/{results.id}/"
    done = ionfleet("image", place, "--mz", row["theo_mz"][0], "--ppm", 3, "--out", tmp_path / "x.npy")
    assert done.exit_code == 0, done.output
    found = np.nan_to_num(np.load(tmp_path / "x.npy"))
    assert found.max() == pytest.approx(row["max_iso_ints"][0])
    assert found.sum(dtype=np.float64) == pytest.approx(row["total_iso_ints"][0], rel=1e-6)
    missing = ionfleet("image", place.replace("/ds-", "/ds-0"), "--mz", 100)
    assert missing.exit_code == ExitCode.INVALID_INPUT
    assert "There is no dataset at" in missing.output


def test_a_job_is_known_by_its_id_or_the_name_of_its_dataset(annotated: Laboratory, tmp_path: Path) -> None:
    row = Results(address(annotated)).rows()[0]
    (status,) = annotated.job_statuses()
    for name in (status["job"], status["job"][4:12], status["name"]):
        out = tmp_path / f"{name}.npy"
        done = ionfleet("image", name, "--mz", row["theo_mz"][0], "--out", out)
        assert done.exit_code == 0, done.output
        assert np.nanmax(np.load(out)) == pytest.approx(row["max_iso_ints"][0])
    missing = ionfleet("image", "nobody", "--mz", 100)
    assert missing.exit_code == ExitCode.USAGE
    assert "no job 'nobody'" in missing.output


def test_the_page_of_a_job_reads_its_data_from_the_bucket(annotated: Laboratory, tmp_path: Path) -> None:
    (status,) = annotated.job_statuses()
    page = tmp_path / "page.html"
    done = ionfleet("report", status["job"], "--out", page)
    assert done.exit_code == 0, done.output
    addresses = json.loads(page.read_text().partition('id="addresses">')[2].partition("</script>")[0])
    with urlopen(addresses["report/summary.js"]) as answer:
        assert status["job"] in answer.read().decode()


def test_files_are_made_of_a_job_as_of_a_folder(annotated: Laboratory, tmp_path: Path) -> None:
    (status,) = annotated.job_statuses()
    assert ionfleet("export", status["job"], "--pixels", "--out", tmp_path).exit_code == 0
    with (tmp_path / "pixel_intensities.csv").open() as file:
        assert sum(1 for _ in file) > len(Results(address(annotated)).rows())


def test_another_database_is_annotated_on_the_same_runs(
    annotated: Laboratory, other_database: bytes, tmp_path: Path
) -> None:
    (first,) = annotated.job_statuses()
    sorted_before = sorts(annotated)
    (tmp_path / "others.tsv").write_bytes(other_database)
    done = ionfleet("annotate-again", address(annotated), "--database", tmp_path / "others.tsv")
    assert done.exit_code == 0, done.output
    annotated.wait()
    (second,) = [status for status in annotated.job_statuses() if status["job"] != first["job"]]
    assert second["job"] in done.output
    assert second["state"] == "SUCCEEDED"
    changed = {name for name, value in second["configuration"].items() if first["configuration"][name] != value}
    assert changed <= {"databases", "findings"}
    assert second["configuration"]["databases"] == ["others"]
    assert (sorted_before, sorts(annotated)) == (1, 0)


def test_a_database_that_the_cloud_refuses_is_named(annotated: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "bad.tsv").write_text("id\tname\tformula\n1\tX\tXx9\n")
    command = ["annotate-again", address(annotated), "--database", tmp_path / "bad.tsv"]
    done = ionfleet(*command)
    assert done.exit_code == ExitCode.INVALID_INPUT
    assert "InvalidDatabaseError" in done.output


def test_results_of_another_deployment_are_not_annotated_again(annotated: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "others.tsv").write_text("id\tname\tformula\n1\tX\tC6H12O6\n")
    other = address(annotated).replace(annotated.cloud.outputs["ResultsBucket"], "someone-elses")
    done = ionfleet("annotate-again", other, "--database", tmp_path / "others.tsv")
    assert done.exit_code == ExitCode.USAGE
    assert "is not in the results bucket of the stack" in done.output
