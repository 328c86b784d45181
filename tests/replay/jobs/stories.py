"""Short stories of jobs, each told in an empty laboratory, which together need the grants of the template."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from ionfleet_replay import AccessDecided, InvocationError
from ionfleet_simulate.dataset import SimulatedDataset

from ...unit.scoring_models import random_model
from .conftest import ROOT, Laboratory

BUCKETS = ("InputBucket", "WorkBucket", "ResultsBucket")
LONGEST = 120
"""Seconds that a story may take."""
PATIENCE = 3
"""Seconds for which nothing is left but news that come again, before they are left alone."""
RECORDED_EVENT = ROOT / "events" / "s3-object-created.json"
RECORDED_END = ROOT / "events" / "stepfunctions-status-change.json"


@dataclass
class Scene:
    """A laboratory, what was decided in it, and what is brought into it.

    `errors` are those that functions gave to the teller of a story.
    """

    laboratory: Laboratory
    decisions: list[AccessDecided]
    dataset: SimulatedDataset
    database: bytes
    jobs: int = 0
    errors: list[str] = field(default_factory=list)

    def upload(self) -> None:
        """Put the dataset in; each time under another name, which makes it another job."""
        self.jobs += 1
        name = f"job {self.jobs}"
        self.laboratory.upload("models/animal.json", json.dumps(random_model(1)).encode())
        self.laboratory.upload_dataset(
            self.dataset, polarity="positive", databases=["lipids"], name=name, scoring_model="animal"
        )

    def annotate(self) -> None:
        """Import the database, annotate the dataset with it, and wait for the end."""
        self.laboratory.upload("databases/lipids.tsv", self.database)
        self.wait()
        self.upload()
        self.wait()

    def remove(self, output: str, suffix: str = "") -> None:
        """Remove the objects of a bucket whose keys end so, in all their versions."""
        s3, bucket = self.laboratory.cloud.client("s3"), self.laboratory.cloud.outputs[output]
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            found = [
                {"Key": version["Key"], "VersionId": version["VersionId"]}
                for version in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
                if version["Key"].endswith(suffix)
            ]
            if found:
                s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True})

    def clear(self) -> None:
        """Leave nothing of what was told before."""
        self.errors.clear()
        for output in BUCKETS:
            self.remove(output)

    def send(self, queue: str, bucket: str, key: str) -> None:
        """Put an event about an object into a queue, as if a rule had delivered it."""
        event = json.loads(RECORDED_EVENT.read_text())
        event["detail"]["bucket"]["name"] = self.laboratory.cloud.outputs[bucket]
        event["detail"]["object"]["key"] = key
        self._send(queue, event)
        self.wait()

    def send_end(self, queue: str, execution: str) -> None:
        """Put the news that an execution was stopped into a queue, whose messages come again until they are handled."""
        event = json.loads(RECORDED_END.read_text())
        event["detail"]["name"] = execution
        self._send(queue, event)
        self.wait()

    def wait(self) -> None:
        """Wait for the end of everything.

        What the status function cannot tell comes again for ever; nobody waits for that.
        """
        rounds, deadline = 0, time.monotonic() + LONGEST
        while rounds < PATIENCE:
            try:
                return self.laboratory.wait(1)
            except TimeoutError as busy:
                if time.monotonic() > deadline:
                    raise
                left = str(busy).partition(": ")[2].split(", ")
                rounds = rounds + 1 if all("message in Ionfleet-EndsDeadLetterQueue-" in each for each in left) else 0
        return None

    def _send(self, queue: str, event: dict[str, Any]) -> None:
        sqs = self.laboratory.cloud.client("sqs")
        sqs.send_message(QueueUrl=self._url(queue), MessageBody=json.dumps(event))

    def _url(self, queue: str) -> str:
        urls = self.laboratory.cloud.client("sqs").list_queues()["QueueUrls"]
        (url,) = [url for url in urls if f"-{queue}-" in url]
        return str(url)

    def repeat(self, function: str, manifest: str) -> None:
        """Have a function do the first task of a manifest once more."""
        for lines in self.laboratory.objects("WorkBucket", manifest).values():
            try:
                self.laboratory.cloud.invoke(function, json.loads(lines.splitlines()[0]))
            except InvocationError as failed:
                self.errors.append(str(failed))

    def succeeded(self) -> bool:
        """Return whether everything went well with every job: its documents and its execution say so."""
        documents = [json.loads(document) for document in self.laboratory.results("status.json").values()]
        jobs = [document["state"] for document in documents if "job" in document and "ended_at" in document]
        return bool(jobs) and {*jobs, *(each["status"] for each in self.executions())} == {"SUCCEEDED"}

    def executions(self) -> list[dict[str, Any]]:
        """Return the executions of the story's jobs."""
        names = {key.split("/")[1] for key in self.laboratory.objects("WorkBucket", "plan.json")}
        states, machine = (
            self.laboratory.cloud.client("stepfunctions"),
            self.laboratory.cloud.outputs["StateMachineArn"],
        )
        return [
            states.describe_execution(executionArn=execution["executionArn"])
            for page in states.get_paginator("list_executions").paginate(stateMachineArn=machine)
            for execution in page["executions"]
            if execution["name"] in names
        ]

    def told(self) -> Iterator[str]:
        """Yield every reason that somebody would come to read: of documents, of executions, of single functions."""
        for document in self.laboratory.results("status.json").values():
            yield json.loads(document).get("message") or ""
        for execution in self.executions():
            yield execution.get("cause") or ""
        yield from self.errors


