"""`ionfleet run` from beginning to end, on a dataset of a few pixels."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ionfleet_cli.results import PUBLISHED
from ionfleet_simulate.dataset import write_dataset
from ionfleet_simulate.simulation import Simulation

from .test_lifetime import children, running, until

PLANTED = (("C6H12O6", "+H"), ("C5H9NO4", "+H"), ("C10H13N5O4", "+Na"), ("C16H32O2", "+Na"), ("C18H34O2", "+K"))
OTHERS = ("C4H8O2", "C7H14O3", "C9H11NO2", "C11H12N2O2", "C20H32O2", "C12H22O11")
IONFLEET = (sys.executable, "-c", "from ionfleet_cli.main import main; main()")


@dataclass(frozen=True)
class Workplace:
    """A dataset with its configuration, and a database, in one folder."""

    folder: Path

    @property
    def dataset(self) -> Path:
        return self.folder / "tissue.imzML"

    @property
    def database(self) -> Path:
        return self.folder / "small.csv"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands, whose caches are in the folder."""
        return {**os.environ, "XDG_CACHE_HOME": str(self.folder / "caches")}

    def ionfleet(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*IONFLEET, *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, check=False, timeout=120, env=self.environment
        )

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        command = [*IONFLEET, *map(str, arguments)]
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(
            command, cwd=self.folder, text=True, start_new_session=True, env=self.environment, **streams
        )


def write_database(path: Path) -> None:
    formulas = [formula for formula, _ in PLANTED] + list(OTHERS)
    rows = [f"{number},[red]Molecule {number},{formula}" for number, formula in enumerate(formulas)]
    path.write_text("\n".join(["id,name,formula", *rows, ""]))


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("workplace")
    write_dataset(
        Simulation(
            width=9,
            height=8,
            peaks_per_spectrum=120,
            matrix_peaks=20,
            planted=PLANTED,
            jitter_ppm=0.3,
            wrong_patterns=0.0,
        ),
        folder,
        "tissue",
    )
    write_database(folder / "small.csv")
    (folder / "tissue.job.json").write_text(json.dumps({"metadata": {"organism": "mouse", "days": [1, 2]}}))
    return Workplace(folder)


@pytest.fixture(scope="module")
def finished(workplace: Workplace) -> subprocess.CompletedProcess[str]:
    done = workplace.ionfleet("run", workplace.dataset, "--database", workplace.database, "--out", "out")
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def other(workplace: Workplace, tmp_path: Path) -> Workplace:
    """A copy of the workplace to break something in."""
    return Workplace(shutil.copytree(workplace.folder, tmp_path / "other", ignore=shutil.ignore_patterns("out", "cut")))


