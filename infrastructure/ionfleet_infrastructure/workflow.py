"""The state machine: from two manifests to published results, or to a reported failure.

    sort ‖ isotopes → partition → annotate → merge → render → publish

Every stage leaves the time at which it was entered in `$.stages`; sort and isotopes, which run at the same time, also
leave that of their end in `$.over`. Every failure ends in the status function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws_cdk import ArnFormat, Aws, Duration, Fn, Stack, aws_iam, aws_lambda, aws_logs
from aws_cdk import aws_stepfunctions as sfn
from aws_cdk import aws_stepfunctions_tasks as tasks
from constructs import Construct

from ionfleet_infrastructure.functions import FleetFunction
from ionfleet_infrastructure.grants import TRACING_ACTIONS, allow, allow_objects, allow_open
from ionfleet_infrastructure.settings import Settings
from ionfleet_infrastructure.storage import Storage

NAME = Aws.STACK_NAME
"""The state machine's name: given, so that grants can name its executions without depending on it."""

TASK_GRACE = Duration.seconds(60)
"""How much longer than a function's own timeout a task waits for its answer."""

LONGEST_WAIT = Duration.seconds(60)
"""Before a task is tried again: at random up to this."""
UNLIMITED = 99_999_999
"""The largest number of retries that Step Functions takes."""
THROTTLED = ["ThrottledError", "Lambda.TooManyRequestsException"]
"""Whose turn it is not yet, with S3 or with a function all of whose concurrency is in use, has to wait, as long as the
job may take."""
TRANSIENT = [
    "TransientError",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
]
CRASHED = ["Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout", "Lambda.Unknown", "States.Timeout"]
"""A function that ran out of memory or time, which a second try on another machine may survive."""

LOGGING_ACTIONS = [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]


_Working = sfn.TaskStateBase | sfn.DistributedMap | sfn.Parallel
"""The states of a stage's work."""


