"""Each role: what it may do, and above all what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Template

INPUT, WORK, RESULTS = "<StorageInputBucket.Arn>", "<StorageWorkBucket.Arn>", "<StorageResultsBucket.Arn>"
FLEET = ("Sort", "Isotopes", "Partition", "Annotate", "Merge", "Render")
EXECUTIONS = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<AWS::StackName>"
MACHINE = "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:<AWS::StackName>"

ALLOWED = [
    ("Planner", "s3:GetObject", f"{INPUT}/datasets/a/b.imzML"),
    ("Planner", "s3:GetObject", f"{INPUT}/databases/hmdb.tsv"),
    ("Planner", "s3:GetObject", f"{INPUT}/models/animal.json"),
    ("Planner", "s3:PutObject", f"{WORK}/models/0a.json"),
    ("Planner", "s3:PutObject", f"{WORK}/claims/job-1/1.json"),
    ("Planner", "s3:PutObject", f"{WORK}/manifests/job-1/plan.json"),
    ("Planner", "s3:PutObject", f"{WORK}/databases/hmdb/0a.parquet"),
    ("Planner", "s3:PutObject", f"{WORK}/datasets/ds-1/index.parquet"),
    ("Planner", "s3:PutObject", f"{RESULTS}/inputs/datasets/a/b.imzML/status.json"),
    ("Planner", "s3:PutObject", f"{RESULTS}/results/ds-1/job-1/status.json"),
    ("Planner", "s3:GetObject", f"{WORK}/ended/job-1.json"),
    ("Launcher", "s3:GetObject", f"{WORK}/manifests/job-1/plan.json"),
    ("Launcher", "states:StartExecution", "<WorkflowStateMachine>"),
    ("Launcher", "s3:GetObject", f"{WORK}/ended/job-1.json"),
    ("Sort", "s3:GetObjectVersion", f"{INPUT}/datasets/a/b.ibd"),
    ("Sort", "s3:GetObject", f"{WORK}/datasets/ds-1/index.parquet"),
    ("Sort", "s3:PutObject", f"{WORK}/datasets/ds-1/indexes/00000000-00000100.index"),
    ("Sort", "s3:PutObject", f"{WORK}/runs/a/ds-1/00000000-00000100.run"),
    ("Isotopes", "s3:GetObject", f"{WORK}/databases/hmdb/0a.parquet"),
    ("Isotopes", "s3:PutObject", f"{WORK}/isotopes/0b.parquet"),
    ("Partition", "s3:GetObject", f"{WORK}/datasets/ds-1/indexes/00000000-00000100.index"),
    ("Partition", "s3:PutObject", f"{WORK}/manifests/job-1/annotate.jsonl"),
    ("Partition", "s3:PutObject", f"{WORK}/jobs/job-1/segments/0.ions.parquet"),
    ("Annotate", "s3:GetObject", f"{WORK}/runs/a/ds-1/00000000-00000100.run"),
    ("Annotate", "s3:PutObject", f"{WORK}/jobs/job-1/segments/0.metrics.parquet"),
    ("Merge", "s3:GetObject", f"{WORK}/models/0a.json"),
    ("Merge", "s3:GetObject", f"{WORK}/datasets/ds-1/index.parquet"),
    ("Merge", "s3:PutObject", f"{WORK}/jobs/job-1/tables/annotations.csv"),
    ("Merge", "s3:PutObject", f"{WORK}/manifests/job-1/render.jsonl"),
    ("Render", "s3:PutObject", f"{RESULTS}/results/ds-1/job-1/ion_images/1.png"),
    ("Status", "s3:PutObject", f"{RESULTS}/results/ds-1/job-1/annotations.csv"),
    ("Status", "s3:PutObject", f"{WORK}/ended/job-1.json"),
    ("Status", "sns:Publish", "<CompletionTopic>"),
    ("Workflow", "s3:GetObject", f"{WORK}/manifests/job-1/sort.jsonl"),
    ("Workflow", "s3:PutObject", f"{WORK}/failures/job-1/sort-1.json"),
    ("Workflow", "states:StartExecution", MACHINE),
    ("Workflow", "states:StopExecution", f"{EXECUTIONS}/Sort:child"),
]
REFUSED = [
    ("Planner", "s3:PutObject", f"{INPUT}/datasets/a/b.imzML"),
    ("Planner", "s3:PutObject", f"{WORK}/ended/job-1.json"),
    ("Planner", "s3:GetObject", f"{WORK}/telemetry/job-1/sort/facts"),
    ("Planner", "s3:GetObject", f"{WORK}/runs/a/ds-1/00000000-00000100.run"),
    ("Planner", "s3:PutObject", f"{WORK}/runs/a/ds-1/00000000-00000100.run"),
    ("Planner", "s3:PutObject", f"{RESULTS}/results/ds-1/job-1/annotations.csv"),
    ("Planner", "states:StartExecution", "<WorkflowStateMachine>"),
    ("Launcher", "s3:PutObject", f"{WORK}/manifests/job-1/plan.json"),
    ("Launcher", "s3:GetObject", f"{INPUT}/datasets/a/b.imzML"),
    ("Sort", "s3:GetObject", f"{RESULTS}/results/ds-1/job-1/annotations.csv"),
    ("Sort", "s3:PutObject", f"{WORK}/datasets/ds-1/index.parquet"),
    ("Sort", "s3:GetObject", f"{INPUT}/datasets/a/b.ibd"),
    ("Sort", "s3:GetObjectVersion", f"{INPUT}/databases/hmdb.tsv"),
    ("Isotopes", "s3:GetObject", f"{INPUT}/datasets/a/b.ibd"),
    ("Isotopes", "s3:GetObject", f"{WORK}/runs/a/ds-1/00000000-00000100.run"),
    ("Annotate", "s3:PutObject", f"{WORK}/jobs/job-1/tables/annotations.csv"),
    ("Annotate", "s3:PutObject", f"{WORK}/manifests/job-1/annotate.jsonl"),
    ("Render", "s3:PutObject", f"{RESULTS}/results/ds-1/job-1/annotations.csv"),
    ("Render", "s3:GetObject", f"{RESULTS}/results/ds-1/job-1/ion_images/1.png"),
    ("Status", "s3:PutObject", f"{WORK}/manifests/job-1/plan.json"),
    ("Status", "s3:PutObject", f"{WORK}/claims/job-1/1.json"),
    ("Workflow", "s3:GetObject", f"{WORK}/jobs/job-1/tables/annotations.csv"),
    ("Workflow", "s3:PutObject", f"{WORK}/manifests/job-1/plan.json"),
    ("Workflow", "lambda:InvokeFunction", "<SortFunction.Arn>"),
]


@pytest.mark.parametrize(("role", "action", "resource"), ALLOWED)
def test_a_role_may_do_what_its_stage_needs(template: Template, role: str, action: str, resource: str) -> None:
    assert template.allows(f"{role}Role", action, resource)


@pytest.mark.parametrize(("role", "action", "resource"), REFUSED)
def test_a_role_may_not_do_what_is_not_its_stages(template: Template, role: str, action: str, resource: str) -> None:
    assert not template.allows(f"{role}Role", action, resource)


@pytest.mark.parametrize("role", [*FLEET, "Planner", "Launcher"])
def test_the_fleet_reports_its_telemetry_but_does_not_read_it(template: Template, role: str) -> None:
    record = f"{WORK}/telemetry/job-1/sort/facts"
    assert template.allows(f"{role}Role", "s3:PutObject", record)
    assert not template.allows(f"{role}Role", "s3:GetObject", record)


@pytest.mark.parametrize("role", FLEET)
def test_the_fleet_neither_starts_executions_nor_reads_queues(template: Template, role: str) -> None:
    assert not template.allows(f"{role}Role", "states:StartExecution", "<WorkflowStateMachine>")
    for queue in template.of_type("AWS::SQS::Queue"):
        assert not template.allows(f"{role}Role", "sqs:ReceiveMessage", f"<{queue}.Arn>")


@pytest.mark.parametrize(
    ("role", "queues"),
    [
        ("Planner", {"UploadsQueue"}),
        ("Launcher", {"ManifestsQueue"}),
        ("Status", {"UploadsDeadLetterQueue", "ManifestsDeadLetterQueue", "EndsDeadLetterQueue"}),
    ],
)
def test_a_queue_is_read_by_its_reader_alone(template: Template, role: str, queues: set[str]) -> None:
    readable = {
        queue
        for queue in template.of_type("AWS::SQS::Queue")
        if template.allows(f"{role}Role", "sqs:ReceiveMessage", f"<{queue}.Arn>")
    }
    assert readable == queues


def test_the_state_machine_may_call_each_published_version(template: Template) -> None:
    for version in template.of_type("AWS::Lambda::Version"):
        assert template.allows("WorkflowRole", "lambda:InvokeFunction", f"<{version}>")


@pytest.mark.parametrize(
    ("role", "bucket", "prefix", "allowed"),
    [
        ("Planner", INPUT, "datasets/a/", True),
        ("Planner", WORK, "isotopes/", True),
        ("Planner", WORK, "failures/", False),
        ("Planner", RESULTS, "inputs/datasets/a/b.imzML/", True),
        ("Status", WORK, "telemetry/job-1/", True),
        ("Status", WORK, "failures/job-1/", True),
        ("Status", WORK, "datasets/", False),
        ("Sort", WORK, "jobs/", False),
    ],
)
def test_listing_is_granted_by_prefix(template: Template, role: str, bucket: str, prefix: str, allowed: bool) -> None:
    assert template.allows(f"{role}Role", "s3:ListBucket", bucket, prefix=prefix) is allowed


def test_a_missing_key_is_told_from_a_forbidden_one_in_every_bucket_a_function_reads(template: Template) -> None:
    buckets = {"INPUT_BUCKET": INPUT, "WORK_BUCKET": WORK, "RESULTS_BUCKET": RESULTS}
    for function, properties in template.of_type("AWS::Lambda::Function").items():
        role = function.partition("Function")[0] + "Role"
        for variable in buckets.keys() & properties["Environment"]["Variables"].keys():
            # S3's own check of ListBucket for a missing key comes without a prefix.
            writes_only = (function, variable) == ("RenderFunction", "RESULTS_BUCKET")
            assert template.allows(role, "s3:ListBucket", buckets[variable]) is not writes_only


def test_roles_are_assumed_by_the_one_service_they_are_for(template: Template) -> None:
    for role, properties in template.of_type("AWS::IAM::Role").items():
        (statement,) = properties["AssumeRolePolicyDocument"]["Statement"]
        service = "states.amazonaws.com" if role == "WorkflowRole" else "lambda.amazonaws.com"
        assert statement["Principal"] == {"Service": service}
        assert "ManagedPolicyArns" not in properties


def test_step_functions_takes_its_role_for_the_one_state_machine_and_its_maps(template: Template) -> None:
    (statement,) = template["WorkflowRole"]["AssumeRolePolicyDocument"]["Statement"]
    condition = statement["Condition"]
    assert condition["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}
    assert [template.spell(each) for each in condition["ArnLike"]["aws:SourceArn"]] == [MACHINE, f"{MACHINE}/*"]


def test_a_star_stands_alone_only_where_actions_know_no_resources(template: Template) -> None:
    open_actions = {
        action
        for policy in template.of_type("AWS::IAM::Policy").values()
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Resource"] == "*"
        for action in statement["Action"]
    }
    assert {action.partition(":")[0] for action in open_actions} == {"xray", "logs"}
    assert not open_actions & {"logs:PutLogEvents", "logs:CreateLogStream", "logs:CreateLogGroup"}


def test_no_action_is_a_pattern(template: Template) -> None:
    for policy in template.of_type("AWS::IAM::Policy").values():
        for statement in policy["PolicyDocument"]["Statement"]:
            actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
            assert not [action for action in actions if "*" in action]


def test_no_role_deletes_an_object(template: Template) -> None:
    for role in template.of_type("AWS::IAM::Role"):
        for bucket in (INPUT, WORK, RESULTS):
            assert not template.allows(role, "s3:DeleteObject", f"{bucket}/datasets/a/b.imzML")
            assert not template.allows(role, "s3:DeleteObjectVersion", f"{bucket}/datasets/a/b.imzML")


def test_no_resource_lets_in_anyone_but_a_service_on_this_accounts_behalf(template: Template) -> None:
    for kind in ("S3::BucketPolicy", "SQS::QueuePolicy", "SNS::TopicPolicy"):
        for policy in template.of_type(f"AWS::{kind}").values():
            for statement in policy["PolicyDocument"]["Statement"]:
                if statement["Effect"] == "Allow":
                    assert statement["Principal"].keys() == {"Service"}
                    keys = {key for operator in statement["Condition"].values() for key in operator}
                    assert keys & {"aws:SourceArn", "aws:SourceAccount"}


def test_no_role_is_shared_but_by_the_sizes_of_one_function(template: Template) -> None:
    functions: dict[str, Any] = template.of_type("AWS::Lambda::Function")
    for function, properties in functions.items():
        assert template.spell(properties["Role"]) == f"<{function.partition('Function')[0]}Role.Arn>"


def test_functions_write_to_their_own_log_group_only(template: Template) -> None:
    for function in template.of_type("AWS::Lambda::Function"):
        name = function.partition("Function")[0]
        for other in template.of_type("AWS::Logs::LogGroup"):
            allowed = template.allows(f"{name}Role", "logs:PutLogEvents", f"<{other}.Arn>")
            assert allowed is (other == f"{name}LogGroup")
