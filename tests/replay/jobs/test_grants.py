"""The grants of the real template: enough for all that jobs do, and each of them needed.

A grant is one action of one statement: of roles, of the policies of buckets, queues and topics, of functions'
permissions, and of the policies on who may assume a role.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from ionfleet_replay import AccessDecided, Cloud, Nursery, Observation, ReplayError
from ionfleet_replay.iam import Access, Policies, Statement
from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory
from .stories import STORIES, Scene, Story, a_job_succeeds

PARTS = (
    "AnnotateRole work", "IsotopesRole work", "LauncherRole work", "MergeRole work", "PartitionRole work",
    "PlannerRole results", "PlannerRole work", "RenderRole results", "RenderRole work", "SortRole work",
    "StatusRole results", "StatusRole work",
)  # fmt: skip
UNNEEDED = {
    # Only an object of more than 64 MiB is written in parts, which are removed when that breaks off.
    *(f"{part} s3:AbortMultipartUpload" for part in PARTS),
    # The CDK grants these to a rule together with SendMessage; EventBridge does nothing but send.
    *(
        f"{queue}Queue sqs:{action}"
        for queue in ("Manifests", "Uploads")
        for action in ("GetQueueAttributes", "GetQueueUrl")
    ),
}
"""The grants that no story needs, each with its reason to be there."""

SURVIVED = {
    # Telemetry alone: no job is lost over what it cost.
    "RenderRole work s3:PutObject",
    "LauncherRole work s3:PutObject",
    # When a message comes again: without it, when the queue says.
    *(
        f"{role}Role sqs:{action}"
        for role in ("Planner", "Launcher")
        for action in ("ChangeMessageVisibility", "GetQueueUrl")
    ),
}
"""Grants whose lack costs no job anything but time, or its account. It is in the function's log."""

UNTOLD = {
    # Who can write nothing cannot note either what it failed on: the dead letter's document names its log.
    "PlannerRole work s3:PutObject",
    # A letter that cannot be hidden for as long as it is worked on is told as well.
    *(f"StatusRole sqs:{action}" for action in ("ChangeMessageVisibility", "GetQueueUrl")),
    # The record of a task's failure cannot be made, so the failure itself is what is told.
    "WorkflowRole work s3:PutObject",
}
"""The grants whose lack no document tells of: the cloud does, and `ionfleet run`."""

ACTIONS = {"s3": "s3:GetObject", "sqs": "sqs:SendMessage", "sns": "sns:Publish"}
"""An action of each service whose resources answer to TLS only."""


@dataclass(frozen=True)
class Record:
    """What each story asked for, and the policies that let it."""

    cloud: Cloud
    accesses: dict[Story, list[Access]]
    denials: list[AccessDecided]
    policies: Policies

    def story_that_needs(self, policies: Policies) -> Story | None:
        """Return the first story that would be denied something by other policies."""
        for story, accesses in self.accesses.items():
            if any(policies.denial(access) for access in accesses):
                return story
        return None

    def refusal(self, policies: Policies) -> str | None:
        """Return why the stack would not come up with other policies, None where it would."""
        try:
            self.cloud.enforce(policies)
        except ReplayError as refused:
            return str(refused)
        self.cloud.enforce(self.policies)
        return None


@pytest.fixture(scope="module")
def scene(
    assembly: Path,
    tmp_path_factory: pytest.TempPathFactory,
    warm_nursery: Nursery,
    dataset: SimulatedDataset,
    database: bytes,
) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("grants")
    decisions: list[AccessDecided] = []

    def observe(observation: Observation) -> None:
        if isinstance(observation, AccessDecided):
            decisions.append(observation)

    with Cloud(assembly, folder / "cloud", observer=observe, nursery=warm_nursery) as cloud:
        yield Scene(Laboratory(cloud), decisions, dataset, database)


@pytest.fixture(scope="module")
def record(scene: Scene) -> Record:
    """All stories, told with the template's own policies."""
    accesses = {story: asked_for(story, scene) for story in STORIES}
    denials = scene.laboratory.cloud.denials()
    return Record(scene.laboratory.cloud, accesses, denials, scene.laboratory.cloud.policies)


def asked_for(story: Story, scene: Scene) -> list[Access]:
    scene.clear()
    begun = len(scene.decisions)
    story(scene)
    return [Access(each.principal, each.action, each.resource, each.context) for each in scene.decisions[begun:]]


def label(statement: Statement, action: str) -> str:
    """Name a grant by its role or resource, its bucket, and its action, without what differs between clouds."""
    owner = statement.where.partition(".")[0].removesuffix("DefaultPolicy").removesuffix("Policy")
    buckets = sorted({found[1] for each in statement.resources if (found := re.search(r"storage(\w+)bucket", each))})
    return " ".join([owner, *buckets, action])


def test_the_stories_are_denied_nothing(record: Record) -> None:
    assert record.denials == []


def test_without_any_one_grant_the_stack_does_not_come_up_or_a_story_is_denied_something(record: Record) -> None:
    grants = list(record.policies.grants())
    unneeded = {
        label(statement, action)
        for statement, action in grants
        if record.refusal(less := record.policies.without(statement, action)) is None
        and record.story_that_needs(less) is None
    }
    assert len(grants) > 100
    assert unneeded == UNNEEDED


