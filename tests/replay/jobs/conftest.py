"""The real template on the local runtime, and a small dataset and database to put into it."""

from __future__ import annotations

import io
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ionfleet.databases import bundled_database
from ionfleet_replay import Cloud, Nursery
from ionfleet_replay.assembly import synthesize
from ionfleet_simulate.dataset import SimulatedDataset, write_dataset
from ionfleet_simulate.simulation import Simulation

ROOT = Path(__file__).resolve().parents[3]
TABLES = ("metrics.parquet", "annotations.parquet", "annotations.csv")


@dataclass
class Laboratory:
    """A running cloud, seen as a scientist sees it: buckets to put things in, results to read."""

    cloud: Cloud
    counted: int = 0
    put: list[str] = field(default_factory=list)

    def upload(self, key: str, body: bytes) -> None:
        """Put an object into the input bucket."""
        self.cloud.client("s3").put_object(Bucket=self.cloud.outputs["InputBucket"], Key=key, Body=body)

    def upload_dataset(self, dataset: SimulatedDataset, prefix: str = "datasets/small", **configuration: Any) -> None:
        """Put a dataset into the input bucket, its configuration first."""
        self.upload(f"{prefix}/{dataset.imzml.stem}.job.json", json.dumps(configuration).encode())
        self.upload(f"{prefix}/{dataset.ibd.name}", dataset.ibd.read_bytes())
        self.upload(f"{prefix}/{dataset.imzml.name}", dataset.imzml.read_bytes())

    def annotate(self, dataset: SimulatedDataset, database: bytes, **configuration: Any) -> None:
        """Import a database as `lipids`, annotate a dataset with it, and wait for the end."""
        self.upload("databases/lipids.tsv", database)
        self.wait()
        self.upload_dataset(dataset, polarity="positive", databases=["lipids"], **configuration)
        self.wait()

    def wait(self, timeout: float = 120) -> None:
        """Wait until everything that was set going has ended."""
        self.cloud.wait_idle(timeout)

    def results(self, suffix: str) -> dict[str, bytes]:
        """Return the objects of the results bucket whose keys end so."""
        return self.objects("ResultsBucket", suffix)

    def objects(self, bucket: str, suffix: str = "") -> dict[str, bytes]:
        """Return the objects of a bucket whose keys end so."""
        s3, name = self.cloud.client("s3"), self.cloud.outputs[bucket]
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", []) if entry["Key"].endswith(suffix)]
        return {key: s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}

    def job_status(self) -> dict[str, Any]:
        """Return the status document of the only job."""
        found = {key: body for key, body in self.results("status.json").items() if key.startswith("results/")}
        (body,) = found.values()
        return json.loads(body)

    def input_status(self, name: str) -> dict[str, Any]:
        """Return what became of an upload."""
        return json.loads(self.results(f"inputs/{name}/status.json")[f"inputs/{name}/status.json"])

    def job_statuses(self) -> list[dict[str, Any]]:
        """Return the status documents of all jobs."""
        return [json.loads(body) for key, body in self.results("/status.json").items() if key.startswith("results/")]

    def send(self, queue: str, body: str) -> str:
        """Put a message into the queue of a logical id and return the message's id."""
        sqs = self.cloud.client("sqs")
        (url,) = [each for each in sqs.list_queues()["QueueUrls"] if f"-{queue}-" in each]
        return str(sqs.send_message(QueueUrl=url, MessageBody=body)["MessageId"])

    def until(self, condition: Callable[[], bool], timeout: float = 60) -> None:
        """Wait until something is so, at most so many seconds."""
        deadline = time.monotonic() + timeout
        while not condition():
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.01)

    def invocations(self) -> Counter[str]:
        """Count the invocations of each function since the last count."""
        every = self.cloud.invocations()
        fresh, self.counted = every[self.counted :], len(every)
        return Counter(invocation.function for invocation in fresh)


@pytest.fixture(scope="session")
def assembly() -> Path:
    """The synthesized template, kept between runs for as long as its sources are the same."""
    return synthesize(ROOT / "app.py", ROOT / "build" / "assembly")


def changed_assembly(assembly: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Return a copy of an assembly after a change of its template's resources; its assets are links to change, too."""
    folder.mkdir()
    (template,) = assembly.glob("*.template.json")
    for entry in assembly.iterdir():
        if entry != template:
            (folder / entry.name).symlink_to(entry)
    content = json.loads(template.read_text())
    change(content["Resources"])
    (folder / template.name).write_text(json.dumps(content))
    return folder


@pytest.fixture
def laboratory(assembly: Path, tmp_path: Path, warm_nursery: Nursery) -> Iterator[Laboratory]:
    """A cloud of the real template."""
    with Cloud(assembly, tmp_path / "cloud", nursery=warm_nursery) as cloud:
        yield Laboratory(cloud)


@pytest.fixture
def open_laboratory(assembly: Path, tmp_path: Path, warm_nursery: Nursery) -> Iterator[Callable[..., Laboratory]]:
    """A maker of clouds of the real template, or of one whose resources are changed."""
    clouds: list[Cloud] = []

    def open_one(change: Callable[[dict[str, Any]], None] | None = None, **options: Any) -> Laboratory:
        number = len(clouds)
        template = changed_assembly(assembly, tmp_path / f"assembly-{number}", change) if change else assembly
        clouds.append(Cloud(template, tmp_path / f"cloud-{number}", nursery=warm_nursery, **options))
        clouds[-1].start()
        return Laboratory(clouds[-1])

    yield open_one
    for cloud in clouds:
        cloud.stop()


def core_rows(*numbers: int) -> bytes:
    """Return a database of some rows of the bundled one."""
    header, *rows = bundled_database().decode().splitlines(keepends=True)
    return "".join([header, *(rows[number] for number in numbers)]).encode()


@pytest.fixture(scope="session")
def database() -> bytes:
    """Sixty molecules, of which the dataset has some."""
    return core_rows(*range(0, 3000, 50))


@pytest.fixture(scope="session")
def other_database() -> bytes:
    """Ten other molecules."""
    return core_rows(*range(25, 3000, 300))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, database: bytes) -> SimulatedDataset:
    """A small tissue section with ions of the database planted in it."""
    formulas = tuple(line.split("\t")[2] for line in database.decode().splitlines()[1:])
    simulation = Simulation(width=16, height=14, seed=5, peaks_per_spectrum=300, ions=25, formulas=formulas)
    return write_dataset(simulation, tmp_path_factory.mktemp("dataset"), "section")


def table(data: bytes) -> pa.Table:
    """Read a Parquet file."""
    return pq.read_table(io.BytesIO(data))
