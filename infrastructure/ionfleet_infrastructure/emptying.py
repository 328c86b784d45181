"""The buckets' contents as a resource of their own, for stacks that leave nothing: deleting it empties the buckets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import Aws, CustomResource, Duration, RemovalPolicy, aws_iam, aws_lambda, aws_logs, aws_s3
from constructs import Construct

from ionfleet_infrastructure.grants import allow, allow_open
from ionfleet_infrastructure.layers import ARCHITECTURE, RUNTIME, source_code
from ionfleet_infrastructure.nag import acknowledge

CODE = Path(__file__).parents[1] / "emptier"


class BucketContents(Construct):
    """What is in some buckets. Whatever writes there has to depend on this, so that it is gone before they are emptied.

    Our own function rather than the CDK's, which leaves the log group of its function behind.
    """

    def __init__(self, scope: Construct, id: str, buckets: Sequence[aws_s3.IBucket]) -> None:
        super().__init__(scope, id)
        log_group = aws_logs.LogGroup(
            self, "LogGroup", retention=aws_logs.RetentionDays.ONE_WEEK, removal_policy=RemovalPolicy.DESTROY
        )
        function = aws_lambda.Function(
            self,
            "Function",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler="handler.handler",
            code=source_code(CODE),
            memory_size=512,
            timeout=Duration.minutes(15),
            role=self._role(buckets, log_group),
            log_group=log_group,
        )
        acknowledge(function, "AwsSolutions-L1", "The same Python as the other functions'.")
        CustomResource(
            self,
            "Resource",
            service_token=function.function_arn,
            resource_type="Custom::BucketContents",
            properties={"Buckets": [bucket.bucket_name for bucket in buckets], "Account": Aws.ACCOUNT_ID},
        )

    def _role(self, buckets: Sequence[aws_s3.IBucket], log_group: aws_logs.ILogGroup) -> aws_iam.Role:
        role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        allow(role, ["logs:CreateLogStream", "logs:PutLogEvents"], [log_group.log_group_arn])
        allow(role, ["s3:ListBucketVersions"], [bucket.bucket_arn for bucket in buckets])
        allow_open(
            role,
            ["s3:DeleteObject", "s3:DeleteObjectVersion"],
            [bucket.arn_for_objects("*") for bucket in buckets],
            "It is there to delete every object of these buckets.",
        )
        return role
