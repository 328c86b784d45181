"""What subscribers are told of a job, whatever its names and messages hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
    assert told["Subject"] == f"Ionfleet: TIMED_OUT {job}"
    assert told["Subject"].isascii()
    assert len(told["Subject"]) <= 100
    assert told["Message"].isprintable()
    assert len(told["Message"].encode()) <= 256 * 1024
    assert json.loads(told["Message"])["name"] == HOSTILE


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
