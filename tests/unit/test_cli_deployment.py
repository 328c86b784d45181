"""Which deployment a command is about, and what is said where there is none."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from threading import Timer
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoRegionError

from ionfleet_cli import deployment as deployments
from ionfleet_cli import local_state
from ionfleet_cli.deployment import Address, Deployment, explained, find_deployment
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.local_state import Endpoint, Place

OUTPUTS = {
    "InputBucket": "in",
    "WorkBucket": "work",
    "ResultsBucket": "results",
    "StateMachineArn": "arn:aws:states:eu-west-1:123456789012:stateMachine:Lab",
}


class Stacks:
    """CloudFormation, in whatever account and region."""

    def __init__(self, outputs: dict[str, str]) -> None:
        self.outputs = outputs
        self.asked: list[tuple[str, str | None]] = []

    def client(self, _session: boto3.session.Session, _service: str, endpoint_url: str | None) -> Stacks:
        self.endpoint_url = endpoint_url
        return self

    def describe_stacks(self, StackName: str) -> dict[str, Any]:
        self.asked.append((StackName, self.endpoint_url))
        if StackName == "Missing":
            raise ClientError({"Error": {"Code": "ValidationError", "Message": "no"}}, "DescribeStacks")
        return {"Stacks": [{"Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in self.outputs.items()]}]}


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")


@pytest.fixture
def stacks(monkeypatch: pytest.MonkeyPatch) -> Stacks:
    stacks = Stacks(OUTPUTS)
    monkeypatch.setattr(deployments, "_client", stacks.client)
    return stacks


def endpoint(name: str) -> Endpoint:
    return Endpoint(
        name=name, pid=1, endpoint_url="http://127.0.0.1:1", region="us-east-1", stack="Ionfleet", folder=Path("/f"),
        kept=False, started=0.0, outputs=OUTPUTS,
    )  # fmt: skip


def test_without_a_word_it_is_the_stack_of_the_account(stacks: Stacks) -> None:
    found = find_deployment(Address())
    assert stacks.asked == [("Ionfleet", None)]
    assert found.title == "the stack Ionfleet in eu-west-1"
    assert found.execution("job-1") == "arn:aws:states:eu-west-1:123456789012:execution:Lab:job-1"


def test_a_cloud_of_this_machine_that_is_up_goes_before_the_account(stacks: Stacks) -> None:
    place = Place("mine")
    with place.held():
        place.write(endpoint("mine"))
        assert find_deployment(Address()).endpoint_url == "http://127.0.0.1:1"
        assert find_deployment(Address(stack="Other")).title == "the stack Other in eu-west-1"
        assert stacks.asked == [("Other", None)]
    assert find_deployment(Address()).title == "the stack Ionfleet in eu-west-1"


def test_the_environments_endpoint_goes_before_a_cloud_that_is_up(
    stacks: Stacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://localhost:5000")
    place = Place("mine")
    with place.held():
        place.write(endpoint("mine"))
        find_deployment(Address())
        find_deployment(Address(endpoint="http://localhost:6000", stack="Lab"))
        assert find_deployment(Address(local="mine")).endpoint_url == "http://127.0.0.1:1"
    assert stacks.asked == [("Ionfleet", "http://localhost:5000"), ("Lab", "http://localhost:6000")]


@pytest.mark.usefixtures("stacks")
def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(UsageError, match="--local alone"):
        find_deployment(Address(local="a", stack="b"))
    with pytest.raises(CommandError, match="No local cloud 'a' is up"):
        find_deployment(Address(local="a"))
    with pytest.raises(CommandError, match="no stack 'Missing' in region eu-west-1"):
        find_deployment(Address(stack="Missing"))
    with pytest.raises(UsageError, match="cannot name a local cloud"):
        Place("../../etc")


def test_a_stack_that_is_no_ionfleet_is_refused(stacks: Stacks) -> None:
    stacks.outputs = {"Url": "https://example.org"}
    with pytest.raises(CommandError, match="has no output InputBucket"):
        find_deployment(Address())


def test_a_document_that_nobody_stands_behind_is_stale() -> None:
    place = Place("gone")
    place.make()
    place.write(endpoint("gone"))
    assert place.read() is not None
    assert not place.alive
    assert local_state.running() == []
    with place.held():
        assert place.read() is None, "a new cloud must not be taken for the old one"


def test_a_name_is_held_once() -> None:
    with Place("one").held(), pytest.raises(UsageError, match="'one' is up already"), Place("one").held():
        pytest.fail("it was held twice")


def test_somebody_who_looks_does_not_keep_a_cloud_from_its_lock() -> None:
    place = Place("one")
    place.make()
    with (place.folder / "lock").open("a") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        Timer(local_state.LOOKING / 5, lambda: fcntl.flock(looking, fcntl.LOCK_UN)).start()
        with place.held():
            assert place.alive


def test_other_folders_beside_those_of_clouds_are_passed_by() -> None:
    (local_state.state_folder() / ".trash").mkdir(parents=True)
    assert local_state.places() == []


def test_a_state_folder_that_is_not_absolute_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "state")
    monkeypatch.setenv("HOME", "/home/anna")
    assert local_state.state_folder() == Path("/home/anna/.local/state/ionfleet/clouds")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ClientError({"Error": {"Code": "AccessDenied", "Message": "not you"}}, "PutObject"), "PutObject: not you"),
        (EndpointConnectionError(endpoint_url="http://127.0.0.1:1"), "ionfleet local status"),
        (NoRegionError(), "set AWS_REGION"),
    ],
)
def test_errors_of_calls_say_what_to_do(error: Exception, said: str) -> None:
    with pytest.raises(CommandError, match=said), explained():
        raise error


def test_without_credentials_the_way_to_them_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(CommandError, match="There are no AWS credentials"), explained():
        find_deployment(Address())


def test_clients_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(deployments, "_client", lambda _session, service, _url: made.append(service))
    deployment = Deployment("it", OUTPUTS, boto3.session.Session())
    assert deployment.client("s3") is deployment.client("s3")
    assert made == ["s3"]
