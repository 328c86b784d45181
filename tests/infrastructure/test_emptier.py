"""The function that empties buckets, against moto, with CloudFormation's side of it taken down."""

from __future__ import annotations

import importlib.util
import io
import json
import urllib.request
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ionfleet_infrastructure.emptying import CODE

ACCOUNT = "123456789012"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What CloudFormation is answered."""
    sent: list[dict[str, Any]] = []

    def open_url(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        assert timeout > 0
        assert (request.get_method(), request.full_url) == ("PUT", "https://answer")
        sent.append(json.loads(request.data))  # type: ignore[arg-type]
        return io.BytesIO()

    monkeypatch.setattr(urllib.request, "urlopen", open_url)
    return sent


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    for name, value in (("ACCESS_KEY_ID", "x"), ("SECRET_ACCESS_KEY", "x"), ("DEFAULT_REGION", "us-east-1")):
        monkeypatch.setenv(f"AWS_{name}", value)
    with mock_aws():
        client = boto3.client("s3")
        for bucket in ("one", "two"):
            client.create_bucket(Bucket=f"lab-{bucket}")
        client.put_bucket_versioning(Bucket="lab-one", VersioningConfiguration={"Status": "Enabled"})
        yield client


@pytest.fixture
def emptier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("emptier", CODE / "handler.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def request(kind: str, **properties: Any) -> dict[str, Any]:
    names = {name: f"the {name}" for name in ("StackId", "RequestId", "LogicalResourceId")}
    buckets = {"Buckets": ["lab-one", "lab-two"], "Account": ACCOUNT}
    return {
        **names,
        "RequestType": kind,
        "ResponseURL": "https://answer",
        "ResourceProperties": {**buckets, **properties},
    }


def context(milliseconds: int = 600_000) -> Any:
    return SimpleNamespace(get_remaining_time_in_millis=lambda: milliseconds)


def fill(s3: Any) -> None:
    for number in range(10):
        s3.put_object(Bucket="lab-two", Key=f"jobs/{number}", Body=b"")
    for body in (b"first", b"second"):
        s3.put_object(Bucket="lab-one", Key="datasets/x.imzML", Body=body)
    s3.put_object(Bucket="lab-one", Key="datasets/y.ibd", Body=b"")
    s3.delete_object(Bucket="lab-one", Key="datasets/y.ibd")


def test_deleting_the_resource_empties_the_buckets_of_every_version(
    s3: Any, emptier: ModuleType, answers: list[dict[str, Any]]
) -> None:
    fill(s3)
    emptier.handler({**request("Delete"), "PhysicalResourceId": "contents"}, context())
    for bucket in ("lab-one", "lab-two"):
        s3.delete_bucket(Bucket=bucket)
    (answer,) = answers
    assert (answer["Status"], answer["PhysicalResourceId"]) == ("SUCCESS", "contents")
    assert {name: answer[name] for name in ("StackId", "RequestId")} == {
        "StackId": "the StackId",
        "RequestId": "the RequestId",
    }


@pytest.mark.parametrize("kind", ["Create", "Update"])
def test_nothing_is_deleted_while_the_stack_lives(
    s3: Any, emptier: ModuleType, answers: list[dict[str, Any]], kind: str
) -> None:
    fill(s3)
    emptier.handler(request(kind), context())
    assert s3.get_object(Bucket="lab-one", Key="datasets/x.imzML")["Body"].read() == b"second"
    assert answers[0]["Status"] == "SUCCESS"


def test_without_time_to_finish_the_deletion_fails_and_says_what_to_do(
    s3: Any, emptier: ModuleType, answers: list[dict[str, Any]]
) -> None:
    fill(s3)
    with pytest.raises(emptier.LeftoverError):
        emptier.handler(request("Delete"), context(milliseconds=59_000))
    assert answers[0]["Status"] == "FAILED"
    assert "Delete the stack again" in answers[0]["Reason"]


def test_every_call_names_the_account_that_the_bucket_has_to_belong_to(s3: Any, emptier: ModuleType) -> None:
    fill(s3)
    owners: list[str | None] = []
    s3.meta.events.register(
        "provide-client-params.s3", lambda params, **_: owners.append(params.get("ExpectedBucketOwner"))
    )
    emptier.empty(s3, "lab-one", ACCOUNT, context())
    assert set(owners) == {ACCOUNT}
    assert len(owners) >= 3


def test_a_bucket_is_read_again_until_nothing_is_in_it(emptier: ModuleType) -> None:
    pages = [{"Versions": [{"Key": str(page), "VersionId": "1"}]} for page in range(3)]
    deleted: list[str] = []

    def delete(**call: Any) -> dict[str, Any]:
        deleted.extend(each["Key"] for each in call["Delete"]["Objects"])
        return {}

    large = SimpleNamespace(list_object_versions=lambda **_: pages.pop(0) if pages else {}, delete_objects=delete)
    emptier.empty(large, "lab", ACCOUNT, context())
    assert deleted == ["0", "1", "2"]


def test_what_s3_refuses_to_delete_is_named(emptier: ModuleType) -> None:
    refusal = {"Errors": [{"Key": "k", "Message": "Access Denied"}]}
    locked = SimpleNamespace(
        list_object_versions=lambda **_: {"Versions": [{"Key": "k", "VersionId": "1"}]},
        delete_objects=lambda **_: refusal,
    )
    with pytest.raises(emptier.LeftoverError, match="lab/k cannot be deleted: Access Denied"):
        emptier.empty(locked, "lab", ACCOUNT, context())


def test_an_answer_goes_over_tls_only(emptier: ModuleType, answers: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match="TLS"):
        emptier.handler({**request("Create"), "ResponseURL": "http://answer"}, context())
    assert answers == []
