"""The three buckets."""

from __future__ import annotations

from typing import cast

from aws_cdk import Duration, RemovalPolicy, aws_iam, aws_s3
from constructs import Construct, IConstruct

from ionfleet_infrastructure.emptying import BucketContents
from ionfleet_infrastructure.nag import acknowledge
from ionfleet_infrastructure.settings import Settings

ISOTOPES_RETENTION = Duration.days(180)
"""Isotope patterns serve every job with the same instrument and database, so they stay longer than a job."""

ATTEMPTS_RETENTION = Duration.days(120)
"""Claims and ends of attempts number the next attempt: they must outlive the 90 days for which Step Functions keeps
the name of an execution taken."""


NO_ACCESS_LOGS = (
    "Who reads and writes objects is for the account's CloudTrail data events, which name roles and are searchable; "
    "access logs would add objects without end for every task's reads."
)


class Storage(Construct):
    """What users put in, what the stages pass on, what comes out.

    Attributes
    ----------
    input
        Datasets, configurations and databases; versioned, so that a job reads what it claimed.
    work
        Everything between; expires.
    results
        Tables, images and status documents; never expires.

    """

    def __init__(self, scope: Construct, id: str, settings: Settings) -> None:
        super().__init__(scope, id)
        self._settings = settings
        self.input = self._bucket("InputBucket", versioned=True)
        self.work = self._bucket("WorkBucket")
        self.results = self._bucket("ResultsBucket")
        _send_events(self.input)
        _send_events(self.work)
        _write_once(self.work, but="failures/*")
        _write_once(self.results, but="*/status.json")
        for bucket in (self.input, self.work, self.results):
            _keep_policy(bucket, settings.removal_policy)
        self.input.add_lifecycle_rule(id="replaced-uploads", noncurrent_version_expiration=Duration.days(30))
        self._expire_work()
        buckets = (self.input, self.work, self.results)
        self._contents = BucketContents(self, "Contents", buckets) if settings.destroys else None

    def written_by(self, role: IConstruct) -> None:
        """Take a role's grants away before the buckets are emptied, so that nothing is written meanwhile."""
        if self._contents is not None:
            role.node.add_dependency(self._contents)

    def _bucket(self, id: str, *, versioned: bool = False) -> aws_s3.Bucket:
        """Make a private, encrypted bucket that answers to TLS only."""
        bucket = aws_s3.Bucket(
            self,
            id,
            versioned=versioned,
            encryption=aws_s3.BucketEncryption.S3_MANAGED,
            block_public_access=aws_s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=aws_s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            removal_policy=self._settings.removal_policy,
        )
        bucket.add_lifecycle_rule(id="unfinished-uploads", abort_incomplete_multipart_upload_after=Duration.days(1))
        acknowledge(bucket, "AwsSolutions-S1", NO_ACCESS_LOGS)
        return bucket

    def _expire_work(self) -> None:
        """Let go of what a later job could not use, or could make again."""
        job = Duration.days(self._settings.work_retention_days)
        retention = {
            "jobs": job,
            "manifests": job,
            "failures": job,
            "telemetry": job,
            "dead-letters": job,
            "datasets": job,
            "runs": job,
            "isotopes": ISOTOPES_RETENTION,
            "claims": ATTEMPTS_RETENTION,
            "ended": ATTEMPTS_RETENTION,
        }
        for prefix, expiration in retention.items():
            self.work.add_lifecycle_rule(id=prefix, prefix=f"{prefix}/", expiration=expiration)


def _send_events(bucket: aws_s3.Bucket) -> None:
    """Send a bucket's events to EventBridge, by the property: the L2's switch would add a custom resource."""
    resource = cast(aws_s3.CfnBucket, bucket.node.default_child)
    resource.notification_configuration = aws_s3.CfnBucket.NotificationConfigurationProperty(
        event_bridge_configuration=aws_s3.CfnBucket.EventBridgeConfigurationProperty(event_bridge_enabled=True)
    )


def _keep_policy(bucket: aws_s3.Bucket, removal_policy: RemovalPolicy) -> None:
    """Let a bucket that outlives its stack stay as well guarded as it was."""
    policy = cast(aws_s3.BucketPolicy, bucket.policy)
    policy.apply_removal_policy(removal_policy)


def _write_once(bucket: aws_s3.Bucket, *, but: str) -> None:
    """Let nobody write an object that is there already, but those whose keys match a pattern.

    S3 then takes no write without `If-None-Match`. The steps of an upload in parts are exempt, but for its last, since
    they create nothing and cannot carry the header.
    """
    bucket.add_to_resource_policy(
        aws_iam.PolicyStatement(
            sid="WriteOnce",
            effect=aws_iam.Effect.DENY,
            principals=[aws_iam.AnyPrincipal()],
            actions=["s3:PutObject"],
            not_resources=[bucket.arn_for_objects(but)],
            conditions={
                "Null": {"s3:if-none-match": "true"},
                "Bool": {"s3:ObjectCreationOperation": "true"},
            },
        )
    )