@pytest.mark.usefixtures("finished")
def test_another_database_is_annotated_without_sorting_again(workplace: Workplace) -> None:
    rows = workplace.database.read_text().splitlines()
    (workplace.folder / "fewer.csv").write_text("\n".join(rows[:7]))
    done = workplace.ionfleet("annotate-again", "out", "--database", "fewer.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "tissue.imzML is sorted already" in done.stdout
    assert "sort: nothing to do" in done.stdout
    summary = json.loads((workplace.folder / "tissue-fewer-results" / "summary.json").read_text())
    assert summary["configuration"]["databases"] == ["fewer"]
    assert summary["metadata"] == {"organism": "mouse", "days": [1, 2]}


@pytest.mark.usefixtures("finished")
def test_the_folder_of_results_holds_what_was_promised(workplace: Workplace) -> None:
    out = workplace.folder / "out"
    assert {path.name for path in out.iterdir()} == {*PUBLISHED}
    annotations = pq.read_table(out / "annotations.parquet").to_pylist()
    found = {(row["formula"], row["adduct"]) for row in annotations} & {*PLANTED}
    assert len(found) >= 3
    lines = (out / "annotations.csv").read_text().splitlines()
    assert len(list(csv.reader(io.StringIO("\n".join(lines[2:]))))) == len(annotations) + 1
    images = {path.name for path in (out / "ion_images").iterdir()}
    assert {f"{formula}{adduct}_0.png" for formula, adduct in found} <= images
    assert json.loads((out / "summary.json").read_text())["images"] == len(images)
    assert {path.name for path in (out / "report").iterdir()} == {
        "annotations.js",
        "colocalization.js",
        "dataset.js",
        "images",
        "summary.js",
    }
    assert any((out / "report" / "images").iterdir())


def test_the_page_is_named_last(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.stdout.rstrip().endswith("look at them in out/report.html")


@pytest.mark.usefixtures("finished")
def test_isotope_patterns_are_not_computed_again(workplace: Workplace) -> None:
    done = workplace.ionfleet("run", workplace.dataset, "--database", workplace.database, "--out", "again")
    assert done.returncode == 0, done.stdout + done.stderr
    before, now = (
        json.loads((workplace.folder / out / "summary.json").read_text())["stages"] for out in ("out", "again")
    )
    assert before["isotopes"]["invocations"] > 0
    assert now["isotopes"]["invocations"] == 0
    for name in ("metrics.parquet", "annotations.parquet"):
        again, first = (pq.read_table(workplace.folder / out / name) for out in ("again", "out"))
        assert again.equals(first), name


def test_what_was_said_of_the_sample_is_shown(finished: subprocess.CompletedProcess[str]) -> None:
    assert re.search(r"^sample +organism: mouse$", finished.stdout, re.MULTILINE)


@pytest.mark.usefixtures("finished")
def test_results_are_made_again_with_another_database(workplace: Workplace) -> None:
    other = workplace.folder / "other.tsv"
    other.write_text("id\tname\tformula\n" + "".join(f"{n}\tM{n}\t{f}\n" for n, (f, _) in enumerate(PLANTED[:3])))
    done = workplace.ionfleet("annotate-again", "out", "--database", other)
    assert done.returncode == 0, done.stdout + done.stderr
    folders = [workplace.folder / name for name in ("out", "tissue-other-results")]
    first, second = (json.loads((folder / "summary.json").read_text()) for folder in folders)
    assert second["dataset"]["id"] == first["dataset"]["id"]
    assert (first["configuration"]["databases"], second["configuration"]["databases"]) == (["small"], ["other"])
    for summary in (first, second):
        del summary["configuration"]["databases"], summary["configuration"]["findings"]
    assert second["configuration"] == first["configuration"]
    elsewhere = workplace.ionfleet("annotate-again", "out", "--database", other, "--dataset", "nowhere.imzML")
    assert elsewhere.returncode == 3
    assert "There is no file nowhere.imzML" in elsewhere.stderr


def test_the_annotations_are_shown_best_first(finished: subprocess.CompletedProcess[str]) -> None:
    shown = finished.stdout[finished.stdout.index("Best annotations") :]
    assert "C6H12O6+H+" in shown
    assert "[red]Molecule" in shown


def test_the_summary_tells_of_everything(finished: subprocess.CompletedProcess[str]) -> None:
    lines = {line.split("  ")[0]: line for line in finished.stdout.splitlines()}
    assert {
        "dataset",
        "pixels",
        "peaks",
        "ions",
        "annotations",
        "images",
        "time",
        "invocations",
        "cost",
    } <= lines.keys()
    assert re.search(r"≈ \$0\.0\d+ on AWS, at this machine's speed$", lines["cost"])
    assert lines["annotations"].endswith("at 5 / 10 / 20 / 50 % FDR")
    assert lines["The results are in out; look at them in out/report.html"]


def test_a_pipe_gets_plain_lines_for_each_stage(finished: subprocess.CompletedProcess[str]) -> None:
    assert finished.stdout.isprintable() or {c for c in finished.stdout if not c.isprintable()} == {"\n"}
    assert finished.stderr == ""
    for stage in ("plan", "sort", "isotopes", "partition", "annotate", "merge", "render", "publish"):
        assert f"\n{stage}: begins" in finished.stdout
        assert f"\n{stage}: done" in finished.stdout


@pytest.mark.usefixtures("finished")
def test_results_are_the_same_however_the_work_is_cut(workplace: Workplace) -> None:
    plan = ["--plan", "sort_task_peaks=3000", "--plan", "segment_peaks=2000", "--plan", "isotope_task_formulas=4"]
    done = workplace.ionfleet(
        "run", workplace.dataset, "--database", workplace.database, "--out", "cut", "--workers", "3", *plan
    )
    assert done.returncode == 0, done.stderr
    assert "isotopes: begins, 3 tasks" in done.stdout
    for table in ("metrics.parquet", "annotations.parquet"):
        whole, cut = (pq.read_table(workplace.folder / out / table) for out in ("out", "cut"))
        assert cut.equals(whole)


def test_a_dataset_that_the_planner_rejects_leaves_nothing_behind(other: Workplace) -> None:
    ibd = other.dataset.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:1000])
    before = {*other.folder.iterdir()}
    done = other.ionfleet("run", other.dataset, "--database", other.database)
    assert done.returncode == 3
    assert done.stderr.startswith("Error: InvalidDatasetError (tissue.imzML): ")
    assert "spectrum 2: The m/z array lies at bytes" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {*other.folder.iterdir()} == before


