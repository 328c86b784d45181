"""Empties buckets before their stack is deleted: CloudFormation deletes no bucket that has something in it.

Runs on what Lambda's own Python has, without layers, and answers CloudFormation by itself.
"""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext
    from types_boto3_s3 import S3Client
    from types_boto3_s3.type_defs import ObjectIdentifierTypeDef

NEEDED_MS = 60_000
"""With less time than this left, the rest is for another try."""

ANSWER_TIMEOUT_S = 30


class LeftoverError(Exception):
    """Not everything could be deleted."""


def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Empty the buckets when CloudFormation deletes this resource, and answer it in any case.

    Parameters
    ----------
    event
        A request of CloudFormation to a custom resource, with `Buckets` and `Account` among its properties.
    context
        Lambda's: the time that is left.

    """
    try:
        if event["RequestType"] == "Delete":
            properties = event["ResourceProperties"]
            for bucket in properties["Buckets"]:
                empty(boto3.client("s3"), bucket, properties["Account"], context)
    except Exception as error:
        # Without an answer CloudFormation would wait for an hour; the error itself is for Lambda's log.
        _answer(event, "FAILED", f"{type(error).__name__}: {error}")
        raise
    _answer(event, "SUCCESS", "")


def empty(s3: S3Client, bucket: str, owner: str, context: LambdaContext) -> None:
    """Delete every version of every object of a bucket.

    Raises
    ------
    LeftoverError
        The time ran out, or S3 refuses to delete an object.

    """
    while found := _some(s3, bucket, owner):
        if context.get_remaining_time_in_millis() < NEEDED_MS:
            raise LeftoverError(f"{bucket} has more objects than can be deleted in one go. Delete the stack again.")
        answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": found, "Quiet": True}, ExpectedBucketOwner=owner)
        for problem in answer.get("Errors", ()):
            raise LeftoverError(f"{bucket}/{problem.get('Key')} cannot be deleted: {problem.get('Message')}")


def _some(s3: S3Client, bucket: str, owner: str) -> list[ObjectIdentifierTypeDef]:
    """Return the first versions and delete markers that are in a bucket, as many as can be deleted at once."""
    page = s3.list_object_versions(Bucket=bucket, ExpectedBucketOwner=owner)
    versions = [(each["Key"], each["VersionId"]) for each in page.get("Versions", ())]
    markers = [(each["Key"], each["VersionId"]) for each in page.get("DeleteMarkers", ())]
    return [{"Key": key, "VersionId": version} for key, version in versions + markers]


def _answer(event: dict[str, Any], status: str, reason: str) -> None:
    body = {
        "Status": status,
        "Reason": reason[:1000],
        "PhysicalResourceId": event.get("PhysicalResourceId", "contents"),
        **{name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")},
    }
    url: str = event["ResponseURL"]
    if not url.startswith("https://"):
        raise ValueError(f"CloudFormation answers are sent over TLS only, not to {url!r}.")
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": ""}, method="PUT")  # noqa: S310
    urllib.request.urlopen(request, timeout=ANSWER_TIMEOUT_S).close()  # noqa: S310 - the scheme is checked above
