"""The functions' sizes, environments, layers, logs and triggers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ionfleet.estimate import Deployment

from .conftest import read_template

if TYPE_CHECKING:
    from .conftest import Template

WORK = {"WORK_BUCKET": {"Ref": "StorageWorkBucket"}}
INPUT = {"INPUT_BUCKET": {"Ref": "StorageInputBucket"}}
RESULTS = {"RESULTS_BUCKET": {"Ref": "StorageResultsBucket"}}
ENVIRONMENTS: dict[str, dict[str, Any]] = {
    "planner": {**INPUT, **WORK, **RESULTS},
    "launcher": {**WORK, "STATE_MACHINE_ARN": {"Ref": "WorkflowStateMachine"}},
    "sort": {**INPUT, **WORK},
    "isotopes": {**WORK},
    "partition": {**WORK},
    "annotate": {**WORK},
    "merge": {**WORK},
    "render": {**WORK, **RESULTS},
    "status": {**WORK, **RESULTS, "TOPIC_ARN": {"Ref": "CompletionTopic"}},
}
JUDGED_APART = {"planner": {"DEPLOYMENT"}, "status": {"LOG_GROUPS", "STATE_MACHINE_ARN"}}
"""Variables that other tests look into, by their function."""

SIZES = {
    "planner": (3008, 900),
    "launcher": (256, 60),
    "sort": (1769, 900),
    "isotopes": (1769, 900),
    "partition": (3008, 900),
    "annotate": (1769, 900),
    "merge": (3008, 900),
    "render": (1769, 900),
    "status": (512, 120),
}


LARGER = {f"{name}Function{memory_mb}": memory_mb for name in ("Sort", "Annotate") for memory_mb in (3538, 7076)}
"""The functions that are others in a larger size, and their memory."""


def test_there_are_nine_functions_two_in_three_sizes_and_nothing_that_the_cdk_adds(template: Template) -> None:
    ordinary = {f"{name.capitalize()}Function" for name in SIZES}
    assert template.of_type("AWS::Lambda::Function").keys() == ordinary | LARGER.keys()
    assert not [each for each in template.body["Resources"].values() if each["Type"].startswith("Custom::")]
    assert not template.of_type("AWS::CDK::Metadata")
    assert template.body.keys() == {"Description", "Resources", "Outputs"}


@pytest.mark.parametrize("name", SIZES)
def test_a_function_has_the_environment_it_needs_and_no_more(template: Template, name: str) -> None:
    variables = template[f"{name.capitalize()}Function"]["Environment"]["Variables"]
    apart = JUDGED_APART.get(name, set())
    assert apart <= variables.keys()
    assert {key: value for key, value in variables.items() if key not in apart} == {
        "POWERTOOLS_SERVICE_NAME": name,
        "POWERTOOLS_METRICS_NAMESPACE": {"Ref": "AWS::StackName"},
        "BUCKET_OWNER": {"Ref": "AWS::AccountId"},
        "LOG_LEVEL": "INFO",
        **ENVIRONMENTS[name],
    }


@pytest.mark.parametrize(("logical_id", "memory_mb"), LARGER.items())
def test_a_larger_size_differs_in_its_memory_alone(template: Template, logical_id: str, memory_mb: int) -> None:
    larger, ordinary = dict(template[logical_id]), dict(template[logical_id.removesuffix(str(memory_mb))])
    for each in (larger, ordinary):
        each.pop("ReservedConcurrentExecutions")
    assert larger == ordinary | {"MemorySize": memory_mb}


def test_sizes_that_an_account_cannot_have_are_left_out(assembly_of: Callable[..., Path]) -> None:
    template = read_template(assembly_of(maxFunctionMb="3008"))
    assert not template.of_type("AWS::Lambda::Function").keys() & LARGER.keys()
    item = next(state for name, state in template.definition["States"].items() if name == "Annotate")["ItemProcessor"]
    assert item["StartAt"] == "Annotate task"
    deployment = template["PlannerFunction"]["Environment"]["Variables"]["DEPLOYMENT"]
    assert Deployment.model_validate_json(deployment).sizes_mb("annotate") == (1769,)


def test_the_planner_plans_for_the_functions_as_they_are(template: Template) -> None:
    variables = template["PlannerFunction"]["Environment"]["Variables"]
    deployment = Deployment.model_validate_json(variables["DEPLOYMENT"])
    functions = {name: template[f"{name.capitalize()}Function"] for name in SIZES}
    assert deployment.memory_mb == {name: each["MemorySize"] for name, each in functions.items()}
    assert deployment.concurrency == {name: each["ReservedConcurrentExecutions"] for name, each in functions.items()}
    assert deployment.retention_days == 30


def test_the_status_function_knows_the_execution_and_every_log(template: Template) -> None:
    variables = template["StatusFunction"]["Environment"]["Variables"]
    groups = json.loads(template.spell(variables["LOG_GROUPS"]))
    assert groups == {name: f"<{name.capitalize()}LogGroup>" for name in SIZES}
    assert template.spell(variables["STATE_MACHINE_ARN"]) == (
        "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:stateMachine:<AWS::StackName>"
    )
    assert template["WorkflowStateMachine"]["StateMachineName"] == {"Ref": "AWS::StackName"}


@pytest.mark.parametrize(("name", "size"), SIZES.items())
def test_a_function_has_its_size_and_runs_on_python_3_13(template: Template, name: str, size: tuple[int, int]) -> None:
    function = template[f"{name.capitalize()}Function"]
    assert (function["MemorySize"], function["Timeout"]) == size
    assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["x86_64"])
    assert function["Handler"] == "handler.handler"
    assert function["TracingConfig"] == {"Mode": "Active"}


def test_a_function_has_at_most_five_layers_our_own_among_them(template: Template) -> None:
    for function in template.of_type("AWS::Lambda::Function").values():
        layers = {template.spell(layer) for layer in function["Layers"]}
        assert {"<LayersEngine>", "<LayersAdapters>"} <= layers
        assert len(layers) <= 5


def test_every_function_and_the_state_machine_log_to_a_group_that_forgets(template: Template) -> None:
    groups = template.of_type("AWS::Logs::LogGroup")
    used = {
        function["LoggingConfig"]["LogGroup"]["Ref"] for function in template.of_type("AWS::Lambda::Function").values()
    }
    assert used | {"WorkflowLogGroup"} == groups.keys()
    assert {group["RetentionInDays"] for group in groups.values()} == {90}


def test_versions_that_executions_may_still_call_are_kept(template: Template) -> None:
    for logical_id in template.of_type("AWS::Lambda::Version"):
        assert template.body["Resources"][logical_id]["DeletionPolicy"] == "Retain"


@pytest.mark.parametrize(
    ("function", "queue", "batch_size"),
    [
        ("PlannerFunction", "UploadsQueue", 1),
        ("LauncherFunction", "ManifestsQueue", 10),
        ("StatusFunction", "UploadsDeadLetterQueue", 10),
        ("StatusFunction", "ManifestsDeadLetterQueue", 10),
        ("StatusFunction", "EndsDeadLetterQueue", 10),
    ],
)
def test_a_queue_feeds_its_reader_which_names_what_failed(
    template: Template, function: str, queue: str, batch_size: int
) -> None:
    (mapping,) = (
        each
        for each in template.of_type("AWS::Lambda::EventSourceMapping").values()
        if each["EventSourceArn"] == {"Fn::GetAtt": [queue, "Arn"]}
    )
    assert mapping["FunctionName"] == {"Ref": function}
    assert mapping["BatchSize"] == batch_size
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["ScalingConfig"]["MaximumConcurrency"] >= 2


def test_a_queue_hides_a_message_for_six_times_its_readers_timeout(template: Template) -> None:
    for mapping in template.of_type("AWS::Lambda::EventSourceMapping").values():
        queue = template[mapping["EventSourceArn"]["Fn::GetAtt"][0]]
        function = template[mapping["FunctionName"]["Ref"]]
        assert queue["VisibilityTimeout"] >= 6 * function["Timeout"]
