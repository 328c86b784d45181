"""From the access that is specified to statements of a role's policy."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack, aws_iam, aws_s3

from ionfleet_infrastructure.nag import acknowledge
from ionfleet_infrastructure.specification import Access

OPEN_KEYS = {
    "databases/*": "A database is named by the user who uploads it, its table by a hash.",
    "models/*": "A scoring model is named by the user who uploads it, where it is kept by a hash.",
    "datasets/*": "A dataset's prefix is its user's choice, its id a hash.",
    "datasets/*/index.parquet": "A dataset's id is a hash of its files.",
    "datasets/*/indexes/*": "A dataset's id is a hash of its files; a run is named by its spectra.",
    "runs/*": "A dataset's id is a hash of its files; a run is named by its spectra.",
    "claims/*": "A job's id is a hash of its inputs.",
    "manifests/*": "An execution is named after its job, whose id is a hash of its inputs.",
    "ended/*": "An execution is named after its job, whose id is a hash of its inputs.",
    "isotopes/*": "A chunk of isotope patterns is named by a hash of what it was computed from.",
    "jobs/*": "An execution is named after its job, whose id is a hash of its inputs.",
    "jobs/*/segments/*": "An execution is named after its job; a segment by its number.",
    "jobs/*/tables/*": "An execution is named after its job, whose id is a hash of its inputs.",
    "failures/*": "A failure is named by its execution, stage and task.",
    "failures/messages/*": "What a message could not be handled for is named by the message.",
    "telemetry/*": "A record is named by its execution, stage and what it tells.",
    "dead-letters/*": "A dead letter is named by its message.",
    "inputs/*": "The status of an upload is named by the upload's key, which is its user's choice.",
    "results/*": "Results are named by hashes of the dataset and the job's inputs.",
    "results/*/status.json": "Results are named by hashes of the dataset and the job's inputs.",
    "results/*/ion_images/*": "Results are named by hashes of the dataset and the job's inputs; an image by its ion.",
    "results/*/report/images/*": "Results are named by hashes of the dataset and the job's inputs; a pack is numbered.",
}
"""Why the patterns of keys that roles are granted cannot be narrower."""

TRACING_ACTIONS = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")


def allow(role: aws_iam.Role, actions: Sequence[str], resources: Sequence[str]) -> None:
    """Let a role do `actions` on `resources`."""
    role.add_to_policy(aws_iam.PolicyStatement(actions=list(actions), resources=list(resources)))


def allow_open(role: aws_iam.Role, actions: Sequence[str], resources: Sequence[str], reason: str) -> None:
    """Let a role do `actions` on `resources` with a wildcard in each, and say why it has to be there."""
    allow(role, actions, resources)
    for resource in resources:
        _acknowledge_open(role, resource, reason)


def allow_objects(role: aws_iam.Role, actions: Sequence[str], bucket: aws_s3.IBucket, patterns: Sequence[str]) -> None:
    """Let a role do `actions` on the objects of a bucket whose keys match one of `patterns`."""
    allow(role, actions, [bucket.arn_for_objects(pattern) for pattern in patterns])
    for pattern in patterns:
        if pattern in OPEN_KEYS:
            _acknowledge_open(role, bucket.arn_for_objects(pattern), OPEN_KEYS[pattern])


def allow_access(role: aws_iam.Role, bucket: aws_s3.IBucket, access: Access) -> None:
    """Let a role do in a bucket what is specified."""
    if access.listed:
        role.add_to_policy(
            aws_iam.PolicyStatement(
                actions=["s3:ListBucket"],
                resources=[bucket.bucket_arn],
                # S3 checks ListBucket when a key is missing, too, and then there is no prefix to compare: without
                # …IfExists a missing object would look like a forbidden one.
                conditions={"StringLikeIfExists": {"s3:prefix": list(access.listed)}},
            )
        )
    if access.read:
        allow_objects(role, ["s3:GetObjectVersion" if access.versions else "s3:GetObject"], bucket, access.read)
    if access.write:
        allow_objects(role, ["s3:PutObject", "s3:AbortMultipartUpload"], bucket, access.write)


def _acknowledge_open(role: aws_iam.Role, resource: str, reason: str) -> None:
    spelled = _spell(Stack.of(role).resolve(resource))
    acknowledge(role, f"AwsSolutions-IAM5[Resource::{spelled}]", reason)


def _spell(resource: object) -> str:
    """Write a resolved ARN as cdk-nag does: `<Bucket.Arn>/key`."""
    match resource:
        case str():
            return resource
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": ["", parts]}:
            return "".join(map(_spell, parts))
    raise ValueError(f"No ARN of this stack is written like {resource!r}.")
