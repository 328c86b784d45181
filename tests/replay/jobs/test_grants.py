"""The grants of the real template: enough for jobs that succeed, fail and are repeated, and each of them needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ionfleet_replay import AccessDecided, Cloud, ReplayError
from ionfleet_replay.iam import Access, Policies, Statement
from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory

ELSEWHERE = ("logs", "xray")
"""Services that the local cloud has not: nothing here calls them."""

UNUSED = {
    # Makes S3 answer 404 for a missing object: in these roles nobody asks for one unless it was lost.
    "RenderRoleDefaultPolicy: s3:ListBucket on ionfleet-storageresultsbucket",
    "RenderRoleDefaultPolicy: s3:ListBucket on ionfleet-storageworkbucket",
    "SortRoleDefaultPolicy: s3:ListBucket on ionfleet-storageinputbucket",
    # Alarms are not evaluated by the local cloud.
    "AlarmsTopicPolicy: sns:Publish on Ionfleet-AlarmsTopic",
    # Step Functions asks for these of every state machine with a distributed map, for its own dealings with children.
    "WorkflowRoleDefaultPolicy: states:DescribeExecution, states:StopExecution"
    " on execution:Ionfleet/*, execution:Ionfleet:*",
}
"""The grants that the recorded jobs do not need, each with its reason to be there."""


@dataclass(frozen=True)
class Record:
    """What some jobs asked for, and the policies that let them."""

    accesses: list[Access]
    denials: list[AccessDecided]
    policies: Policies


@pytest.fixture(scope="module")
def record(
    assembly: Path, tmp_path_factory: pytest.TempPathFactory, dataset: SimulatedDataset, database: bytes
) -> Iterator[Record]:
    """One job that succeeds, its events once more, and one job that fails."""
    seen: list[Any] = []
    with Cloud(assembly, tmp_path_factory.mktemp("grants"), observer=seen.append) as cloud:
        laboratory = Laboratory(cloud)
        laboratory.annotate(dataset, database)
        assert laboratory.job_status()["state"] == "SUCCEEDED"
        laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"])
        repeat_manifest(laboratory)
        fail_a_job(laboratory, dataset)
        decided = [each for each in seen if isinstance(each, AccessDecided)]
        accesses = [Access(each.principal, each.action, each.resource, each.context) for each in decided]
        yield Record(accesses, cloud.denials(), cloud.policies)


def repeat_manifest(laboratory: Laboratory) -> None:
    ((key, plan),) = laboratory.objects("WorkBucket", "plan.json").items()
    laboratory.cloud.client("s3").put_object(Bucket=laboratory.cloud.outputs["WorkBucket"], Key=key, Body=plan)
    laboratory.wait()


def fail_a_job(laboratory: Laboratory, dataset: SimulatedDataset) -> None:
    (run,) = laboratory.objects("WorkBucket", ".run")
    laboratory.cloud.client("s3").put_object(Bucket=laboratory.cloud.outputs["WorkBucket"], Key=run, Body=b"spoilt")
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"], ppm=7)
    laboratory.wait()


def label(statement: Statement) -> str:
    """Name a statement by its policy, actions and resources, without what differs between clouds."""
    resources = sorted({re.sub(r"-[0-9a-f]{12}", "", each.split(":", 5)[-1]) for each in statement.resources})
    return f"{statement.where.partition('.')[0]}: {', '.join(statement.actions)} on {', '.join(resources)}"


def test_jobs_are_denied_nothing(record: Record) -> None:
    assert record.denials == []


def test_without_any_one_grant_something_that_a_job_asks_for_is_denied(record: Record) -> None:
    local = [
        grant
        for grant in record.policies.grants()
        if not all(action.partition(":")[0] in ELSEWHERE for action in grant.actions)
    ]
    unused = {
        label(grant)
        for grant in local
        if not any(record.policies.without(grant).denial(access) for access in record.accesses)
    }
    assert len(local) > 50
    assert unused == UNUSED


def assembly_without(assembly: Path, folder: Path, policy: str, action: str) -> Path:
    """Return a copy of the assembly whose policy lacks its one statement that allows an action."""
    folder.mkdir()
    (template,) = assembly.glob("*.template.json")
    for entry in assembly.iterdir():
        if entry != template:
            (folder / entry.name).symlink_to(entry)
    content = json.loads(template.read_text())
    document = content["Resources"][policy]["Properties"]["PolicyDocument"]
    kept = [each for each in document["Statement"] if each["Effect"] == "Deny" or action not in each["Action"]]
    assert len(kept) < len(document["Statement"])
    document["Statement"] = kept
    (folder / template.name).write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("policy", "action"),
    [
        ("PartitionRoleDefaultPolicy", "s3:PutObject"),
        ("WorkflowRoleDefaultPolicy", "lambda:InvokeFunction"),
    ],
)
def test_a_job_that_lacks_a_grant_fails_naming_role_action_and_resource(
    assembly: Path, tmp_path: Path, dataset: SimulatedDataset, database: bytes, policy: str, action: str
) -> None:
    status, denial = failure_without(assembly, tmp_path, dataset, database, policy, action)
    reason = f"{denial.principal} is not authorized to perform: {action} on resource: {denial.resource}"
    assert f"-{policy.removesuffix('DefaultPolicy')}-" in denial.principal
    assert reason in status["message"]


def test_the_cloud_knows_what_was_denied_where_an_answer_without_a_body_cannot_say_so(
    assembly: Path, tmp_path: Path, dataset: SimulatedDataset, database: bytes
) -> None:
    policy = "AnnotateRoleDefaultPolicy"
    status, denial = failure_without(assembly, tmp_path, dataset, database, policy, "s3:GetObject")
    assert "S3 refuses HeadObject" in status["message"]
    assert denial.resource.removeprefix("arn:aws:s3:::") in status["message"]
    assert ("-AnnotateRole-" in denial.principal, denial.action) == (True, "s3:GetObject")


def failure_without(
    assembly: Path, folder: Path, dataset: SimulatedDataset, database: bytes, policy: str, action: str
) -> tuple[dict[str, Any], AccessDecided]:
    """Return how a job fails that lacks a grant: its status, and the access that was denied to it."""
    with Cloud(assembly_without(assembly, folder / "assembly", policy, action), folder / "cloud") as cloud:
        laboratory = Laboratory(cloud)
        laboratory.annotate(dataset, database)
        status = laboratory.job_status()
        denials = [each for each in cloud.denials() if each.resource.removeprefix("arn:aws:s3:::") in status["message"]]
    assert status["state"] == "FAILED"
    return status, denials[0]


@pytest.mark.parametrize(
    ("policy", "action", "principal"),
    [
        ("UploadsQueuePolicy", "sqs:SendMessage", "events.amazonaws.com"),
        ("EndsDeadLetterQueuePolicy", "sqs:SendMessage", "events.amazonaws.com"),
        ("PlannerRoleDefaultPolicy", "sqs:ReceiveMessage", ":role/Ionfleet-PlannerRole-"),
        ("StatusRoleDefaultPolicy", "sqs:SendMessage", ":role/Ionfleet-StatusRole-"),
        ("WorkflowRoleDefaultPolicy", "states:StartExecution", ":role/Ionfleet-WorkflowRole-"),
    ],
)
def test_a_stack_whose_events_would_be_lost_does_not_come_up(
    assembly: Path, tmp_path: Path, policy: str, action: str, principal: str
) -> None:
    cloud = Cloud(assembly_without(assembly, tmp_path / "assembly", policy, action), tmp_path / "cloud")
    with pytest.raises(ReplayError, match=f"{principal}.* is not authorized to perform: {action} on resource: arn:"):
        cloud.start()
