"""Templates: references and functions resolved, order found, and what is not implemented refused by name."""

from __future__ import annotations

import json

import pytest

from ionfleet_replay import ReplayError, TemplateError
from ionfleet_replay.account import Account
from ionfleet_replay.resources import create_all
from ionfleet_replay.stack import Stack
from ionfleet_replay.template import Created, Template

PSEUDO = {"AWS::Region": "us-east-1", "AWS::AccountId": "123456789012", "AWS::Partition": "aws", "AWS::StackName": "S"}


def resolved(value, **sections):
    """Resolve a value in a template with one created resource, `Bucket`."""
    template = Template({"Resources": {"Bucket": {"Type": "T"}}, **sections}, PSEUDO)
    template.created(template.resources[0], Created("the-bucket", {"Arn": "arn:aws:s3:::the-bucket"}))
    return template.resolve(value, "a test")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Ref": "Bucket"}, "the-bucket"),
        ({"Ref": "AWS::Region"}, "us-east-1"),
        ({"Ref": "Stage"}, "test"),
        ({"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::the-bucket"),
        ({"Fn::GetAtt": "Bucket.Arn"}, "arn:aws:s3:::the-bucket"),
        (
            {"Fn::Sub": "${Bucket}/${Bucket.Arn}/${AWS::Region}/${!Literal}"},
            "the-bucket/arn:aws:s3:::the-bucket/us-east-1/${Literal}",
        ),
        ({"Fn::Sub": ["${a}-${Bucket}", {"a": {"Ref": "Stage"}}]}, "test-the-bucket"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Stage"}, 1]]}, "a-test-1"),
        ({"Fn::Select": [1, {"Fn::Split": [":", "a:b:c"]}]}, "b"),
        ({"Fn::If": ["IsTest", "yes", "no"]}, "yes"),
        ({"Fn::If": ["IsNotTest", "yes", "no"]}, "no"),
        ({"Fn::If": ["IsBoth", "yes", "no"]}, "no"),
        ({"Fn::FindInMap": ["Sizes", {"Ref": "Stage"}, "memory"]}, 512),
        ({"a": [{"Ref": "AWS::NoValue"}, 1], "b": {"Ref": "AWS::NoValue"}}, {"a": [1]}),
        ({"Ref": "Bucket", "beside": 1}, {"Ref": "Bucket", "beside": 1}),
        ([None, True, 1.5, "text"], [None, True, 1.5, "text"]),
    ],
)
def test_intrinsic_functions_are_resolved(value, expected):
    equals = {"Fn::Equals": [{"Ref": "Stage"}, "test"]}
    conditions = {
        "IsTest": equals,
        "IsNotTest": {"Fn::Not": [equals]},
        "IsBoth": {"Fn::And": [{"Condition": "IsTest"}, {"Condition": "IsNotTest"}]},
    }
    sections = {
        "Parameters": {"Stage": {"Type": "String", "Default": "test"}},
        "Mappings": {"Sizes": {"test": {"memory": 512}}},
        "Conditions": conditions,
    }
    assert resolved(value, **sections) == expected


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ({"Ref": "Nobody"}, "'Nobody'"),
        ({"Fn::GetAtt": ["Bucket", "DomainName"]}, "'DomainName' of 'Bucket'.*known: Arn"),
        ({"Fn::GetAtt": ["Nobody", "Arn"]}, "no such resource"),
        ({"Fn::ImportValue": "x"}, "Fn::ImportValue"),
        ("{{resolve:ssm:name}}", "dynamic reference"),
        ({"Fn::If": ["Nothing", 1, 2]}, "no condition 'Nothing'"),
        ({"Fn::Sub": "${Bootstrap}"}, "'Bootstrap'"),
    ],
)
def test_what_cannot_be_resolved_is_named(value, found):
    parameter = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/version"}
    with pytest.raises(ReplayError, match=found):
        resolved(value, Parameters={"Bootstrap": parameter})


@pytest.mark.parametrize("section", [{"Transform": "AWS::Serverless"}, {"Rules": {"Mine": {}}}, {"Hooks": {}}])
def test_a_section_that_is_not_implemented_is_named(section):
    with pytest.raises(ReplayError, match=r"'(Transform|Mine|Hooks)' is not implemented"):
        Template({"Resources": {}, **section}, PSEUDO)


