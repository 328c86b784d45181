"""The functions: each with its own role, which has its grants and no others, and its own log group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import Aws, Duration, RemovalPolicy, aws_iam, aws_lambda, aws_logs, aws_sqs
from constructs import Construct

from ionfleet_infrastructure.grants import TRACING_ACTIONS, allow, allow_access, allow_open
from ionfleet_infrastructure.layers import ARCHITECTURE, RUNTIME, Layers, source_code
from ionfleet_infrastructure.nag import acknowledge
from ionfleet_infrastructure.settings import Settings
from ionfleet_infrastructure.specification import NOTHING, Specification
from ionfleet_infrastructure.storage import Storage


class FleetFunction(Construct):
    """One function of the fleet.

    Attributes
    ----------
    function
        The function; its unpublished version serves queues and rules.
    timeout
        How long an invocation may take.
    log_group
        What it logs.
    concurrency
        How many invocations may run at once.

    """

    def __init__(
        self,
        scope: Construct,
        specification: Specification,
        *,
        code: Path,
        layers: Layers,
        storage: Storage,
        settings: Settings,
        environment: Mapping[str, str] | None = None,
        dead_letter_queue: aws_sqs.IQueue | None = None,
    ) -> None:
        """Make the function from `code/<name>/`; `environment` is what it needs beyond the names of its buckets."""
        super().__init__(scope, specification.name.capitalize())
        self.timeout = Duration.seconds(specification.timeout_seconds)
        self.concurrency = settings.concurrency[specification.name]
        self._role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        storage.written_by(self._role)
        self.log_group = aws_logs.LogGroup(
            self, "LogGroup", retention=settings.log_retention, removal_policy=settings.removal_policy
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn])
        buckets = self._allow_buckets(specification, storage)
        self.function = aws_lambda.Function(
            self,
            "Function",
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler="handler.handler",
            code=source_code(code / specification.name),
            layers=layers.select(specification.layers),
            memory_size=specification.memory_mb,
            timeout=self.timeout,
            reserved_concurrent_executions=self.concurrency if settings.reserve_concurrency else None,
            environment={
                **buckets,
                "BUCKET_OWNER": Aws.ACCOUNT_ID,
                "POWERTOOLS_SERVICE_NAME": specification.name,
                "POWERTOOLS_METRICS_NAMESPACE": Aws.STACK_NAME,
                "LOG_LEVEL": "INFO",
                **(environment or {}),
            },
            role=self._role,
            log_group=self.log_group,
            tracing=aws_lambda.Tracing.ACTIVE,
            dead_letter_queue=dead_letter_queue,
            current_version_options=aws_lambda.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
        )
        acknowledge(
            self.function,
            "AwsSolutions-L1",
            "The layers hold wheels for CPython 3.13, which Lambda supports until 2029.",
        )
        # The Function grants this as well; only here it has its reason.
        allow_open(self._role, TRACING_ACTIONS, ["*"], "X-Ray's actions know no resources.")

    @property
    def version(self) -> aws_lambda.Version:
        """The version that this deployment publishes.

        Older versions are kept: an execution that began before a deployment ends with the functions it began with.
        """
        return self.function.current_version

    def allow(self, actions: Sequence[str], resources: Sequence[str]) -> None:
        """Let the function do `actions` on `resources`."""
        allow(self._role, actions, resources)

    def read_queue(self, queue: aws_sqs.IQueue, id: str, *, batch_size: int, max_concurrency: int) -> None:
        """Feed the function from a queue; of a batch, only what the function names as failed comes again."""
        self.allow(
            [
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
                "sqs:GetQueueUrl",
            ],
            [queue.queue_arn],
        )
        aws_lambda.EventSourceMapping(
            self,
            id,
            target=self.function,
            event_source_arn=queue.queue_arn,
            batch_size=batch_size,
            max_concurrency=max_concurrency,
            report_batch_item_failures=True,
        )

    def _allow_buckets(self, specification: Specification, storage: Storage) -> dict[str, str]:
        """Grant the access that is specified; return the environment that names the buckets."""
        accesses = (
            ("INPUT_BUCKET", storage.input, specification.input),
            ("WORK_BUCKET", storage.work, specification.work),
            ("RESULTS_BUCKET", storage.results, specification.results),
        )
        environment = {}
        for variable, bucket, access in accesses:
            if access != NOTHING:
                environment[variable] = bucket.bucket_name
                allow_access(self._role, bucket, access)
        return environment
