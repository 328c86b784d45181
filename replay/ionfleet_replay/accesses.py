"""What calls need permission for: the actions, resources and condition keys of each operation that is implemented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from ionfleet_replay.account import Account
from ionfleet_replay.calls import Call

BUCKET_ARN = "arn:aws:s3:::"
SDK_PARAMETERS = frozenset({"x-id"})


@dataclass(frozen=True)
class Need:
    """One permission that a call needs."""

    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class UnknownNeedError(Exception):
    """Nobody here knows what permission the call needs."""


def needs(call: Call, account: Account) -> list[Need]:
    """Return the permissions that a call needs, all of them.

    Raises
    ------
    UnknownNeedError
        The operation is not one of those that are implemented for roles.
    """
    if call.service == "s3":
        return list(_of_s3(call))
    if (call.service, call.operation) == ("sts", "GetCallerIdentity"):
        return []
    find = _RESOURCES.get(call.service, {}).get(call.operation)
    if find is None:
        raise UnknownNeedError(f"{call.service}:{call.operation}")
    return [Need(f"{call.service}:{call.operation.removesuffix('Batch')}", find(call, account))]


def listing(bucket: str) -> Need:
    """Return what one needs to be told that an object is missing, and not only that access is denied."""
    return Need("s3:ListBucket", BUCKET_ARN + bucket)


def reads_object(call: Call) -> bool:
    """Return whether a call reads an object or its headers."""
    return call.service == "s3" and call.method in ("GET", "HEAD") and bool(call.key) and "uploadId" not in call.query


def _queue(call: Call, account: Account) -> str:
    name = call.parameters.get("QueueName") or str(call.parameters["QueueUrl"]).rpartition("/")[2]
    return account.arn("sqs", str(name))


def _named(parameter: str) -> Callable[[Call, Account], str]:
    return lambda call, _: str(call.parameters.get(parameter, ""))


_RESOURCES: Mapping[str, Mapping[str, Callable[[Call, Account], str]]] = {
    "sqs": dict.fromkeys(
        (
            "ChangeMessageVisibility",
            "ChangeMessageVisibilityBatch",
            "DeleteMessage",
            "DeleteMessageBatch",
            "GetQueueAttributes",
            "GetQueueUrl",
            "ReceiveMessage",
            "SendMessage",
            "SendMessageBatch",
        ),
        _queue,
    ),
    "sns": {"Publish": _named("TopicArn"), "PublishBatch": _named("TopicArn")},
    "states": {
        "DescribeExecution": _named("executionArn"),
        "DescribeMapRun": _named("mapRunArn"),
        "DescribeStateMachine": _named("stateMachineArn"),
        "ListExecutions": _named("stateMachineArn"),
        "ListMapRuns": _named("executionArn"),
        "StartExecution": _named("stateMachineArn"),
        "StopExecution": _named("executionArn"),
    },
}
"""The operations of other services that roles may call, with the resource that each is about."""

_OF_BUCKETS = {
    "GET": "s3:ListBucket",
    "HEAD": "s3:ListBucket",
    "GET location": "s3:GetBucketLocation",
    "GET uploads": "s3:ListBucketMultipartUploads",
    "GET versions": "s3:ListBucketVersions",
}
"""Actions by method and subresource."""

_OF_OBJECTS = {
    "GET": "s3:GetObject",
    "HEAD": "s3:GetObject",
    "PUT": "s3:PutObject",
    "DELETE": "s3:DeleteObject",
    "GET versionId": "s3:GetObjectVersion",
    "HEAD versionId": "s3:GetObjectVersion",
    "DELETE versionId": "s3:DeleteObjectVersion",
    "POST uploads": "s3:PutObject",
    "PUT uploadId": "s3:PutObject",
    "POST uploadId": "s3:PutObject",
    "GET uploadId": "s3:ListMultipartUploadParts",
    "DELETE uploadId": "s3:AbortMultipartUpload",
}

_MAKING_OBJECTS = frozenset({"PUT", "POST uploadId"})
"""The writes after which there is an object: all but the steps of an upload in parts before its last."""

_SUBRESOURCES = (
    "acl",
    "attributes",
    "delete",
    "legal-hold",
    "location",
    "policy",
    "restore",
    "retention",
    "select",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
)


def _of_s3(call: Call) -> Iterator[Need]:
    subresources = [name for name in _SUBRESOURCES if name in call.query]
    what = " ".join([call.method, *subresources])
    action = (_OF_OBJECTS if call.key else _OF_BUCKETS).get(what)
    if action is None or not call.bucket:
        raise UnknownNeedError(f"s3: {what} {call.path}")
    if call.key:
        yield Need(action, f"{BUCKET_ARN}{call.bucket}/{call.key}", _writing(call, what))
        if action == "s3:PutObject" and call.header("If-Match") is not None:
            yield Need("s3:GetObject", f"{BUCKET_ARN}{call.bucket}/{call.key}")
    else:
        yield Need(action, BUCKET_ARN + call.bucket, _prefix(call))
    source = call.header("x-amz-copy-source")
    if source is not None:
        path, _, version = source.partition("?versionId=")
        yield Need("s3:GetObjectVersion" if version else "s3:GetObject", BUCKET_ARN + unquote(path).lstrip("/"))


def _writing(call: Call, what: str) -> dict[str, str]:
    """Return the condition keys of S3 about a write: whether it makes an object, and whether only where none is."""
    if _OF_OBJECTS[what] != "s3:PutObject":
        return {}
    condition = call.header("If-None-Match")
    made = {"s3:objectcreationoperation": "true" if what in _MAKING_OBJECTS else "false"}
    return made if condition is None else {**made, "s3:if-none-match": condition}


def _prefix(call: Call) -> dict[str, str]:
    return {"s3:prefix": call.query["prefix"]} if "prefix" in call.query else {}