def test_no_role_may_touch_keys_that_no_story_touches(record: Record) -> None:
    accesses = {access for told in record.accesses.values() for access in map(frozen, told)}
    idle = {
        f"{label(statement, action)} {resource.partition('/')[2]}"
        for statement, action in record.policies.grants()
        if action in ("s3:GetObject", "s3:GetObjectVersion", "s3:PutObject")
        for resource in statement.resources
        if not any(replace(statement, resources=(resource,)).applies(Access(*access)) for access in accesses)
    }
    assert idle == set()


def frozen(access: Access) -> tuple[str, str, str]:
    return access.principal, access.action, access.resource


def test_whoever_comes_without_tls_is_denied_everything(record: Record) -> None:
    reached = [*record.policies.resource]
    services = {arn.split(":")[2] for arn in reached}
    assert {"s3", "sqs", "sns"} <= services
    cloud = record.cloud
    buckets = [f"arn:aws:s3:::{bucket['Name']}" for bucket in cloud.client("s3").list_buckets()["Buckets"]]
    queues = [queue.rpartition("/")[2] for queue in cloud.client("sqs").list_queues()["QueueUrls"]]
    topics = [topic["TopicArn"] for topic in cloud.client("sns").list_topics()["Topics"]]
    assert {arn.rpartition(":")[2] for arn in reached if ":sqs:" in arn} == {*queues}
    assert {arn for arn in reached if arn.split(":")[2] in ("s3", "sns")} == {*buckets, *topics}
    for arn in reached:
        action = ACTIONS.get(arn.split(":")[2])
        if action is not None:
            resource = f"{arn}/key" if ":s3:" in arn else arn
            for principal in (*record.policies.identity, "events.amazonaws.com"):
                access = Access(principal, action, resource, {"aws:securetransport": "false"})
                assert "explicit deny" in (record.policies.denial(access) or "")
                access = Access(principal, action, resource, {"aws:securetransport": "true"})
                assert "explicit deny" not in (record.policies.denial(access) or "")


@pytest.mark.campaign
def test_without_any_one_grant_a_run_fails_naming_role_action_and_resource(record: Record, scene: Scene) -> None:
    untold, survived = set(), set()
    for statement, action in record.policies.grants():
        less = record.policies.without(statement, action)
        refusal = record.refusal(less)
        if refusal is not None:
            assert names(refusal, statement, action), refusal
            continue
        story = record.story_that_needs(less)
        if story is None:
            continue
        denials = denials_without(less, statement, action, story, scene)
        if story is a_job_succeeds and scene.succeeded():
            survived.add(label(statement, action))
        elif not any(denial in told for told in scene.told() for denial in denials):
            untold.add(label(statement, action))
    assert sorted(survived) == sorted(SURVIVED)
    assert sorted(untold) == sorted(UNTOLD)


def denials_without(policies: Policies, statement: Statement, action: str, story: Story, scene: Scene) -> list[str]:
    """Tell a story under other policies: it must be denied what they lack. Return the denials."""
    cloud, before = scene.laboratory.cloud, scene.laboratory.cloud.policies
    scene.clear()
    denied = len(cloud.denials())
    cloud.enforce(policies)
    try:
        story(scene)
    finally:
        cloud.enforce(before)
        scene.laboratory.wait()
    denials = [str(each) for each in cloud.denials()[denied:] if names(str(each), statement, action)]
    assert denials, f"{label(statement, action)} is not missed"
    return denials


def names(text: str, statement: Statement, action: str) -> bool:
    """Return whether a text says that the grant's principal may not do its action on one of its resources."""
    role = statement.where.partition(".")[0].removesuffix("DefaultPolicy")
    said = re.search(r"(\S+) is not authorized to perform: (\S+) on resource: (\S+)", text)
    if said is None or not fnmatchcase(said[2], action):
        return False
    # A role's policy names its role, a resource's its resource, but for services, which have only these.
    return f"-{role}-" in f"{said[1]} {said[3]}-" or not said[1].startswith("arn:")


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
        ("AnnotateRoleDefaultPolicy", "s3:GetObject"),
        ("PartitionRoleDefaultPolicy", "s3:PutObject"),
        ("WorkflowRoleDefaultPolicy", "lambda:InvokeFunction"),
    ],
)
def test_a_job_that_lacks_a_grant_fails_naming_role_action_and_resource(
    assembly: Path,
    tmp_path: Path,
    warm_nursery: Nursery,
    dataset: SimulatedDataset,
    database: bytes,
    policy: str,
    action: str,
) -> None:
    lacking = assembly_without(assembly, tmp_path / "assembly", policy, action)
    with Cloud(lacking, tmp_path / "cloud", nursery=warm_nursery) as cloud:
        laboratory = Laboratory(cloud)
        laboratory.annotate(dataset, database)
        status, denials = laboratory.job_status(), cloud.denials()
    assert status["state"] == "FAILED"
    assert {denial.action for denial in denials} == {action}
    assert all(f"-{policy.removesuffix('DefaultPolicy')}-" in denial.principal for denial in denials)
    # Of branches that run side by side, either may be the one that fails the job.
    assert any(str(denial) in status["message"] for denial in denials)


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
    assembly: Path, tmp_path: Path, warm_nursery: Nursery, policy: str, action: str, principal: str
) -> None:
    lacking = assembly_without(assembly, tmp_path / "assembly", policy, action)
    cloud = Cloud(lacking, tmp_path / "cloud", nursery=warm_nursery)
    with pytest.raises(ReplayError, match=f"{principal}.* is not authorized to perform: {action} on resource: arn:"):
        cloud.start()
