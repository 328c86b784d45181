"""Policies as IAM evaluates them, and what a role meets that lacks a grant."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.session import Session

from ionfleet_replay import AccessDecided, InvocationError, ReplayError, TemplateError
from ionfleet_replay.fields import Fields
from ionfleet_replay.iam import (
    Access,
    Policies,
    identity_statements,
    key_statements,
    resource_statements,
    trust_statements,
)

from .conftest import TRUST, arn

ROLE = "arn:aws:iam::1:role/r"
BUCKET = "arn:aws:s3:::b"
RULE = "arn:aws:events:us-east-1:1:rule/a"

LOGGING = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": "*"}

CALLER = """
    import boto3

    def handler(event, context):
        client = boto3.client(event["service"])
        answer = getattr(client, event["operation"])(**event["parameters"])
        return answer["ResponseMetadata"]["HTTPStatusCode"]
"""


def document(*statements: Any, **more: Any) -> Fields:
    return Fields("It", {"Statement": list(statements), **more}, partial(TemplateError, "It", "Kind"), "Document")


def allow(action: Any = "s3:GetObject", resource: Any = f"{BUCKET}/*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def allowed(access: Access, *identity: dict[str, Any], resource: dict[str, dict[str, Any]] | None = None) -> bool:
    policies = Policies()
    policies.of_role(ROLE, identity_statements(document(*identity)))
    for owner, statement in (resource or {}).items():
        policies.of_resource(owner, resource_statements(document(statement)))
    return policies.denial(access) is None


def get(key: str = "k", principal: str = ROLE, **context: str) -> Access:
    return Access(principal, "s3:GetObject", f"{BUCKET}/{key}", context)


def test_nothing_is_allowed_by_default():
    assert not allowed(get())


@pytest.mark.parametrize(
    ("action", "resource", "expected"),
    [
        ("s3:GetObject", f"{BUCKET}/k", True),
        ("s3:getobject", f"{BUCKET}/*", True),
        ("s3:Get*", f"{BUCKET}/?", True),
        (["s3:PutObject", "*"], ["arn:aws:s3:::c/*", "*"], True),
        ("s3:GetObjectVersion", f"{BUCKET}/*", False),
        ("s3:GetObject", f"{BUCKET}/K", False),
        ("s3:GetObject", BUCKET, False),
        ("s3:GetObject", f"{BUCKET}/k?", False),
        ("s3.GetObject", f"{BUCKET}/*", False),
    ],
)
def test_actions_ignore_case_and_both_actions_and_resources_have_wildcards(action, resource, expected):
    assert allowed(get(), allow(action, resource)) == expected


def test_a_wildcard_reaches_over_slashes_and_line_breaks():
    assert allowed(get("a/b\nc"), allow(resource=f"{BUCKET}/a*c"))


def test_an_explicit_deny_wins_over_every_allow():
    deny = {**allow(resource=f"{BUCKET}/secret/*"), "Effect": "Deny"}
    assert allowed(get("open/k"), allow(), deny)
    assert not allowed(get("secret/k"), allow(), deny)
    assert not allowed(get("secret/k"), deny, allow())


def test_a_deny_of_the_resource_wins_over_an_allow_of_the_role():
    deny = {**allow("s3:*", [BUCKET, f"{BUCKET}/*"]), "Effect": "Deny", "Principal": {"AWS": "*"}}
    insecure = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    assert not allowed(get(), allow(), resource={BUCKET: deny})
    assert allowed(get(**{"aws:securetransport": "true"}), allow(), resource={BUCKET: insecure})
    assert not allowed(get(**{"aws:securetransport": "false"}), allow(), resource={BUCKET: insecure})


def test_a_policy_of_a_resource_allows_the_principals_that_it_names():
    for principal in ({"AWS": ROLE}, {"AWS": ["arn:aws:iam::1:role/s", ROLE]}, "*"):
        assert allowed(get(), resource={BUCKET: allow(Principal=principal)})
    assert not allowed(get(), resource={BUCKET: allow(Principal={"AWS": "arn:aws:iam::1:role/s"})})
    assert not allowed(get(), resource={BUCKET: allow(Principal={"Service": "events.amazonaws.com"})})
    assert allowed(
        get(principal="events.amazonaws.com"), resource={BUCKET: allow(Principal={"Service": "events.amazonaws.com"})}
    )


@pytest.mark.parametrize(
    ("condition", "context", "expected"),
    [
        ({"StringEquals": {"s3:prefix": "a"}}, {"s3:prefix": "a"}, True),
        ({"StringEquals": {"s3:prefix": ["b", "a"]}}, {"s3:prefix": "a"}, True),
        ({"StringEquals": {"s3:prefix": "a*"}}, {"s3:prefix": "ab"}, False),
        ({"StringEquals": {"s3:prefix": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"s3:prefix": "a"}}, {}, True),
        ({"StringLike": {"S3:Prefix": "a/*"}}, {"s3:prefix": "a/b"}, True),
        ({"StringLike": {"s3:prefix": "a/*"}}, {"s3:prefix": "b/a/"}, False),
        ({"StringLikeIfExists": {"s3:prefix": "a/*"}}, {}, True),
        ({"StringLikeIfExists": {"s3:prefix": "a/*"}}, {"s3:prefix": ""}, False),
        ({"ArnEquals": {"aws:SourceArn": RULE}}, {"aws:sourcearn": RULE}, True),
        ({"ArnLike": {"aws:SourceArn": "arn:aws:events:*:1:rule/*"}}, {"aws:sourcearn": RULE}, True),
        ({"ArnEquals": {"aws:SourceArn": "arn:aws:*:rule/a"}}, {"aws:sourcearn": RULE}, False),
        ({"ArnLike": {"aws:SourceArn": RULE}}, {}, False),
        ({"Null": {"s3:if-none-match": "true"}}, {}, True),
        ({"Null": {"s3:if-none-match": "true"}}, {"s3:if-none-match": "*"}, False),
        ({"Null": {"s3:if-none-match": "false"}}, {"s3:if-none-match": "*"}, True),
        ({"Null": {"s3:if-none-match": "false"}}, {}, False),
        ({"Bool": {"aws:SecureTransport": "true"}}, {"aws:securetransport": "true"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:securetransport": "true"}, False),
        (
            {"StringEquals": {"s3:prefix": "a", "aws:SourceAccount": "1"}},
            {"s3:prefix": "a", "aws:sourceaccount": "2"},
            False,
        ),
    ],
)
def test_every_condition_has_to_hold(condition, context, expected):
    assert allowed(get(**context), allow(Condition=condition)) == expected


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        (allow(Condition={"NumericLessThan": {"s3:max-keys": "10"}}), "Statement[0].Condition.NumericLessThan"),
        (allow(Condition={"StringLike": {"s3:Prefixx": "a"}}), "Statement[0].Condition.StringLike.s3:Prefixx"),
        ({"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}, "Statement[0].Action"),
        (allow(Condition={"Null": {"s3:prefix": "perhaps"}}), "Statement[0].Condition.Null.s3:prefix"),
        (allow(NotResource="*"), "Statement[0].NotResource"),
        (allow(Principal="*"), "Statement[0].Principal"),
        (allow(resource=[]), "Statement[0].Resource"),
        (allow(resource="arn:aws:s3:::b/${aws:username}/*"), "Statement[0].Resource"),
        ({**allow(), "Effect": "Perhaps"}, "Statement[0].Effect"),
    ],
)
def test_what_is_not_implemented_in_a_policy_is_refused_where_it_stands(statement, where):
    with pytest.raises(TemplateError) as refused:
        identity_statements(document(statement))
    assert refused.value.where == f"Document.{where}"


def test_principals_that_are_not_implemented_are_refused():
    with pytest.raises(TemplateError, match="only roles"):
        resource_statements(document(allow(Principal={"AWS": "arn:aws:iam::1:user/u"})))
    with pytest.raises(TemplateError, match="CanonicalUser"):
        resource_statements(document(allow(Principal={"CanonicalUser": "x"})))


def test_a_statement_about_all_but_some_resources_spares_these():
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "NotResource": f"{BUCKET}/spared/*"}
    assert not allowed(get("k"), allow(), resource={BUCKET: deny})
    assert allowed(get("spared/k"), allow(), resource={BUCKET: deny})


KEY = "arn:aws:kms:us-east-1:1:key/k"
TO_ACCOUNT = {"Effect": "Allow", "Action": "kms:*", "Resource": "*", "Principal": {"AWS": "arn:aws:iam::1:root"}}


@pytest.mark.parametrize(
    ("key_policy", "granted", "expected"),
    [
        ([TO_ACCOUNT], True, True),
        ([TO_ACCOUNT], False, False),
        ([], True, False),
        ([{**TO_ACCOUNT, "Action": "kms:DescribeKey"}], True, False),
        ([allow("kms:Decrypt", "*", Principal={"AWS": ROLE})], False, True),
    ],
)
def test_a_role_uses_a_key_where_the_key_leaves_that_to_its_account(key_policy, granted, expected):
    policies = Policies()
    policies.of_resource(KEY, key_statements(document(*key_policy), "1"))
    if granted:
        policies.of_role(ROLE, identity_statements(document(allow("kms:Decrypt", KEY))))
    assert (policies.denial(Access(ROLE, "kms:Decrypt", KEY)) is None) == expected


def test_the_account_of_another_is_no_principal_of_a_key():
    with pytest.raises(TemplateError, match="arn:aws:iam::2:root"):
        key_statements(document({**TO_ACCOUNT, "Principal": {"AWS": "arn:aws:iam::2:root"}}), "1")


def test_a_role_is_assumed_by_whom_it_trusts():
    policies = Policies(trust={ROLE: trust_statements(document(*TRUST["Statement"]))})
    assert policies.assumable(ROLE, "lambda.amazonaws.com", {})
    assert not policies.assumable(ROLE, "ec2.amazonaws.com", {})
    assert not policies.assumable(f"{ROLE}2", "lambda.amazonaws.com", {})


def test_a_role_is_assumed_on_behalf_of_whom_it_is_for():
    (trust,) = TRUST["Statement"]
    policies = Policies(
        trust={ROLE: trust_statements(document({**trust, "Condition": {"ArnLike": {"aws:SourceArn": f"{RULE}*"}}}))}
    )
    assert policies.assumable(ROLE, "states.amazonaws.com", {"aws:sourcearn": f"{RULE}/1"})
    assert not policies.assumable(ROLE, "states.amazonaws.com", {"aws:sourcearn": RULE.replace("/a", "/b")})
    assert not policies.assumable(ROLE, "states.amazonaws.com", {})


def test_taking_an_action_out_of_a_statement_leaves_the_others():
    policies = Policies(trust={ROLE: trust_statements(document(*TRUST["Statement"]))})
    actions = ["s3:GetObject", "s3:PutObject"]
    policies.of_role(ROLE, identity_statements(document(allow(actions, f"{BUCKET}/a"), allow(resource=f"{BUCKET}/b"))))
    grants = [(statement.where, action) for statement, action in policies.grants()]
    first, second = "It.Document.Statement[0]", "It.Document.Statement[1]"
    assert grants == [(first, actions[0]), (first, actions[1]), (second, actions[0]), (first, "sts:AssumeRole")]
    left = policies.without(*next(policies.grants()))
    assert "no identity-based policy allows the s3:GetObject action" in (left.denial(get("a")) or "")
    assert left.denial(get("b")) is None
    assert left.denial(Access(ROLE, "s3:PutObject", f"{BUCKET}/a")) is None
    assert left.assumable(ROLE, "lambda.amazonaws.com", {})
    *_, trust = policies.grants()
    assert not policies.without(*trust).assumable(ROLE, "lambda.amazonaws.com", {})


class Caller:
    """A function whose role may log and do what the given statements say.

    Beside it there are a bucket, a queue, a topic and a state machine.
    """

    def __init__(self, stack, start, *statements: dict[str, Any]) -> None:
        stack.bucket("Bucket", events=False).queue("Queue").add("Topic", "AWS::SNS::Topic")
        stack.machine("Machine", {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}})
        stack.function("Caller", CALLER)
        stack.add("CallersRole", "AWS::IAM::Role", AssumeRolePolicyDocument=TRUST)
        stack.resources["Caller"]["Properties"]["Role"] = arn("CallersRole")
        policy = {"Version": "2012-10-17", "Statement": [LOGGING, *statements]}
        stack.add("Policy", "AWS::IAM::Policy", Roles=[{"Ref": "CallersRole"}], PolicyDocument=policy)
        self.cloud = start(stack)
        self.place = {"Bucket": self.cloud.outputs["Bucket"], "Key": "k"}

    def call(self, service: str, operation: str, parameters: dict[str, Any]) -> Any:
        event = {"service": service, "operation": operation, "parameters": parameters}
        return self.cloud.invoke("Caller", event)

    def code(self, service: str, operation: str, parameters: dict[str, Any]) -> str:
        """Return the error code that a call is refused with."""
        with pytest.raises(InvocationError) as failed:
            self.call(service, operation, parameters)
        return str(failed.value.error["errorMessage"]).partition("(")[2].partition(")")[0]


@pytest.fixture
def stranger(stack, start):
    return Caller(stack, start)


def test_each_service_denies_in_its_own_way_and_every_denial_is_on_record(stranger):
    outputs = stranger.cloud.outputs
    execution = outputs["Machine"].replace(":stateMachine:", ":execution:") + ":x"
    calls = [
        ("s3", "get_object", stranger.place, "AccessDenied", "s3:GetObject"),
        ("s3", "get_object", {**stranger.place, "VersionId": "v"}, "AccessDenied", "s3:GetObjectVersion"),
        ("s3", "head_object", stranger.place, "403", "s3:GetObject"),
        ("s3", "put_object", {**stranger.place, "Body": "x" * 200_000}, "AccessDenied", "s3:PutObject"),
        ("s3", "delete_object", stranger.place, "AccessDenied", "s3:DeleteObject"),
        ("s3", "create_multipart_upload", stranger.place, "AccessDenied", "s3:PutObject"),
        (
            "s3",
            "abort_multipart_upload",
            {**stranger.place, "UploadId": "u"},
            "AccessDenied",
            "s3:AbortMultipartUpload",
        ),
        ("s3", "list_objects_v2", {"Bucket": outputs["Bucket"]}, "AccessDenied", "s3:ListBucket"),
        ("sqs", "send_message", {"QueueUrl": outputs["Queue"], "MessageBody": "x"}, "AccessDenied", "sqs:SendMessage"),
        ("sqs", "receive_message", {"QueueUrl": outputs["Queue"]}, "AccessDenied", "sqs:ReceiveMessage"),
        ("sns", "publish", {"TopicArn": outputs["Topic"], "Message": "x"}, "AuthorizationError", "sns:Publish"),
        (
            "stepfunctions",
            "start_execution",
            {"stateMachineArn": outputs["Machine"]},
            "AccessDeniedException",
            "states:StartExecution",
        ),
        (
            "stepfunctions",
            "describe_execution",
            {"executionArn": execution},
            "AccessDeniedException",
            "states:DescribeExecution",
        ),
    ]
    for service, operation, parameters, code, _ in calls:
        assert stranger.code(service, operation, parameters) == code, operation
    assert [denial.action for denial in stranger.cloud.denials()] == [action for *_, action in calls]
    assert {denial.principal.rpartition("/")[2][:16] for denial in stranger.cloud.denials()} == {"Test-CallersRole"}


def test_a_denial_names_role_action_and_resource(stranger):
    with pytest.raises(InvocationError) as failed:
        stranger.call("s3", "get_object", stranger.place)
    (denial,) = stranger.cloud.denials()
    expected = (
        f"User: {denial.principal} is not authorized to perform: s3:GetObject "
        f"on resource: arn:aws:s3:::{stranger.place['Bucket']}/k because no identity-based policy allows"
    )
    assert expected in str(failed.value)


def test_whoever_runs_the_cloud_may_do_anything(stranger):
    stranger.cloud.client("s3").put_object(**stranger.place, Body=b"x")
    assert stranger.cloud.client("s3").get_object(**stranger.place)["Body"].read() == b"x"
    assert stranger.cloud.denials() == []


def test_a_caller_needs_no_grant_to_learn_who_it_is(stranger):
    assert stranger.call("sts", "get_caller_identity", {}) == 200


def test_a_copy_needs_to_read_its_source(stack, start):
    caller = Caller(stack, start, allow("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"}))
    caller.cloud.client("s3").put_object(**caller.place, Body=b"x")
    copy = {**caller.place, "Key": "copy", "CopySource": f"{caller.place['Bucket']}/k"}
    assert caller.code("s3", "copy_object", copy) == "AccessDenied"
    assert [denial.action for denial in caller.cloud.denials()] == ["s3:GetObject"]


def test_replacing_what_was_read_needs_to_read_it(stack, start):
    caller = Caller(stack, start, allow("s3:PutObject", {"Fn::Sub": "${Bucket.Arn}/*"}))
    etag = caller.cloud.client("s3").put_object(**caller.place, Body=b"x")["ETag"]
    assert caller.code("s3", "put_object", {**caller.place, "IfMatch": etag}) == "AccessDenied"
    assert [denial.action for denial in caller.cloud.denials()] == ["s3:GetObject"]


def test_an_operation_whose_permission_nobody_knows_is_refused_even_to_who_may_do_everything(stack, start):
    caller = Caller(stack, start, allow("*", "*"))
    assert caller.code("s3", "get_object_acl", caller.place) == "NotImplemented"
    assert caller.code("sqs", "purge_queue", {"QueueUrl": caller.cloud.outputs["Queue"]}) == "NotImplemented"


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], "AccessDenied"),
        ([allow("s3:ListBucket", arn("Bucket"))], "NoSuchKey"),
        ([allow("s3:ListBucket", arn("Bucket"), Condition={"StringLike": {"s3:prefix": "k*"}})], "AccessDenied"),
        ([allow("s3:ListBucket", arn("Bucket"), Condition={"StringLikeIfExists": {"s3:prefix": "k*"}})], "NoSuchKey"),
    ],
)
def test_that_an_object_is_missing_is_told_only_to_who_may_list_the_bucket(stack, start, statements, expected):
    caller = Caller(stack, start, allow(resource={"Fn::Sub": "${Bucket.Arn}/*"}), *statements)
    assert caller.code("s3", "get_object", caller.place) == expected


def test_a_listing_is_bound_to_the_prefixes_of_its_grant(stack, start):
    condition = {"StringLikeIfExists": {"s3:prefix": "a/*"}}
    caller = Caller(stack, start, allow("s3:ListBucket", arn("Bucket"), Condition=condition))
    bucket = {"Bucket": caller.place["Bucket"]}
    assert caller.call("s3", "list_objects_v2", {**bucket, "Prefix": "a/b"}) == 200
    assert caller.code("s3", "list_objects_v2", {**bucket, "Prefix": "b"}) == "AccessDenied"


WRITE_ONCE = {
    "Effect": "Deny",
    "Principal": {"AWS": "*"},
    "Action": "s3:PutObject",
    "NotResource": {"Fn::Sub": "${Bucket.Arn}/status"},
    "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}},
}


@pytest.fixture
def writer(stack, start):
    """A caller who may write anything into a bucket that nobody may write over but for one object."""
    stack.bucket("Bucket", events=False)
    policy = {"Statement": [WRITE_ONCE]}
    stack.add("BucketPolicy", "AWS::S3::BucketPolicy", Bucket={"Ref": "Bucket"}, PolicyDocument=policy)
    return Caller(stack, start, allow("s3:*", {"Fn::Sub": "${Bucket.Arn}/*"}))


def test_a_bucket_that_is_written_once_takes_no_write_without_a_condition(writer):
    assert writer.code("s3", "put_object", {**writer.place, "Body": "x"}) == "AccessDenied"
    copy = {**writer.place, "CopySource": f"{writer.place['Bucket']}/status"}
    assert writer.code("s3", "copy_object", copy) == "AccessDenied"
    assert writer.call("s3", "put_object", {**writer.place, "Body": "x", "IfNoneMatch": "*"}) == 200
    assert writer.code("s3", "put_object", {**writer.place, "Body": "y", "IfNoneMatch": "*"}) == "PreconditionFailed"
    assert writer.call("s3", "put_object", {**writer.place, "Key": "status", "Body": "x"}) == 200


def test_an_upload_in_parts_meets_the_condition_with_its_last_step(writer):
    s3 = writer.cloud.client("s3")
    upload = {**writer.place, "UploadId": s3.create_multipart_upload(**writer.place)["UploadId"]}
    assert writer.call("s3", "create_multipart_upload", writer.place) == 200
    assert writer.call("s3", "upload_part", {**upload, "PartNumber": 1, "Body": "x"}) == 200
    part = {"PartNumber": 1, "ETag": s3.list_parts(**upload)["Parts"][0]["ETag"]}
    complete = {**upload, "MultipartUpload": {"Parts": [part]}}
    assert writer.code("s3", "complete_multipart_upload", complete) == "AccessDenied"
    assert writer.call("s3", "complete_multipart_upload", {**complete, "IfNoneMatch": "*"}) == 200


def encrypt_topic(stack, *key_policy: dict[str, Any]) -> None:
    stack.add("Key", "AWS::KMS::Key", KeyPolicy={"Statement": list(key_policy)}, EnableKeyRotation=True)
    stack.resources["Topic"]["Properties"]["KmsMasterKeyId"] = arn("Key")


ROOT = {"AWS": {"Fn::Sub": "arn:aws:iam::${AWS::AccountId}:root"}}


@pytest.mark.parametrize(
    ("grants", "expected"),
    [
        (["sns:Publish"], "AuthorizationError"),
        (["sns:Publish", "kms:Decrypt"], "AuthorizationError"),
        (["sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"], None),
    ],
)
def test_who_publishes_to_an_encrypted_topic_needs_its_key(stack, start, grants, expected):
    stack.add("Topic", "AWS::SNS::Topic")
    encrypt_topic(stack, {**TO_ACCOUNT, "Principal": ROOT})
    stack.function("Publisher", CALLER)
    stack.resources["Publisher"]["Properties"]["Role"] = arn("PublishersRole")
    policy = {
        "PolicyName": "P",
        "PolicyDocument": {"Statement": [allow([*grants, "logs:CreateLogStream", "logs:PutLogEvents"], "*")]},
    }
    stack.add("PublishersRole", "AWS::IAM::Role", AssumeRolePolicyDocument=TRUST, Policies=[policy])
    cloud = start(stack)
    parameters = {"TopicArn": cloud.outputs["Topic"], "Message": "x"}
    event = {"service": "sns", "operation": "publish", "parameters": parameters}
    if expected is None:
        assert cloud.invoke("Publisher", event) == 200
    else:
        with pytest.raises(InvocationError, match=expected):
            cloud.invoke("Publisher", event)
        assert cloud.denials()[0].action.startswith("kms:")


@pytest.mark.parametrize(
    ("topic_policy", "key_policy", "problem"),
    [
        (True, True, None),
        (False, True, "sns:Publish"),
        (True, False, "kms:Decrypt"),
    ],
)
def test_an_alarm_that_its_topic_would_not_hear_keeps_the_stack_from_coming_up(
    stack, start, topic_policy, key_policy, problem
):
    alarms = {"Principal": {"Service": "cloudwatch.amazonaws.com"}}
    condition = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    stack.add("Topic", "AWS::SNS::Topic")
    to_alarms = [allow("kms:*", "*", **alarms, Condition=condition)] if key_policy else []
    encrypt_topic(stack, {**TO_ACCOUNT, "Principal": ROOT}, *to_alarms)
    if topic_policy:
        policy = {"Statement": [allow("sns:Publish", {"Ref": "Topic"}, **alarms, Condition=condition)]}
        stack.add("Policy", "AWS::SNS::TopicPolicy", Topics=[{"Ref": "Topic"}], PolicyDocument=policy)
    stack.add("Alarm", "AWS::CloudWatch::Alarm", AlarmActions=[{"Ref": "Topic"}], Threshold=1)
    if problem is None:
        start(stack)
    else:
        with pytest.raises(ReplayError, match=f"alarm cannot be sent.*cloudwatch.amazonaws.com is not .*: {problem}"):
            start(stack)


def test_a_topic_may_not_name_a_key_that_nobody_knows(stack, start):
    with pytest.raises(TemplateError, match=r"KmsMasterKeyId.*is not the ARN of a key of this stack"):
        start(stack.add("Topic", "AWS::SNS::Topic", KmsMasterKeyId="alias/mine"))


def test_unsigned_requests_are_refused(stranger):
    endpoint = stranger.cloud.endpoint_url
    s3 = Session().create_client("s3", "us-east-1", endpoint_url=endpoint, config=Config(signature_version=UNSIGNED))
    with pytest.raises(ClientError, match="AccessDenied"):
        s3.get_object(**stranger.place)
    s3.close()


def test_a_state_machine_invokes_only_what_its_role_may(stack, start):
    stack.function("Echo", "def handler(event, context): return event")
    parameters = {"FunctionName": "${Echo}", "Payload": {}}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters, "End": True}
    stack.machine("Machine", {"StartAt": "T", "States": {"T": task}}, Echo={"Ref": "EchoVersion"})
    stack.add("MachinesRole", "AWS::IAM::Role", AssumeRolePolicyDocument=TRUST)
    stack.resources["Machine"]["Properties"]["RoleArn"] = arn("MachinesRole")
    cloud = start(stack)
    states = cloud.client("stepfunctions")
    execution = states.start_execution(stateMachineArn=cloud.outputs["Machine"])["executionArn"]
    cloud.wait_idle(10)
    described = states.describe_execution(executionArn=execution)
    assert (described["status"], described["error"]) == ("FAILED", "Lambda.AWSLambdaException")
    (denial,) = cloud.denials()
    assert f"{denial.principal} is not authorized to perform: lambda:InvokeFunction" in described["cause"]
    assert denial.resource == cloud.outputs["EchoVersion"]


def test_observers_hear_of_every_decision(stranger, start):
    stranger.code("s3", "get_object", stranger.place)
    *allowed, denied = start.observed(AccessDecided)
    assert {decided.allowed for decided in allowed} == {True}
    assert (denied.action, denied.allowed, denied.context["aws:securetransport"]) == ("s3:GetObject", False, "true")
    assert (
        str(denied) == f"{denied.principal} is not authorized to perform: s3:GetObject on resource: {denied.resource}"
    )


def test_a_role_that_does_not_trust_its_service_keeps_the_stack_from_coming_up(stack, start):
    stack.function("Function", CALLER)
    strange = {"Statement": [{**TRUST["Statement"][0], "Principal": {"Service": "ec2.amazonaws.com"}}]}
    stack.resources["Role"]["Properties"]["AssumeRolePolicyDocument"] = strange
    with pytest.raises(ReplayError, match=r"lambda.amazonaws.com is not authorized to perform: sts:AssumeRole"):
        start(stack)


def test_logs_and_traces_that_nobody_may_write_keep_the_stack_from_coming_up(stack, start):
    stack.function("Function", CALLER, TracingConfig={"Mode": "Active"})
    role = stack.resources["Role"]["Properties"]
    role["Policies"] = [{"PolicyName": "Logs", "PolicyDocument": {"Statement": [LOGGING]}}]
    with pytest.raises(ReplayError, match=r"cannot be traced: .* is not authorized to perform: xray:"):
        start(stack)
    del role["Policies"]
    with pytest.raises(ReplayError, match=r"cannot write its log: .* not authorized to perform: logs:CreateLogStream"):
        start(stack)


def test_policies_that_the_stack_would_not_come_up_with_are_refused_and_change_nothing(stranger):
    grant = next(grant for grant in stranger.cloud.policies.grants() if grant[1] == "logs:PutLogEvents")
    before = stranger.cloud.policies
    with pytest.raises(ReplayError, match="logs:PutLogEvents on resource: arn:aws:logs:"):
        stranger.cloud.enforce(before.without(*grant))
    assert stranger.cloud.policies is before


def test_other_policies_hold_from_the_next_call_on(stack, start):
    caller = Caller(stack, start, allow("s3:ListBucket", "*"))
    assert caller.call("s3", "list_objects_v2", {"Bucket": caller.place["Bucket"]}) == 200
    grant = next(grant for grant in caller.cloud.policies.grants() if grant[1] == "s3:ListBucket")
    caller.cloud.enforce(caller.cloud.policies.without(*grant))
    assert caller.code("s3", "list_objects_v2", {"Bucket": caller.place["Bucket"]}) == "AccessDenied"


@pytest.mark.parametrize("target", ["Queue", "Function"])
def test_a_rule_that_its_target_does_not_let_in_keeps_the_stack_from_coming_up(stack, start, target):
    stack.queue("Queue").function("Function", CALLER).rule("Rule", {"source": ["aws.s3"]}, target)
    del stack.resources[f"RuleTo{target}"]
    with pytest.raises(ReplayError, match=r"events.amazonaws.com is not authorized to perform: (sqs|lambda):"):
        start(stack)


def test_a_grant_to_another_rule_does_not_help(stack, start):
    pattern = {"source": ["aws.s3"]}
    stack.queue("Queue").rule("One", pattern, "Queue").rule("Two", pattern, "Queue")
    del stack.resources["TwoToQueue"]
    with pytest.raises(ReplayError, match="rule cannot send to its queue"):
        start(stack)