Story: TypeAlias = Callable[[Scene], None]


def a_job_succeeds(scene: Scene) -> None:
    """A database is imported and a dataset annotated."""
    scene.annotate()


def a_job_is_asked_for_again(scene: Scene) -> None:
    """The plan of a job that succeeded is delivered once more; then another job comes with the same dataset."""
    scene.annotate()
    s3, bucket = scene.laboratory.cloud.client("s3"), scene.laboratory.cloud.outputs["WorkBucket"]
    for key, plan in scene.laboratory.objects("WorkBucket", "plan.json").items():
        s3.put_object(Bucket=bucket, Key=key, Body=plan)
    scene.wait()
    scene.upload()
    scene.wait()


def a_task_fails(scene: Scene) -> None:
    """What another job is to read has been spoilt."""
    scene.annotate()
    s3, bucket = scene.laboratory.cloud.client("s3"), scene.laboratory.cloud.outputs["WorkBucket"]
    for key in scene.laboratory.objects("WorkBucket", ".run"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"spoilt")
    scene.upload()
    scene.wait()


def messages_end_as_dead_letters(scene: Scene) -> None:
    """News of an upload, of a plan and of an end could not be handled; nor can an upload whose claims are spoilt."""
    scene.annotate()
    scene.send("UploadsDeadLetterQueue", "InputBucket", "datasets/other/section.imzML")
    for key in scene.laboratory.objects("WorkBucket", "plan.json"):
        scene.send("ManifestsDeadLetterQueue", "WorkBucket", key)
        scene.send_end("EndsDeadLetterQueue", key.split("/")[1])
    s3, bucket = scene.laboratory.cloud.client("s3"), scene.laboratory.cloud.outputs["WorkBucket"]
    for key in scene.laboratory.objects("WorkBucket", ".json"):
        if key.startswith("claims/"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"spoilt")
    for key in scene.laboratory.objects("InputBucket", ".imzML"):
        scene.send("UploadsQueue", "InputBucket", key)


def objects_are_lost(scene: Scene) -> None:
    """Somebody deletes what is still needed."""
    scene.annotate()
    scene.remove("InputBucket", ".ibd")
    for suffix in (".run", ".index", "images.parquet"):
        scene.remove("WorkBucket", suffix)
    scene.repeat("SortFunction", "sort.jsonl")
    scene.repeat("RenderFunction", "render.jsonl")
    scene.send("ManifestsQueue", "WorkBucket", "manifests/job-lost/plan.json")


STORIES: tuple[Story, ...] = (
    a_job_succeeds,
    a_job_is_asked_for_again,
    a_task_fails,
    messages_end_as_dead_letters,
    objects_are_lost,
)
