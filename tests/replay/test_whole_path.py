"""From an object in a bucket to the end of an execution, in one small stack."""

from __future__ import annotations

import json

from ionfleet_replay import ExecutionEnded, MapProgress, StateEntered

PLANNER = """
    import json, os, boto3

    def handler(event, context):
        s3, states = boto3.client("s3"), boto3.client("stepfunctions")
        for record in event["Records"]:
            created = json.loads(record["body"])["detail"]["object"]
            lines = "".join(json.dumps({"number": number}) + "\\n" for number in range(12))
            s3.put_object(Bucket=os.environ["WORK"], Key="items.jsonl", Body=lines.encode())
            states.start_execution(
                stateMachineArn=os.environ["MACHINE"],
                name="job-1",
                input=json.dumps({"manifest": "items.jsonl", "key": created["key"]}),
            )
        return {"batchItemFailures": []}
"""
SQUARE = """
    import os, boto3

    def handler(event, context):
        body = str(event["number"] ** 2).encode()
        boto3.client("s3").put_object(Bucket=os.environ["WORK"], Key=f"squares/{event['number']}", Body=body)
        return {}
"""
DEFINITION = {
    "StartAt": "Squares",
    "States": {
        "Squares": {
            "Type": "Map",
            "ItemReader": {
                "Resource": "arn:aws:states:::s3:getObject",
                "ReaderConfig": {"InputType": "JSONL"},
                "Parameters": {"Bucket": "${Work}", "Key.$": "$.manifest"},
            },
            "MaxConcurrency": 4,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "Square",
                "States": {
                    "Square": {
                        "Type": "Task",
                        "Resource": "arn:aws:states:::lambda:invoke",
                        "Parameters": {"FunctionName": "${Square}", "Payload.$": "$"},
                        "ResultSelector": {},
                        "End": True,
                    }
                },
            },
            "ResultPath": None,
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}


def test_an_upload_runs_through_rule_queue_function_and_map(stack, start):
    machine = {"Fn::Sub": "arn:aws:states:${AWS::Region}:${AWS::AccountId}:stateMachine:squares"}
    stack.bucket("Input").bucket("Work", events=False).queue("Uploads", VisibilityTimeout=60)
    stack.function("Planner", PLANNER, {"WORK": {"Ref": "Work"}, "MACHINE": machine})
    stack.function("Square", SQUARE, {"WORK": {"Ref": "Work"}})
    stack.mapping("Mapping", "Uploads", "Planner", FunctionResponseTypes=["ReportBatchItemFailures"])
    key = [{"suffix": {"equals-ignore-case": ".imzml"}}]
    pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [{"Ref": "Input"}]}, "object": {"key": key}}}
    stack.rule("Rule", pattern, "Uploads")
    stack.machine("Machine", DEFINITION, Work={"Ref": "Work"}, Square={"Ref": "SquareVersion"})
    stack.resources["Machine"]["Properties"]["StateMachineName"] = "squares"

    cloud = start(stack)
    s3 = cloud.client("s3")
    s3.put_object(Bucket=cloud.outputs["Input"], Key="datasets/x.imzML", Body=b"<mzML/>")
    s3.put_object(Bucket=cloud.outputs["Input"], Key="datasets/readme.txt", Body=b"ignored")
    cloud.wait_idle(20)

    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=cloud.outputs["Work"], Prefix="squares/")["Contents"]]
    assert sorted(keys) == sorted(f"squares/{number}" for number in range(12))
    execution = cloud.client("stepfunctions").list_executions(stateMachineArn=cloud.outputs["Machine"])["executions"][0]
    assert (execution["name"], execution["status"]) == ("job-1", "SUCCEEDED")
    described = cloud.client("stepfunctions").describe_execution(executionArn=execution["executionArn"])
    assert json.loads(described["output"]) == {"manifest": "items.jsonl", "key": "datasets/x.imzML"}
    assert start.observed(ExecutionEnded) == [ExecutionEnded("job-1", "SUCCEEDED", None, None)]
    assert [entered.state for entered in start.observed(StateEntered)] == ["Squares", "Done"]
    assert [progress.done for progress in start.observed(MapProgress)] == list(range(13))
    assert sorted(invocation.function for invocation in cloud.invocations()) == ["Planner"] + ["Square"] * 12