def test_resources_are_created_after_what_they_need():
    entries = {
        "A": {"Type": "T", "Properties": {"x": {"Fn::Sub": "${B.Arn}"}}, "DependsOn": "D"},
        "B": {"Type": "T", "Properties": {"x": [{"Fn::GetAtt": ["C", "Arn"]}]}},
        "C": {"Type": "T", "Properties": {"x": {"Ref": "AWS::Region"}}},
        "D": {"Type": "T", "DependsOn": ["B"]},
    }
    order = [resource.logical_id for resource in Template({"Resources": entries}, PSEUDO).resources]
    assert order == ["C", "B", "D", "A"]


def test_resources_that_need_each_other_are_named():
    entries = {"A": {"Type": "T", "DependsOn": "B"}, "B": {"Type": "T", "DependsOn": "A"}}
    with pytest.raises(ReplayError, match=r"need each other: [AB] → [AB] → [AB]"):
        Template({"Resources": entries}, PSEUDO)


def test_a_resource_whose_condition_does_not_hold_is_left_out():
    never = {"Fn::Equals": ["a", "b"]}
    entries = {"A": {"Type": "T", "Condition": "Never"}, "B": {"Type": "T"}}
    template = Template({"Resources": entries, "Conditions": {"Never": never}}, PSEUDO)
    assert [resource.logical_id for resource in template.resources] == ["B"]


def refused(stack):
    """Create a stack's resources as far as the first that is refused, without a cloud."""
    template = json.loads((stack.write() / "Test.template.json").read_text())
    declared = Stack(
        Account(), "Test", {f"{name}.zip": stack.folder / f"asset.{name}" for name in ("Function", "layer")}
    )
    with pytest.raises(TemplateError) as error:
        create_all(Template(template, PSEUDO), declared)
    return error.value


def test_an_unknown_type_is_refused_by_logical_id_and_type(stack):
    error = refused(stack.add("Table", "AWS::DynamoDB::Table"))
    assert (error.logical_id, error.kind) == ("Table", "AWS::DynamoDB::Table")
    assert "'Table' of type AWS::DynamoDB::Table" in str(error)


def test_an_unknown_resource_attribute_is_refused(stack):
    stack.resources["Role"]["CreationPolicy"] = {}
    with pytest.raises(TemplateError, match="'Role' of type AWS::IAM::Role, CreationPolicy"):
        Template({"Resources": stack.resources}, PSEUDO)


FUNCTION = {"Handler": "handler.handler", "Runtime": "python3.13", "Role": "r"}


@pytest.mark.parametrize(
    ("kind", "properties", "where"),
    [
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "ManagedPolicyArns": []}, "ManagedPolicyArns"),
        ("AWS::IAM::Role", {"AssumeRolePolicyDocument": {}, "PermissionsBoundary": "x"}, "PermissionsBoundary"),
        ("AWS::Lambda::Function", {**FUNCTION, "EphemeralStorage": {"Size": 1024}}, "EphemeralStorage"),
        ("AWS::Lambda::Function", {**FUNCTION, "Timeout": "3"}, "Timeout"),
        ("AWS::Lambda::Function", {**FUNCTION, "Runtime": "nodejs22.x"}, "Runtime"),
        (
            "AWS::Lambda::Function",
            {**FUNCTION, "LoggingConfig": {"SystemLogLevel": "DEBUG"}},
            "LoggingConfig.SystemLogLevel",
        ),
        ("AWS::Lambda::Function", {**FUNCTION, "Code": {"ImageUri": "x"}}, "Code.ImageUri"),
        ("AWS::Lambda::Function", {**FUNCTION, "Code": {"S3Bucket": "b", "S3Key": "gone.zip"}}, "Code.S3Key"),
        ("AWS::Lambda::Permission", {"FunctionName": "nobody"}, "FunctionName"),
        ("AWS::Lambda::EventSourceMapping", {"FunctionName": "nobody"}, "FunctionName"),
        (
            "AWS::Events::Rule",
            {"EventPattern": {"a": ["b"]}, "ScheduleExpression": "rate(1 minute)"},
            "ScheduleExpression",
        ),
        ("AWS::Events::Rule", {"EventPattern": {"a": [{"numeric": [">", 1]}]}}, "EventPattern"),
        ("AWS::Events::Rule", {"EventPattern": {"a": ["b"]}, "State": "DISABLED"}, "State"),
        (
            "AWS::Events::Rule",
            {"EventPattern": {"a": ["b"]}, "Targets": [{"Arn": "arn:aws:sns:::t"}]},
            "Targets[0].Arn",
        ),
        (
            "AWS::Events::Rule",
            {"EventPattern": {"a": ["b"]}, "Targets": [{"Arn": "arn:aws:sqs:::stranger"}]},
            "Targets[0].Arn",
        ),
    ],
)
def test_a_property_that_is_not_implemented_is_refused_by_its_path(stack, kind, properties, where):
    if kind == "AWS::Lambda::Function":
        properties = {"Code": stack.asset("Function", {"handler.py": ""}), **properties}
    error = refused(stack.add("It", kind, **properties))
    assert (error.logical_id, error.kind, error.where) == ("It", kind, where)
    assert where in str(error)


