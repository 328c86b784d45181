"""Executions as the API, the event bus and the observer see them."""

from __future__ import annotations

import json
import threading

import pytest

from ionfleet_replay import ExecutionEnded
from ionfleet_replay.clock import ManualClock

STATUS = {"source": ["aws.states"], "detail-type": ["Step Functions Execution Status Change"]}
WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True}}}


class Machine:
    """A cloud with one state machine on a manual clock, whose status changes go to a queue."""

    def __init__(self, stack, start, definition, statuses=("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")):
        stack.machine("Machine", definition).queue("Changes")
        stack.rule("Rule", {**STATUS, "detail": {"status": list(statuses)}}, "Changes")
        self.clock = ManualClock()
        self.observed = start.observed
        self.cloud = start(stack, clock=self.clock)
        self.client = self.cloud.client("stepfunctions")
        self.arn = self.cloud.outputs["Machine"]

    def begin(self, name="job", **data):
        return self.client.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(data))["executionArn"]

    def describe(self, execution):
        return self.client.describe_execution(executionArn=execution)

    def waiting(self):
        """Wait until the interpreter waits, and return for how long."""
        for _ in range(1000):
            waiting = []
            self.cloud.in_loop(lambda waiting=waiting: waiting.extend(self.clock.waiting()))
            if waiting:
                return waiting
            threading.Event().wait(0.005)
        raise AssertionError("nothing waits")

    def advance(self, seconds):
        self.cloud.in_loop(lambda: self.clock.advance(seconds))

    def changes(self):
        self.cloud.wait_idle(10)
        sqs, url = self.cloud.client("sqs"), self.cloud.outputs["Changes"]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"]) for message in messages]


def test_an_execution_that_succeeds_shows_its_output_and_its_times(stack, start):
    machine = Machine(stack, start, WAIT)
    execution = machine.begin(seconds=90)
    assert machine.waiting() == [90]
    assert machine.describe(execution)["status"] == "RUNNING"
    machine.advance(90)
    machine.cloud.wait_idle(10)
    described = machine.describe(execution)
    assert described["status"] == "SUCCEEDED"
    assert json.loads(described["output"]) == {"seconds": 90}
    assert described["stopDate"].timestamp() == machine.clock.now()
    listed = machine.client.list_executions(stateMachineArn=machine.arn, statusFilter="SUCCEEDED")["executions"]
    assert [each["name"] for each in listed] == ["job"]


def test_an_execution_that_fails_shows_its_error_and_cause(stack, start):
    definition = {"StartAt": "F", "States": {"F": {"Type": "Fail", "Error": "OutOfBudgetError", "Cause": "too large"}}}
    machine = Machine(stack, start, definition)
    execution = machine.begin()
    machine.cloud.wait_idle(10)
    described = machine.describe(execution)
    assert (described["status"], described["error"], described["cause"]) == ("FAILED", "OutOfBudgetError", "too large")
    assert machine.observed(ExecutionEnded) == [ExecutionEnded("job", "FAILED", "OutOfBudgetError", "too large")]


def test_an_execution_that_takes_too_long_times_out(stack, start):
    machine = Machine(stack, start, {**WAIT, "TimeoutSeconds": 60})
    execution = machine.begin(seconds=90)
    machine.waiting()
    machine.advance(60)
    machine.cloud.wait_idle(10)
    assert machine.describe(execution)["status"] == "TIMED_OUT"


def test_a_stopped_execution_is_aborted_with_the_reason_given(stack, start):
    machine = Machine(stack, start, WAIT)
    execution = machine.begin(seconds=90)
    machine.waiting()
    machine.client.stop_execution(executionArn=execution, error="Stopped", cause="by hand")
    machine.cloud.wait_idle(10)
    described = machine.describe(execution)
    assert (described["status"], described["error"], described["cause"]) == ("ABORTED", "Stopped", "by hand")
    assert [change["detail"]["status"] for change in machine.changes()] == ["RUNNING", "ABORTED"]


def test_stopping_what_has_ended_changes_nothing(stack, start):
    machine = Machine(stack, start, {"StartAt": "S", "States": {"S": {"Type": "Succeed"}}})
    execution = machine.begin()
    machine.cloud.wait_idle(10)
    stopped = machine.client.stop_execution(executionArn=execution)
    assert stopped["stopDate"] == machine.describe(execution)["stopDate"]
    assert machine.describe(execution)["status"] == "SUCCEEDED"