class Workflow(Construct):
    """One execution of `state_machine` is one attempt at a job."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        functions: Mapping[str, FleetFunction],
        storage: Storage,
        settings: Settings,
    ) -> None:
        super().__init__(scope, id)
        self._functions = functions
        self._work = storage.work
        self._failed = self._report_failure()
        role = self._role()
        storage.written_by(role)
        log_group = aws_logs.LogGroup(
            self,
            "LogGroup",
            # A name under this prefix keeps the resource policy of CloudWatch Logs from growing beyond its limit.
            # The stack's own number lets a stack of the same name be made while the logs of an earlier one are kept.
            log_group_name=f"/aws/vendedlogs/states/{NAME}-{_stack_number()}",
            retention=settings.log_retention,
            removal_policy=settings.removal_policy,
        )
        self.state_machine = sfn.StateMachine(
            self,
            "StateMachine",
            state_machine_name=NAME,
            state_machine_type=sfn.StateMachineType.STANDARD,
            definition_body=sfn.DefinitionBody.from_chainable(self._definition()),
            timeout=Duration.hours(settings.job_timeout_hours),
            role=role.without_policy_updates(),  # the CDK would let the maps read the whole bucket
            tracing_enabled=True,
            logs=sfn.LogOptions(destination=log_group, level=sfn.LogLevel.ALL, include_execution_data=True),
        )
        self.state_machine.node.add_dependency(role)
        # Made for the role that was not to be changed: attached to nothing, in no template, but found by cdk-nag.
        self.state_machine.node.try_remove_child("DistributedMapPolicy")

    def _definition(self) -> sfn.Chain:
        """Chain the stages."""
        prepare = sfn.Parallel(
            self,
            "Sort and isotopes",
            result_selector={"sort.$": "$[0]", "isotopes.$": "$[1]"},
            result_path="$.over",
        )
        for stage in ("sort", "isotopes"):
            over = sfn.Pass(self, f"{stage.capitalize()} over", input_path="$$.State.EnteredTime")
            prepare.branch(self._fan_out(stage, catch=False).next(over))
        prepare.add_catch(self._failed, errors=["States.ALL"], result_path="$.error")
        entered = sfn.Pass(
            self,
            "Enter sort and isotopes",
            parameters={"sort.$": "$$.State.EnteredTime", "isotopes.$": "$$.State.EnteredTime"},
            result_path="$.stages",
        )
        stages = (
            entered.next(self._tell("sort", prepare))
            .next(self._step("partition", "annotate"))
            .next(self._fan_out("annotate"))
            .next(self._step("merge", "render"))
            .next(self._fan_out("render"))
            .next(self._publish())
        )
        return self._start(stages)

    def _start(self, stages: sfn.Chain) -> sfn.Chain:
        """Refuse an execution that somebody starts by hand: it would be no attempt at a job, and publish nothing."""
        refused = sfn.Fail(
            self,
            "Not launched from its plan",
            error="NotLaunchedFromPlan",
            cause="An attempt at a job has the name of its execution and is started once, from its plan. Upload one "
            "of the dataset's files again for another attempt.",
        )
        named = sfn.Condition.string_equals_json_path("$.execution", "$$.Execution.Name")
        return sfn.Chain.start(sfn.Choice(self, "Launched from its plan?").when(named, stages).otherwise(refused))

    def _enter(self, stage: str, work: _Working) -> sfn.Chain:
        """Note the time at which a stage begins, before anything of it can fail, and have the status say so."""
        entered = sfn.Pass(self, f"Enter {stage}", input_path="$$.State.EnteredTime", result_path=f"$.stages.{stage}")
        return entered.next(self._tell(stage, work))

    def _tell(self, stage: str, work: _Working) -> sfn.Chain:
        """Have the status function say which stage the job is in; nothing waits for that, and no job fails over it."""
        task = tasks.LambdaInvoke(
            self,
            f"Tell {stage}",
            lambda_function=self._functions["status"].version,
            invocation_type=tasks.LambdaInvocationType.EVENT,
            payload=sfn.TaskInput.from_object(
                {"execution.$": "$.execution", "stage": stage, "entered.$": f"$.stages.{stage}"}
            ),
            result_path=sfn.JsonPath.DISCARD,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(TASK_GRACE),
        )
        task.add_catch(work, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        return task.next(work)

    def _step(self, stage: str, next_stage: str) -> sfn.Chain:
        """Call one function, which answers with the manifest of the next stage."""
        task = self._invoke(
            stage,
            stage.capitalize(),
            sfn.TaskInput.from_object({"execution.$": "$.execution", "plan.$": "$.plan"}),
            result_selector={name: f"$.Payload.{name[:-2]}" for name in self._answered(next_stage)},
            result_path=f"$.{next_stage}",
        )
        task.add_catch(self._failed, errors=["States.ALL"], result_path="$.error")
        return self._enter(stage, task)

    def _answered(self, stage: str) -> tuple[str, ...]:
        """Return what the stage before a map says of it, as the fields of a selector."""
        sized = len(self._functions[stage].sizes) > 1
        return ("tasks.$", "manifest.$", *(["width.$"] if sized else []))

    def _fan_out(self, stage: str, *, catch: bool = True) -> sfn.Chain:
        """Call a function for every line of the stage's manifest; pass a stage without tasks by."""
        title = stage.capitalize()
        fan_out = sfn.DistributedMap(
            self,
            title,
            item_reader=sfn.S3JsonLItemReader(bucket=self._work, key=sfn.JsonPath.string_at(f"$.{stage}.manifest")),
            map_execution_type=sfn.StateMachineType.STANDARD,
            **self._width(stage),
            tolerated_failure_count=0,
            label=title,
            result_path=sfn.JsonPath.DISCARD,
        )
        fan_out.item_processor(self._item(stage))
        # The manifest is read before any task begins, so that reading it again repeats nothing.
        _retry(fan_out, ["States.ItemReaderFailed"], 8)
        nothing = sfn.Pass(self, f"No {stage} tasks")
        first: sfn.IChainable = fan_out
        if catch:
            fan_out.add_catch(self._failed, errors=["States.ALL"], result_path="$.error")
            first = self._enter(stage, fan_out)
        choice = sfn.Choice(self, f"Any {stage} tasks?")
        choice.when(sfn.Condition.number_greater_than(f"$.{stage}.tasks", 0), first).otherwise(nothing)
        return choice.afterwards()

    def _width(self, stage: str) -> dict[str, Any]:
        """Return how many children a stage's map runs: where its function has sizes, what the planner chose says."""
        function = self._functions[stage]
        if len(function.sizes) > 1:
            return {"max_concurrency_path": f"$.{stage}.width"}
        return {"max_concurrency": function.concurrency}

    def _item(self, stage: str) -> sfn.Chain:
        """Handle one line of a manifest; a failure is written down where the status function finds it."""
        title = f"{stage.capitalize()} task"
        failed = _fail_with_error(self, f"{title} failed")
        record = self._record_failure(stage)
        record.add_catch(failed, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        caught = record.next(failed)
        calls: dict[int, tasks.LambdaInvoke] = {}
        for memory_mb, version in self._functions[stage].versions.items():
            named = title if not calls else f"{title} of {memory_mb} MB"
            calls[memory_mb] = self._invoke(stage, named, sfn.TaskInput.from_json_path_at("$"), {}, version=version)
            calls[memory_mb].add_catch(caught, errors=["States.ALL"], result_path="$.error")
        return self._by_size(stage, calls)

    def _by_size(self, stage: str, calls: Mapping[int, tasks.LambdaInvoke]) -> sfn.Chain:
        """Call the smallest function that has as much memory as a task asks for, or else the largest there is."""
        *smaller, (_, largest) = calls.items()
        if not smaller:
            return sfn.Chain.start(largest)
        choice = sfn.Choice(self, f"{stage.capitalize()} size?")
        for memory_mb, call in smaller:
            choice.when(sfn.Condition.number_less_than_equals("$.memory_mb", memory_mb), call)
        return sfn.Chain.start(choice.otherwise(largest))

    def _record_failure(self, stage: str) -> tasks.CallAwsService:
        """Write down which task failed and why."""
        record = tasks.CallAwsService(
            self,
            f"Record {stage} failure",
            service="s3",
            action="putObject",
            parameters={
                "Bucket": self._work.bucket_name,
                "ExpectedBucketOwner": Aws.ACCOUNT_ID,
                "Key.$": "States.Format('failures/{}/{}-{}.json', $.execution, $.stage, $.task)",
                "Body": {
                    "stage.$": "$.stage",
                    "task.$": "$.task",
                    "Error.$": "$.error.Error",
                    "Cause.$": "$.error.Cause",
                },
            },
            iam_resources=[self._work.arn_for_objects("failures/*")],
            result_path=sfn.JsonPath.DISCARD,
            task_timeout=sfn.Timeout.duration(TASK_GRACE),
        )
        _retry(record, ["States.ALL"], 5)
        return record

    def _publish(self) -> sfn.Chain:
        """Have the status function publish the results."""
        task = self._tell_status("Publish", {"outcome": "SUCCEEDED", "over.$": "$.over"})
        task.add_catch(self._failed, errors=["States.ALL"], result_path="$.error")
        return self._enter("publish", task).next(sfn.Succeed(self, "Done"))

    def _report_failure(self) -> sfn.Chain:
        """Have the status function say why the job failed, then fail with that reason."""
        task = self._tell_status("Report failure", {"outcome": "FAILED", "error.$": "$.error"})
        failed = _fail_with_error(self, "Failed")
        # Nothing is lost: the rule on failed executions calls the status function once more.
        task.add_catch(failed, errors=["States.ALL"], result_path=sfn.JsonPath.DISCARD)
        return sfn.Chain.start(task).next(failed)

    def _tell_status(self, title: str, outcome: Mapping[str, str]) -> tasks.LambdaInvoke:
        """Call the status function with the outcome, and with what the execution knows."""
        known = {"execution.$": "$.execution", "plan.$": "$.plan", "stages.$": "$.stages"}
        payload = sfn.TaskInput.from_object({**known, **outcome})
        return self._invoke("status", title, payload, result_path=sfn.JsonPath.DISCARD)

    def _invoke(
        self,
        function: str,
        title: str,
        payload: sfn.TaskInput,
        result_selector: Mapping[str, str] | None = None,
        result_path: str | None = None,
        version: aws_lambda.IVersion | None = None,
    ) -> tasks.LambdaInvoke:
        """Call a function's published version, and call it again when that may help; without `version` its ordinary."""
        fleet_function = self._functions[function]
        task = tasks.LambdaInvoke(
            self,
            title,
            lambda_function=version or fleet_function.version,
            payload=payload,
            result_selector=result_selector,
            result_path=result_path,
            retry_on_service_exceptions=False,
            task_timeout=sfn.Timeout.duration(fleet_function.timeout.plus(TASK_GRACE)),
        )
        _retry(task, THROTTLED, UNLIMITED)
        _retry(task, TRANSIENT, 8)
        _retry(task, CRASHED, 2)
        return task

    def _role(self) -> aws_iam.Role:
        """Make the state machine's role, with the grants that its states need and no others."""
        role = aws_iam.Role(self, "Role", assumed_by=_this_state_machine(self))
        versions = [version for each in self._functions.values() for version in each.versions.values()]
        allow(role, ["lambda:InvokeFunction"], [version.function_arn for version in versions])
        allow_objects(role, ["s3:GetObject"], self._work, ["manifests/*"])
        allow_objects(role, ["s3:PutObject"], self._work, ["failures/*"])
        allow(role, ["states:StartExecution"], [state_machine_arn(self)])
        allow_open(
            role,
            ["states:DescribeExecution", "states:StopExecution"],
            [executions_arn(self), _states_arn(self, "execution", f"{NAME}/*")],
            "What a distributed map starts is named by Step Functions.",
        )
        sampling = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
        allow_open(role, [*TRACING_ACTIONS, *sampling], ["*"], "X-Ray's actions know no resources.")
        allow_open(role, LOGGING_ACTIONS, ["*"], "The actions of log deliveries know no resources.")
        return role


def _retry(task: sfn.TaskStateBase | sfn.DistributedMap, errors: list[str], attempts: int) -> None:
    """Try again up to `attempts` times, after random waits of up to 2, 4, 8, … 60 seconds."""
    task.add_retry(
        errors=errors,
        interval=Duration.seconds(2),
        backoff_rate=2,
        max_attempts=attempts,
        max_delay=LONGEST_WAIT,
        jitter_strategy=sfn.JitterType.FULL,
    )


def _fail_with_error(scope: Construct, title: str) -> sfn.Fail:
    """Fail with the error that a Catch left in `$.error`."""
    return sfn.Fail(scope, title, error_path="$.error.Error", cause_path="$.error.Cause")


def state_machine_arn(scope: Construct) -> str:
    """Return the state machine's ARN, for whom it depends on itself."""
    return _states_arn(scope, "stateMachine", NAME)


def executions_arn(scope: Construct) -> str:
    """Return a pattern of the ARNs of the state machine's executions."""
    return _states_arn(scope, "execution", f"{NAME}:*")


def _this_state_machine(scope: Construct) -> aws_iam.ServicePrincipal:
    """Return Step Functions as it acts for the state machine and its maps, not for another that was given the role."""
    return aws_iam.ServicePrincipal(
        "states.amazonaws.com",
        conditions={
            "StringEquals": {"aws:SourceAccount": Aws.ACCOUNT_ID},
            "ArnLike": {"aws:SourceArn": [_states_arn(scope, "stateMachine", name) for name in (NAME, f"{NAME}/*")]},
        },
    )


def _stack_number() -> str:
    """Return the part of the stack's ARN that no other stack has."""
    return Fn.select(2, Fn.split("/", Aws.STACK_ID))


def _states_arn(scope: Construct, resource: str, name: str) -> str:
    """Make an ARN of names alone: a reference to the state machine from a role it waits for would be a circle."""
    return Stack.of(scope).format_arn(
        service="states", resource=resource, resource_name=name, arn_format=ArnFormat.COLON_RESOURCE_NAME
    )
