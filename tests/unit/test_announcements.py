"""What subscribers are told of a job, whatever its names and messages hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ionfleet.announcement import letter, subject
from ionfleet.stages.status import Completion
from ionfleet.status import MAX_MESSAGE, JobStatus
from ionfleet_aws import clients
from ionfleet_aws.environment import StatusEnvironment

from .aws_cloud import load_module
from .test_console import VARIABLES

HOSTILE = "\r\nBcc: everyone\x1b[31m\x9b\u202e\u2028=cmd()"


class Topics:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []

    def publish(self, **arguments: Any) -> None:
        self.published.append(arguments)


def test_subject_and_message_hold_nothing_that_a_reader_would_run(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics()
    monkeypatch.setattr(clients, "topics", lambda: topics)
    job = "job-" + "0" * 20
    status = JobStatus(
        state="TIMED_OUT",
        job=job,
        dataset="ds-1",
        name=HOSTILE,
        attempt=1,
        execution=f"{job}-12",
        results="results/ds-1/",
        claimed_at="2026-05-04T12:00:00Z",
        links={"execution": HOSTILE},
        error=HOSTILE,
        message=HOSTILE * (MAX_MESSAGE // len(HOSTILE)),
    )
    environment = StatusEnvironment.model_validate(VARIABLES)
    load_module("status")._tell(environment, Completion(status, announce=True))
    (told,) = topics.published
    assert told["Subject"].startswith("Ionfleet: TIMED_OUT ")
    assert told["Subject"].isascii()
    assert told["Subject"].isprintable()
    assert len(told["Subject"]) < 100
    assert len(told["Message"].encode()) <= 256 * 1024
    assert told["MessageStructure"] == "json"
    message = json.loads(told["Message"])
    assert message["default"].isprintable()
    assert json.loads(message["default"])["name"] == HOSTILE
    assert all(line.isprintable() for line in message["email"].split("\n"))
    assert not [line for line in message["email"].split("\n") if line.startswith("Bcc")]


def test_subscribers_can_filter_by_what_the_configuration_asks_to_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics()
    monkeypatch.setattr(clients, "topics", lambda: topics)
    environment, job = StatusEnvironment.model_validate(VARIABLES), "job-" + "0" * 20
    for configuration in ({"notify": "anna@example.org"}, {"notify": None}, None):
        status = JobStatus(
            state="SUCCEEDED", job=job, dataset="ds-1", name="brain", attempt=1, execution=job,
            results="results/ds-1/", claimed_at="2026-05-04T12:00:00Z", configuration=configuration,
        )  # fmt: skip
        load_module("status")._tell(environment, Completion(status, announce=True))
    told = [
        {name: value["StringValue"] for name, value in each["MessageAttributes"].items()} for each in topics.published
    ]
    assert told == [
        {"state": "SUCCEEDED", "notify": "anna@example.org"},
        {"state": "SUCCEEDED"},
        {"state": "SUCCEEDED"},
    ]


def ended(**facts: Any) -> JobStatus:
    job = "job-" + "0" * 20
    return JobStatus(
        job=job, dataset="ds-1", name="brain", attempt=2, execution=f"{job}-2", results="results/ds-1/x/",
        claimed_at="2026-05-04T12:00:00Z", ended_at="2026-05-04T12:10:00Z", cost_usd=0.42, estimated_usd=0.5, **facts,
    )  # fmt: skip


def test_a_mail_about_a_success_has_counts_costs_and_how_to_get_the_results() -> None:
    counts = {"hmdb": {"5": 110, "10": 1169, "20": 2247, "50": 3375}}
    status = ended(state="SUCCEEDED", annotations=counts)
    lines = letter(status, "lab-results", "Ionfleet").splitlines()
    assert lines[0] == "brain was annotated."
    assert "Annotations with hmdb, by FDR: 110 at 5 %, 1,169 at 10 %, 2,247 at 20 %, 3,375 at 50 %" in lines
    assert f"  ionfleet fetch {status.job}" in lines
    assert "They are in s3://lab-results/results/ds-1/x/" in lines
    assert f"Job: {status.job}, attempt 2" in lines
    assert "Cost: $0.42 ($0.50 was expected)" in lines
    assert subject(status) == "Ionfleet: SUCCEEDED brain"


def test_a_mail_about_a_failure_has_its_reason_where_it_was_and_what_to_do() -> None:
    status = ended(
        state="FAILED", error="DamagedObjectError", message="x.run is cut off.", stage="annotate", task=7,
        links={"annotate": "https://logs"},
    )  # fmt: skip
    lines = letter(status, "lab-results", "Lab").splitlines()
    assert lines[0] == "brain could not be annotated."
    assert "DamagedObjectError: x.run is cut off." in lines
    assert "It ended in stage annotate, task 7." in lines
    assert f"  ionfleet redrive {status.job} --stack Lab" in lines
    assert "  annotate: https://logs" in lines
    assert not any("fetch" in line for line in lines)