def test_a_cloud_that_refuses_its_template_leaves_nothing_running(stack, start):
    stack.bucket("Bucket", events=False, ReplicationConfiguration={})
    with pytest.raises(TemplateError, match=r"'Bucket' of type AWS::S3::Bucket, ReplicationConfiguration"):
        start(stack)
    facts = json.loads((start.clouds[0].folder / "cloud.json").read_text())
    assert facts["state"] == "stopped"


@pytest.mark.parametrize(
    ("kind", "properties", "where"),
    [
        (
            "AWS::S3::Bucket",
            {"NotificationConfiguration": {"QueueConfigurations": []}},
            "NotificationConfiguration.QueueConfigurations",
        ),
        ("AWS::SQS::Queue", {"FifoQueue": True}, "FifoQueue"),
        ("AWS::SQS::Queue", {"RedrivePolicy": {"surprise": 1}}, "RedrivePolicy.surprise"),
        ("AWS::SNS::Topic", {"Subscription": []}, "Subscription"),
        (
            "AWS::StepFunctions::StateMachine",
            {"DefinitionString": "{}", "RoleArn": "arn:aws:iam::123456789012:role/r", "StateMachineType": "EXPRESS"},
            "StateMachineType",
        ),
    ],
)
def test_properties_of_what_moto_holds_are_refused_too(stack, start, kind, properties, where):
    with pytest.raises(TemplateError) as error:
        start(stack.add("It", kind, **properties))
    assert error.value.where == where


@pytest.mark.parametrize("extra", [{"InputTransformer": {}}, {"Input": "{}"}, {"RoleArn": "r"}, {"SqsParameters": {}}])
def test_a_property_of_a_target_that_is_not_implemented_is_refused(stack, start, extra):
    stack.queue("Queue").rule("Rule", {"a": ["b"]}, "Queue", **extra)
    with pytest.raises(TemplateError) as error:
        start(stack)
    assert error.value.where == f"Targets[0].{next(iter(extra))}"


def test_dead_letters_go_to_queues_of_the_stack_only(stack, start):
    dead = {"TargetArn": "arn:aws:sns:us-east-1:1:topic"}
    with pytest.raises(TemplateError, match=r"DeadLetterConfig\.TargetArn"):
        start(stack.function("Function", "def handler(event, context): pass", DeadLetterConfig=dead))


def test_a_definition_that_calls_a_function_or_version_that_is_not_there_is_refused(stack, start):
    call = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": True}
    definition = {"StartAt": "S", "States": {"S": {**call, "Parameters": {"FunctionName": "${Arn}:2"}}}}
    stack.function("Function", "def handler(event, context): pass")
    stack.machine("Machine", definition, Arn={"Fn::GetAtt": ["Function", "Arn"]})
    with pytest.raises(ReplayError, match=r"State 'S', field 'Parameters\.FunctionName'.*:2"):
        start(stack)


def test_a_queue_that_shows_messages_again_while_the_function_runs_is_refused(stack, start):
    stack.queue("Queue", VisibilityTimeout=10).function("Function", "def handler(event, context): pass", Timeout=11)
    with pytest.raises(TemplateError, match="after 10 s, before the function's 11 s"):
        start(stack.mapping("Mapping", "Queue", "Function"))


def test_a_definition_that_the_interpreter_refuses_stops_the_start(stack, start):
    with pytest.raises(ReplayError, match="State 'S', field 'Type'"):
        start(stack.machine("Machine", {"StartAt": "S", "States": {"S": {"Type": "Activity"}}}))


@pytest.mark.parametrize(("protocol", "accepted"), [("email", True), ("https", True), ("sms", False)])
def test_who_outside_wants_to_be_told_is_accepted_and_not_told(stack, start, protocol, accepted):
    stack.add("Topic", "AWS::SNS::Topic")
    stack.add("Anna", "AWS::SNS::Subscription", TopicArn={"Ref": "Topic"}, Protocol=protocol, Endpoint="anna")
    if not accepted:
        with pytest.raises(TemplateError, match=f"Anna.*Protocol.*'{protocol}' is not implemented"):
            start(stack)
        return
    sns = start(stack).client("sns")
    assert sns.list_subscriptions()["Subscriptions"] == []
