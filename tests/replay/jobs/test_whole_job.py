"""A dataset dropped into the bucket, on the real template with the real handlers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable

from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import TABLES, Laboratory, core_rows, table


def test_a_dataset_becomes_annotations_images_and_a_summary(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    news = subscribed(laboratory, state=["SUCCEEDED"])
    laboratory.annotate(dataset, database)

    status = laboratory.job_status()
    assert status["state"] == "SUCCEEDED", status
    told = [json.loads(message) for message in news()]
    assert [(each["job"], each["annotations"]) for each in told] == [(status["job"], status["annotations"])]
    prefix = status["results"]
    found = laboratory.results("")
    annotations = table(found[prefix + "annotations.parquet"])
    exported = list(csv.DictReader(io.StringIO(found[prefix + "annotations.csv"].decode().split("\n", 2)[2])))
    assert len(exported) == len(annotations) > 5
    assert [row["ion"] for row in exported] == annotations.column("ion").to_pylist()
    for row in annotations.to_pylist():
        for peak, points in enumerate(row["nnz"]):
            name = f"{prefix}ion_images/{row['formula']}{row['modifier']}_{peak}.png"
            assert (name in found) == (points > 0), name
    summary = json.loads(found[prefix + "summary.json"])
    assert summary["annotations"]["lipids"]["50"] == len(annotations)
    assert summary["dataset"]["pixels"] == dataset.spectra
    assert set(summary["stages"]) >= {"sort", "isotopes", "partition", "annotate", "merge", "render"}
    assert laboratory.input_status("datasets/small/section")["state"] == "planned"


def subscribed(laboratory: Laboratory, **policy: list[str]) -> Callable[[], list[str]]:
    """Subscribe a queue to the ends of jobs; return what receives the messages that have come to it."""
    sqs, sns = laboratory.cloud.client("sqs"), laboratory.cloud.client("sns")
    url = sqs.create_queue(QueueName="news")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    attributes = {"RawMessageDelivery": "true", "FilterPolicy": json.dumps(policy)}
    topic = laboratory.cloud.outputs["CompletionTopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=attributes)
    return lambda: [each["Body"] for each in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]]


def test_a_bare_drop_is_annotated_with_the_bundled_database(laboratory: Laboratory, dataset: SimulatedDataset) -> None:
    configuration = {"molecule_classes": ["amino acid"]}
    laboratory.upload_dataset(dataset, **configuration)
    laboratory.wait()

    (reference,) = json.loads(laboratory.results("summary.json").popitem()[1])["databases"]
    assert reference["name"] == "ionfleet-core"


def test_results_are_the_same_however_the_work_is_cut_ordered_and_repeated(
    open_laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    plain = open_laboratory()
    plain.annotate(dataset, database)

    cut = open_laboratory(workers=5)
    planning = {"sort_task_peaks": 9_000, "segment_peaks": 3_000, "isotope_task_formulas": 7}
    configuration = {"planning": planning, "databases": ["lipids"], "polarity": "positive"}
    for _ in range(2):  # every event twice
        cut.upload("databases/lipids.tsv", database)
    cut.wait()
    for _ in range(2):
        cut.upload("datasets/small/section.job.json", json.dumps(configuration).encode())
        cut.upload("datasets/small/section.imzML", dataset.imzml.read_bytes())
        cut.upload("datasets/small/section.ibd", dataset.ibd.read_bytes())
    cut.wait()

    assert plain.job_status()["state"] == cut.job_status()["state"] == "SUCCEEDED"
    fleet = cut.invocations()
    assert min(_count(fleet, "sort"), _count(fleet, "annotate"), _count(fleet, "isotopes")) > 3
    for name in TABLES[:2]:
        ((key, expected),) = plain.results(name).items()
        assert cut.results(name) == {key: expected}, name
    images = plain.results(".png")
    assert images
    assert cut.results(".png") == images


def test_another_database_starts_at_the_isotopes_and_never_sorts_again(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes, other_database: bytes
) -> None:
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.upload("databases/others.tsv", other_database)
    laboratory.wait()
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"])
    laboratory.wait()
    first = laboratory.invocations()
    laboratory.upload(
        "datasets/small/section.job.json", json.dumps({"polarity": "positive", "databases": ["others"]}).encode()
    )
    laboratory.wait()
    second = laboratory.invocations()

    assert _count(first, "sort") == 1
    assert _count(second, "sort") == 0
    assert _count(second, "isotopes") == 1
    assert len(laboratory.results("annotations.csv")) == 2


def test_the_same_database_on_the_same_instrument_computes_no_pattern_twice(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory.annotate(dataset, database)
    assert _count(laboratory.invocations(), "isotopes") == 1
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"], ppm=5)
    laboratory.wait()
    assert _count(laboratory.invocations(), "isotopes") == 0
    assert len(laboratory.results("annotations.csv")) == 2


def test_several_databases_are_ranked_each_by_itself(
    laboratory: Laboratory, dataset: SimulatedDataset, database: bytes
) -> None:
    laboratory.upload("databases/lipids.tsv", database)
    laboratory.upload("databases/more.tsv", core_rows(*range(0, 3000, 50), *range(25, 3000, 300)))
    laboratory.wait()
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids", "more"])
    laboratory.wait()

    metrics = table(laboratory.results("metrics.parquet").popitem()[1])
    assert set(metrics.column("database").to_pylist()) == {"lipids", "more"}


def _count(invocations, function: str) -> int:
    """Count the invocations of a function; its physical name has the stack's name around it."""
    return sum(count for name, count in invocations.items() if function in name.lower())
