"""The functions: each with its own role, which has its grants and no others, and its own log group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from aws_cdk import Aws, Duration, RemovalPolicy, aws_iam, aws_lambda, aws_logs, aws_sqs
from constructs import Construct

from ionfleet_infrastructure.capacity import by_size
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
    sizes
        The function in all its sizes by their memory (MB), ascending.
    timeout
        How long an invocation may take.
    log_group
        What all sizes log.
    concurrency
        How many invocations of all sizes may run at once.

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
        sizes = sizes_of(specification, settings)
        self.concurrency = settings.concurrency[specification.name]
        self._role = aws_iam.Role(self, "Role", assumed_by=aws_iam.ServicePrincipal("lambda.amazonaws.com"))
        storage.written_by(self._role)
        self.log_group = aws_logs.LogGroup(
            self, "LogGroup", retention=settings.log_retention, removal_policy=settings.removal_policy
        )
        self.allow(["logs:CreateLogStream", "logs:PutLogEvents"], [self.log_group.log_group_arn])
        variables = {**self._allow_buckets(specification, storage), **(environment or {})}
        self.sizes = {
            memory_mb: self._make(
                "Function" if memory_mb == specification.memory_mb else f"Function{memory_mb}",
                specification,
                code=source_code(code / specification.name),
                layers=layers.select(specification.layers),
                memory_size=memory_mb,
                reserved_concurrent_executions=concurrency if settings.reserve_concurrency else None,
                environment=_environment(specification.name, variables),
                dead_letter_queue=dead_letter_queue,
            )
            for memory_mb, concurrency in sizes.items()
        }
        self.function = self.sizes[specification.memory_mb]
        # The Function grants this as well; only here it has its reason.
        allow_open(self._role, TRACING_ACTIONS, ["*"], "X-Ray's actions know no resources.")

    def _make(self, id: str, specification: Specification, **properties: Any) -> aws_lambda.Function:
        """Make the function in one of its sizes."""
        function = aws_lambda.Function(
            self,
            id,
            runtime=RUNTIME,
            architecture=ARCHITECTURE,
            handler="handler.handler",
            timeout=Duration.seconds(specification.timeout_seconds),
            role=self._role,
            log_group=self.log_group,
            tracing=aws_lambda.Tracing.ACTIVE,
            current_version_options=aws_lambda.VersionOptions(removal_policy=RemovalPolicy.RETAIN),
            **properties,
        )
        acknowledge(
            function,
            "AwsSolutions-L1",
            "The layers hold wheels for CPython 3.13, which Lambda supports until 2029.",
        )
        return function

    @property
    def versions(self) -> dict[int, aws_lambda.Version]:
        """The version of each size that this deployment publishes, by memory (MB), ascending.

        Older versions are kept: an execution that began before a deployment ends with the functions it began with.
        """
        return {memory_mb: function.current_version for memory_mb, function in self.sizes.items()}

    @property
    def version(self) -> aws_lambda.Version:
        """The published version of the ordinary size."""
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


def sizes_of(specification: Specification, settings: Settings) -> dict[int, int]:
    """Return the concurrency of a function in each of its sizes, by memory (MB), ascending."""
    larger = (memory_mb for memory_mb in specification.larger_mb if memory_mb <= settings.max_function_mb)
    sizes = (specification.memory_mb, *larger)
    share = settings.concurrency[specification.name]
    if not settings.reserve_concurrency:
        return dict.fromkeys(sizes, share)
    return dict(zip(sizes, by_size(share, len(sizes)), strict=True))


def _environment(service: str, variables: Mapping[str, str]) -> dict[str, str]:
    """Return a function's environment: what all have, and variables of its own."""
    return {
        "BUCKET_OWNER": Aws.ACCOUNT_ID,
        "POWERTOOLS_SERVICE_NAME": service,
        "POWERTOOLS_METRICS_NAMESPACE": Aws.STACK_NAME,
        "LOG_LEVEL": "INFO",
        **variables,
    }
