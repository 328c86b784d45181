"""What is left of a stack: everything that holds data, or nothing at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ionfleet_replay import Cloud, TemplateError

from .conftest import TEST_DEPLOYMENT

if TYPE_CHECKING:
    from .conftest import Template

BUCKETS = ("StorageInputBucket", "StorageWorkBucket", "StorageResultsBucket")
HOLDING_DATA = {"AWS::S3::Bucket", "AWS::S3::BucketPolicy", "AWS::SQS::Queue", "AWS::Logs::LogGroup"}
VERSIONS = {"AWS::Lambda::Version"}
"""Outlive an update, so that running executions can end with them; they go with their function in any case."""


def kept(template: Template) -> set[str]:
    """Return the types of which something outlives the stack."""
    return {
        resource["Type"]
        for resource in template.body["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }


def needs(template: Template, logical_id: str) -> set[str]:
    """Return what CloudFormation creates before a resource, and deletes after it."""
    found: set[str] = set()
    waiting = [logical_id]
    while waiting:
        resource = template.body["Resources"][waiting.pop()]
        fresh = {*resource.get("DependsOn", []), *references(resource)} & template.body["Resources"].keys()
        waiting += fresh - found
        found |= fresh
    return found


def references(value: Any) -> set[str]:
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), _]}:
            return {name}
        case dict():
            return set().union(*map(references, value.values()))
        case list():
            return set().union(*map(references, value))
    return set()


def test_a_production_stack_keeps_what_holds_data_on_every_way_it_can_be_lost(template: Template) -> None:
    for logical_id, resource in template.body["Resources"].items():
        if resource["Type"] in HOLDING_DATA:
            assert resource["DeletionPolicy"] == "RetainExceptOnCreate", logical_id
            assert resource["UpdateReplacePolicy"] == "Retain", logical_id
    assert kept(template) == HOLDING_DATA | VERSIONS


def test_a_production_stack_has_nothing_that_empties_buckets(template: Template) -> None:
    assert not [each for each in template.body["Resources"].values() if each["Type"].startswith("Custom::")]


def test_a_test_stack_leaves_nothing(disposable: Template) -> None:
    assert kept(disposable) == VERSIONS
    for version in disposable.of_type("AWS::Lambda::Version").values():
        function = version["FunctionName"]["Ref"]
        assert disposable.body["Resources"][function].get("DeletionPolicy", "Delete") == "Delete"


def test_a_test_stack_empties_its_buckets_before_they_are_deleted(disposable: Template) -> None:
    contents = disposable["StorageContents"]
    assert contents["Buckets"] == [{"Ref": bucket} for bucket in BUCKETS]
    for bucket in BUCKETS:
        for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
            assert disposable.allows("StorageContentsRole", action, f"<{bucket}.Arn>/datasets/a/b.imzML")
        assert disposable.allows("StorageContentsRole", "s3:ListBucketVersions", f"<{bucket}.Arn>")
        assert not disposable.allows("StorageContentsRole", "s3:GetObject", f"<{bucket}.Arn>/datasets/a/b.imzML")


def test_whatever_writes_into_the_buckets_is_gone_before_they_are_emptied(disposable: Template) -> None:
    policies = disposable.of_type("AWS::IAM::Policy")
    writers = {policy for policy in policies if not policy.startswith("StorageContents")}
    assert len(writers) == 10
    for policy in writers:
        assert "StorageContents" in needs(disposable, policy)


def test_nothing_can_make_a_log_group_again_once_it_is_deleted(template: Template, disposable: Template) -> None:
    for each in (template, disposable):
        for role, properties in each.of_type("AWS::IAM::Role").items():
            assert "ManagedPolicyArns" not in properties
            assert not each.allows(role, "logs:CreateLogGroup", "*")


def test_the_topics_key_waits_for_its_deletion_no_longer_than_it_has_to(
    template: Template, disposable: Template
) -> None:
    assert (template["TopicKey"]["PendingWindowInDays"], disposable["TopicKey"]["PendingWindowInDays"]) == (30, 7)
    assert {each.body["Resources"]["TopicKey"]["DeletionPolicy"] for each in (template, disposable)} == {"Delete"}


def deployment(assembly: Path) -> dict[str, Any]:
    manifest = json.loads((assembly / "manifest.json").read_text())
    properties: dict[str, Any] = manifest["artifacts"]["Ionfleet"]["properties"]
    return properties


def test_a_stack_is_named_and_protected_as_set(assembly: Path, assembly_of: Callable[..., Path]) -> None:
    production, test = deployment(assembly), deployment(assembly_of(**TEST_DEPLOYMENT))
    assert (production.get("stackName", "Ionfleet"), production["terminationProtection"]) == ("Ionfleet", True)
    assert (test["stackName"], test.get("terminationProtection", False)) == ("IonfleetTest", False)


def test_two_deployments_share_no_name(template: Template, disposable: Template) -> None:
    for each in (template, disposable):
        named = {
            (logical_id, key): value
            for logical_id, resource in each.body["Resources"].items()
            for key, value in resource.get("Properties", {}).items()
            if key.endswith("Name") and key not in ("FunctionName", "MetricName", "PolicyName")
        }
        assert named.keys() == {("WorkflowStateMachine", "StateMachineName"), ("WorkflowLogGroup", "LogGroupName")}
        assert all({"Ref": "AWS::StackName"} in parts(value) for value in named.values())


def parts(value: Any) -> list[Any]:
    """Return what a name is made of."""
    return value["Fn::Join"][1] if "Fn::Join" in value else [value]


def test_a_later_stack_of_the_same_name_does_not_meet_the_logs_that_were_kept(template: Template) -> None:
    name = template["WorkflowLogGroup"]["LogGroupName"]["Fn::Join"][1]
    assert name[-1] == {"Fn::Select": [2, {"Fn::Split": ["/", {"Ref": "AWS::StackId"}]}]}


def test_the_local_runtime_refuses_a_stack_that_empties_buckets_by_name(
    assembly_of: Callable[..., Path], tmp_path: Path
) -> None:
    cloud = Cloud(assembly_of(**TEST_DEPLOYMENT), tmp_path, preload=())
    with pytest.raises(TemplateError, match=r"StorageContents.*Custom::BucketContents"):
        cloud.start()