def test_a_job_that_fails_names_reason_and_stage(other: Workplace) -> None:
    ibd = other.dataset.with_suffix(".ibd")
    ibd.write_bytes(ibd.read_bytes()[:16] + bytes(ibd.stat().st_size - 16))
    done = other.ionfleet("run", other.dataset, "--database", other.database, "--out", "out")
    assert done.returncode == 3
    assert done.stderr.startswith("Error: InvalidDatasetError (stage ")
    assert not (other.folder / "out").exists()


def test_a_job_above_its_budget_is_refused_with_the_estimate(other: Workplace) -> None:
    before = {*other.folder.iterdir()}
    done = other.ionfleet("run", other.dataset, "--database", other.database, "--max-cost-usd", "0.0001")
    assert done.returncode == 1
    assert done.stderr.startswith("Error: OutOfBudgetError (tissue.imzML): To annotate 'tissue' is estimated at $0.0")
    assert "max_cost_usd allows $0.00010. By stage: " in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert {*other.folder.iterdir()} == before


def test_a_rejected_database_is_named_with_its_rows(other: Workplace) -> None:
    with other.database.open("a") as file:
        file.write("99,Unobtainium,Uo3\n")
    done = other.ionfleet("run", other.dataset, "--database", other.database, "--out", "out")
    assert done.returncode == 3
    assert "small.csv" in done.stderr
    assert "row 13, column 'formula'" in done.stderr
    skipped = other.ionfleet("run", other.dataset, "--database", other.database, "--out", "out", "--skip-invalid")
    assert skipped.returncode == 0, skipped.stderr
    assert "warning: row 13, column 'formula'" in skipped.stdout


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_everything_at_once(other: Workplace, number: signal.Signals) -> None:
    before = {*other.folder.iterdir()}
    process = other.start("run", other.dataset, "--database", other.database)
    wait_for_work(process)
    pids = [process.pid, *children(process.pid)]
    os.kill(process.pid, number)
    assert until(lambda: not any(map(running, pids)), 2), "processes were left behind"
    rest, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert rest.endswith("Stopped.\n")
    assert {*other.folder.iterdir()} == before


@pytest.mark.parametrize(("number", "state"), [(signal.SIGTERM, "stopped"), (signal.SIGKILL, "running")])
def test_the_folder_of_a_run_tells_how_it_ended(
    other: Workplace, number: signal.Signals, state: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = other.start("run", other.dataset, "--database", other.database, "--keep")
    wait_for_work(process)
    pids = [process.pid, *children(process.pid)]
    assert len(pids) > 2
    os.kill(process.pid, number)
    assert until(lambda: not any(map(running, pids)), 2), "processes were left behind"
    process.communicate(timeout=10)
    (folder,) = tmp_path.glob("ionfleet-cloud-*")
    facts = json.loads((folder / "cloud.json").read_text())
    assert (facts["state"], facts["pid"]) == (state, process.pid)


def wait_for_work(process: subprocess.Popen[str]) -> None:
    """Read what a run prints until functions are at work."""
    output = ""
    while "sort: begins" not in output:
        line = process.stdout.readline()
        assert line, output
        output += line