def test_status_changes_have_the_real_shape(stack, start):
    machine = Machine(stack, start, WAIT, statuses=["SUCCEEDED"])
    execution = machine.begin(seconds=1.5)
    machine.waiting()
    began = machine.clock.now()
    machine.advance(2)
    (change,) = machine.changes()
    assert change["resources"] == [execution]
    assert change["source"] == "aws.states"
    expected = {
        "executionArn": execution,
        "stateMachineArn": machine.arn,
        "name": "job",
        "status": "SUCCEEDED",
        "startDate": int(began * 1000),
        "stopDate": int((began + 2) * 1000),
        "input": '{"seconds": 1.5}',
        "output": '{"seconds":1.5}',
        "inputDetails": {"included": True},
        "outputDetails": {"included": True},
    }
    assert {name: change["detail"][name] for name in expected} == expected


def test_the_same_name_and_input_again_is_the_same_execution_while_it_runs(stack, start):
    machine = Machine(stack, start, WAIT)
    execution = machine.begin(seconds=5)
    assert machine.begin(seconds=5) == execution
    with pytest.raises(machine.client.exceptions.ExecutionAlreadyExists):
        machine.begin(seconds=6)
    assert machine.waiting() == [5]
    machine.advance(5)
    machine.cloud.wait_idle(10)
    with pytest.raises(machine.client.exceptions.ExecutionAlreadyExists):
        machine.begin(seconds=5)
    assert len(machine.observed(ExecutionEnded)) == 1


def test_of_many_simultaneous_starts_of_a_name_one_execution_comes(stack, start):
    machine = Machine(stack, start, WAIT)
    together = threading.Barrier(10)

    def begin():
        together.wait()
        machine.begin(seconds=5)

    starters = [threading.Thread(target=begin) for _ in range(10)]
    for starter in starters:
        starter.start()
    for starter in starters:
        starter.join()
    assert machine.waiting() == [5]
    assert len(machine.client.list_executions(stateMachineArn=machine.arn)["executions"]) == 1


def test_an_input_of_over_256_kib_is_refused(stack, start):
    machine = Machine(stack, start, WAIT)
    with pytest.raises(machine.client.exceptions.InvalidExecutionInput):
        machine.begin(text="x" * 256 * 1024)


TASKS = {
    "StartAt": "Keep",
    "States": {
        "Keep": {
            "Type": "Task",
            "Resource": "arn:aws:states:::aws-sdk:s3:putObject",
            "Parameters": {"Bucket": "${Bucket}", "Key.$": "$.key", "Body": {"key.$": "$.key"}, "IfNoneMatch": "*"},
            "ResultPath": None,
            "Retry": [{"ErrorEquals": ["S3.S3Exception"], "MaxAttempts": 0}],
            "Next": "Tell",
        },
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Parameters": {"TopicArn": "${Topic}", "Message.$": "$"},
            "ResultSelector": {"id.$": "$.MessageId"},
            "End": True,
        },
    },
}


def test_tasks_put_objects_and_publish_messages(stack, start):
    stack.bucket("Bucket", events=False).add("Topic", "AWS::SNS::Topic")
    stack.machine("Machine", TASKS, Bucket={"Ref": "Bucket"}, Topic={"Ref": "Topic"})
    cloud = start(stack)
    states = cloud.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=cloud.outputs["Machine"], input='{"key": "a"}')["executionArn"]
    cloud.wait_idle(10)
    assert "id" in json.loads(states.describe_execution(executionArn=arn)["output"])
    written = cloud.client("s3").get_object(Bucket=cloud.outputs["Bucket"], Key="a")["Body"].read()
    assert json.loads(written) == {"key": "a"}
    states.start_execution(stateMachineArn=cloud.outputs["Machine"], input='{"key": "a"}')
    cloud.wait_idle(10)
    # Only errors that the operation declares have a name of their own: that of a failed condition is in the cause.
    ended = start.observed(ExecutionEnded)[-1]
    assert ended.error == "S3.S3Exception"
    assert "PreconditionFailed" in ended.cause


FLAKY = """
    import os
    class TransientError(Exception):
        pass
    def handler(event, context):
        if not os.path.exists(event["marker"]):
            open(event["marker"], "w").close()
            raise TransientError("once")
        return "done"
"""


def test_a_functions_error_name_decides_whether_it_is_retried(stack, start, tmp_path):
    stack.function("Flaky", FLAKY)
    retry = [{"ErrorEquals": ["TransientError"], "IntervalSeconds": 7}]
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${Flaky}", "Payload.$": "$"},
        "OutputPath": "$.Payload",
        "Retry": retry,
        "End": True,
    }
    stack.machine("Machine", {"StartAt": "T", "States": {"T": task}}, Flaky={"Ref": "FlakyVersion"})
    clock = ManualClock()
    cloud = start(stack, clock=clock)
    data = json.dumps({"marker": str(tmp_path / "marker")})
    states = cloud.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=cloud.outputs["Machine"], input=data)["executionArn"]
    for _ in range(1000):
        if clock.waiting() == [7]:
            break
        threading.Event().wait(0.005)
    cloud.in_loop(lambda: clock.advance(7))
    cloud.wait_idle(10)
    assert json.loads(states.describe_execution(executionArn=arn)["output"]) == "done"
    assert [each.outcome for each in cloud.invocations()] == ["TransientError", "ok"]


def test_a_task_that_only_leaves_an_event_with_a_function_does_not_wait_for_it(stack, start):
    stack.queue("Dead").function("Bad", "def handler(event, context): raise KeyError(event['k'])")
    stack.resources["Bad"]["Properties"]["DeadLetterConfig"] = {"TargetArn": {"Fn::GetAtt": ["Dead", "Arn"]}}
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${Bad}", "InvocationType": "Event", "Payload.$": "$"},
        "ResultSelector": {"status.$": "$.StatusCode"},
        "End": True,
    }
    stack.machine("Machine", {"StartAt": "T", "States": {"T": task}}, Bad={"Ref": "BadVersion"})
    cloud = start(stack)
    states = cloud.client("stepfunctions")
    arn = states.start_execution(stateMachineArn=cloud.outputs["Machine"], input='{"k": "v"}')["executionArn"]
    cloud.wait_idle(10)
    assert json.loads(states.describe_execution(executionArn=arn)["output"]) == {"status": 202}
    assert [each.outcome for each in cloud.invocations()] == ["KeyError"] * 3, "it is tried twice more"
    (letter,) = cloud.client("sqs").receive_message(QueueUrl=cloud.outputs["Dead"])["Messages"]
    assert json.loads(letter["Body"]) == {"k": "v"}


def test_a_task_whose_function_has_no_concurrency_left_is_throttled(stack, start):
    stack.function("Full", "def handler(event, context): return 1", ReservedConcurrentExecutions=0)
    parameters = {"FunctionName": "${Full}"}
    task = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "Parameters": parameters, "End": True}
    stack.machine("Machine", {"StartAt": "T", "States": {"T": task}}, Full={"Ref": "Full"})
    cloud = start(stack)
    cloud.client("stepfunctions").start_execution(stateMachineArn=cloud.outputs["Machine"])
    cloud.wait_idle(10)
    (ended,) = start.observed(ExecutionEnded)
    assert ended.error == "Lambda.TooManyRequestsException"


def test_the_cause_of_a_failed_function_is_lambdas_error_as_json(stack, start):
    stack.function("Bad", "def handler(event, context): raise KeyError('k')")
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::lambda:invoke",
        "Parameters": {"FunctionName": "${Bad}"},
        "End": True,
    }
    stack.machine("Machine", {"StartAt": "T", "States": {"T": task}}, Bad={"Ref": "Bad"})
    cloud = start(stack)
    cloud.client("stepfunctions").start_execution(stateMachineArn=cloud.outputs["Machine"])
    cloud.wait_idle(10)
    (ended,) = start.observed(ExecutionEnded)
    cause = json.loads(ended.cause)
    assert ended.error == "KeyError"
    assert (cause["errorType"], cause["errorMessage"]) == ("KeyError", "'k'")
    assert cause["requestId"] == cloud.invocations()[0].request_id
