"""The state machine as rendered: what Step Functions gets, not what was constructed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Template

State = dict[str, Any]
MAPS = {"Sort": "sort", "Isotopes": "isotopes", "Annotate": "annotate", "Render": "render"}
SIZES = {"Sort": 3, "Annotate": 3}
"""Maps whose function exists in several sizes."""
SINGLE_TASKS = {"Partition": "partition", "Merge": "merge", "Publish": "status", "Report failure": "status"}
RETRIED = {
    "ThrottledError",
    "Lambda.TooManyRequestsException",
    "TransientError",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
}
TELLING = [f"Tell {stage}" for stage in ("sort", "partition", "annotate", "merge", "render", "publish")]
RETRIED_TWICE = {"Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout", "Lambda.Unknown", "States.Timeout"}


def every_state(machine: dict[str, Any]) -> Iterator[tuple[str, State]]:
    """Yield all states with their names, those in branches and maps included."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [*state.get("Branches", []), *([state["ItemProcessor"]] if "ItemProcessor" in state else [])]:
            yield from every_state(inner)


def followers(state: State) -> set[str]:
    """Return the states that may come after one."""
    names = {state.get("Next"), state.get("Default")}
    names |= {each["Next"] for each in [*state.get("Choices", []), *state.get("Catch", [])]}
    return {name for name in names if name}


@pytest.fixture(scope="module")
def states(definition: dict[str, Any]) -> dict[str, State]:
    return dict(every_state(definition))


def item_tasks(state: State) -> list[State]:
    """Return the tasks, one for each size of its function, of which a map does one for each item."""
    states = state["ItemProcessor"]["States"]
    return [each for each in states.values() if each.get("Resource", "").endswith("lambda:invoke")]


def lambda_tasks(states: dict[str, State]) -> dict[str, State]:
    """Return the tasks that call a function and wait for it."""
    tasks = {name: state for name, state in states.items() if state.get("Resource", "").endswith("lambda:invoke")}
    return {name: state for name, state in tasks.items() if name not in TELLING}


@pytest.mark.parametrize(("name", "stage"), MAPS.items())
def test_a_map_reads_its_json_lines_manifest_from_the_work_bucket(
    states: dict[str, State], name: str, stage: str
) -> None:
    assert states[name]["ItemReader"] == {
        "Resource": "arn:<AWS::Partition>:states:::s3:getObject",
        "ReaderConfig": {"InputType": "JSONL"},
        "Parameters": {"Bucket": "<StorageWorkBucket>", "Key.$": f"$.{stage}.manifest"},
    }


@pytest.mark.parametrize("name", MAPS)
def test_a_map_runs_standard_children_and_tolerates_no_failure(states: dict[str, State], name: str) -> None:
    state = states[name]
    assert state["ItemProcessor"]["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    assert state.get("ToleratedFailureCount", 0) == 0
    assert state.get("ToleratedFailurePercentage", 0) == 0


@pytest.mark.parametrize("name", MAPS)
def test_a_maps_results_stay_small_however_many_items_it_has(states: dict[str, State], name: str) -> None:
    assert "ResultWriter" not in states[name]
    assert states[name]["ResultPath"] is None
    assert [task["ResultSelector"] for task in item_tasks(states[name])] == [{}] * SIZES.get(name, 1)


@pytest.mark.parametrize(("name", "stage"), MAPS.items())
def test_a_maps_item_is_the_event_of_a_published_version(states: dict[str, State], name: str, stage: str) -> None:
    for task in item_tasks(states[name]):
        assert task["Parameters"]["FunctionName"].startswith(f"<{stage.capitalize()}Function")
        assert task["Parameters"]["Payload.$"] == "$"


@pytest.mark.parametrize("name", SIZES)
def test_a_task_is_done_by_the_smallest_size_with_the_memory_it_asks_for(
    template: Template, states: dict[str, State], name: str
) -> None:
    processor = states[name]["ItemProcessor"]
    choice = processor["States"][processor["StartAt"]]
    chosen = {rule["NumericLessThanEquals"]: rule["Next"] for rule in choice["Choices"]}
    assert {rule["Variable"] for rule in choice["Choices"]} == {"$.memory_mb"}
    assert [*chosen] == sorted(chosen)
    versions = template.of_type("AWS::Lambda::Version")
    for memory_mb, following in [*chosen.items(), (7076, choice["Default"])]:
        version = processor["States"][following]["Parameters"]["FunctionName"].strip("<>")
        assert template[versions[version]["FunctionName"]["Ref"]]["MemorySize"] == memory_mb


@pytest.mark.parametrize(("name", "function"), SINGLE_TASKS.items())
def test_single_tasks_call_published_versions(states: dict[str, State], name: str, function: str) -> None:
    called = states[name]["Parameters"]["FunctionName"]
    assert called.startswith(f"<{function.capitalize()}FunctionCurrentVersion")


def test_called_versions_are_versions_of_functions_in_the_template(
    template: Template, states: dict[str, State]
) -> None:
    versions = template.of_type("AWS::Lambda::Version")
    for task in lambda_tasks(states).values():
        version = task["Parameters"]["FunctionName"].strip("<>")
        assert version.startswith(versions[version]["FunctionName"]["Ref"])


def test_every_call_of_a_function_is_retried_with_jitter_and_a_cap(states: dict[str, State]) -> None:
    tasks = lambda_tasks(states)
    assert len(tasks) == len({**MAPS, **SINGLE_TASKS}) + sum(sizes - 1 for sizes in SIZES.values())
    for task in tasks.values():
        attempts = {error: retry["MaxAttempts"] for retry in task["Retry"] for error in retry["ErrorEquals"]}
        assert attempts.keys() == RETRIED | RETRIED_TWICE
        assert all(attempts[error] >= 8 for error in RETRIED)
        assert all(attempts[error] == 2 for error in RETRIED_TWICE)
        for retry in task["Retry"]:
            assert (retry["IntervalSeconds"], retry["BackoffRate"]) == (2, 2)
            assert (retry["MaxDelaySeconds"], retry["JitterStrategy"]) == (60, "FULL")


def test_a_manifest_that_could_not_be_read_is_read_again(states: dict[str, State]) -> None:
    for name in MAPS:
        (retry,) = states[name]["Retry"]
        assert retry["ErrorEquals"] == ["States.ItemReaderFailed"]
        assert retry["MaxAttempts"] >= 5


def test_a_call_that_finds_its_function_busy_waits_as_long_as_its_job_may_take(states: dict[str, State]) -> None:
    for task in lambda_tasks(states).values():
        busy = task["Retry"][0]
        assert busy["ErrorEquals"] == ["ThrottledError", "Lambda.TooManyRequestsException"]
        assert busy["MaxAttempts"] == 99_999_999


def test_every_task_waits_somewhat_longer_than_its_function_may_take(
    template: Template, states: dict[str, State]
) -> None:
    versions = template.of_type("AWS::Lambda::Version")
    for task in lambda_tasks(states).values():
        function = versions[task["Parameters"]["FunctionName"].strip("<>")]["FunctionName"]["Ref"]
        assert task["TimeoutSeconds"] == template[function]["Timeout"] + 60


def test_the_whole_execution_has_a_time_limit(definition: dict[str, Any]) -> None:
    assert definition["TimeoutSeconds"] == 6 * 3600


@pytest.mark.parametrize(("name", "stage"), MAPS.items())
def test_a_failed_item_is_written_down_and_fails_with_its_own_error(
    states: dict[str, State], name: str, stage: str
) -> None:
    for task in item_tasks(states[name]):
        assert task["Catch"] == [
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": f"Record {stage} failure"}
        ]
    record = states[f"Record {stage} failure"]
    assert record["Resource"] == "arn:<AWS::Partition>:states:::aws-sdk:s3:putObject"
    assert record["Parameters"] == {
        "Bucket": "<StorageWorkBucket>",
        "ExpectedBucketOwner": "<AWS::AccountId>",
        "Key.$": "States.Format('failures/{}/{}-{}.json', $.execution, $.stage, $.task)",
        "Body": {
            "stage.$": "$.stage",
            "task.$": "$.task",
            "Error.$": "$.error.Error",
            "Cause.$": "$.error.Cause",
        },
    }
    assert record["ResultPath"] is None
    assert record["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": record["Next"]}]
    assert states[record["Next"]] == {
        "Type": "Fail",
        "ErrorPath": "$.error.Error",
        "CausePath": "$.error.Cause",
    }


def test_a_stage_without_tasks_is_passed_by(states: dict[str, State]) -> None:
    for name, stage in MAPS.items():
        choice = states[f"Any {stage} tasks?"]
        (rule,) = choice["Choices"]
        assert (rule["Variable"], rule["NumericGreaterThan"]) == (f"$.{stage}.tasks", 0)
        begins = states[rule["Next"]]
        assert begins is states[name] or states[begins["Next"]]["Next"] == name
        assert states[choice["Default"]]["Type"] == "Pass"
        assert states[choice["Default"]].get("Next") == states[name].get("Next")


def test_everything_that_can_fail_is_caught_and_reported(definition: dict[str, Any]) -> None:
    top = definition["States"]
    fallible = {name for name, state in top.items() if state["Type"] in ("Task", "Map", "Parallel")}
    for name in fallible - {"Report failure", *TELLING}:
        assert top[name]["Catch"] == [
            {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Report failure"}
        ], name
    (catch,) = top["Report failure"]["Catch"]
    assert (catch["ErrorEquals"], catch["Next"], catch["ResultPath"]) == (["States.ALL"], "Failed", None)


def test_every_path_ends_in_the_status_function(definition: dict[str, Any]) -> None:
    top = definition["States"]
    ends = {name for name, state in top.items() if state["Type"] in ("Succeed", "Fail") or state.get("End")}
    assert ends == {"Done", "Failed", "Not launched from its plan"}
    assert {name for name, state in top.items() if "Done" in followers(state)} == {"Publish"}
    assert {name for name, state in top.items() if "Failed" in followers(state)} == {"Report failure"}
    assert all(name in ends or followers(state) <= top.keys() for name, state in top.items())


def test_a_failed_execution_fails_with_the_error_that_was_caught(states: dict[str, State]) -> None:
    assert states["Failed"] == {"Type": "Fail", "ErrorPath": "$.error.Error", "CausePath": "$.error.Cause"}


def test_the_stages_run_in_order_without_failures(definition: dict[str, Any]) -> None:
    top = definition["States"]
    order, name = [], definition["StartAt"]
    while name != "Done":
        order.append(name)
        state = top[name]
        name = state["Choices"][0]["Next"] if state["Type"] == "Choice" else state["Next"]
    assert [name for name in order if top[name]["Type"] not in ("Pass", "Choice") and name not in TELLING] == [
        "Sort and isotopes",
        "Partition",
        "Annotate",
        "Merge",
        "Render",
        "Publish",
    ]
    branches = [every["States"] for every in top["Sort and isotopes"]["Branches"]]
    assert [sorted(MAPS.keys() & branch.keys()) for branch in branches] == [["Sort"], ["Isotopes"]]


def test_every_stage_notes_when_it_was_entered_before_it_can_fail(definition: dict[str, Any]) -> None:
    top = definition["States"]
    assert top["Enter sort and isotopes"]["Parameters"] == {
        "sort.$": "$$.State.EnteredTime",
        "isotopes.$": "$$.State.EnteredTime",
    }
    assert top["Enter sort and isotopes"]["ResultPath"] == "$.stages"
    for stage in ("partition", "annotate", "merge", "render", "publish"):
        entered = top[f"Enter {stage}"]
        assert (entered["Type"], entered["InputPath"]) == ("Pass", "$$.State.EnteredTime")
        assert (entered["ResultPath"], entered["Next"]) == (f"$.stages.{stage}", f"Tell {stage}")


@pytest.mark.parametrize("name", TELLING)
def test_the_status_function_is_told_of_every_stage_and_nobody_waits_for_it(
    definition: dict[str, Any], name: str
) -> None:
    tell, stage = definition["States"][name], name.removeprefix("Tell ")
    work = "Sort and isotopes" if stage == "sort" else stage.capitalize()
    assert tell["Parameters"].pop("FunctionName").startswith("<StatusFunctionCurrentVersion")
    assert tell["Parameters"] == {
        "InvocationType": "Event",
        "Payload": {"execution.$": "$.execution", "stage": stage, "entered.$": f"$.stages.{stage}"},
    }
    assert (tell["Next"], tell["ResultPath"]) == (work, None)
    assert tell["Catch"] == [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": work}], "no job fails over it"


def test_an_execution_that_its_plan_did_not_start_fails_at_once(definition: dict[str, Any]) -> None:
    first = definition["States"][definition["StartAt"]]
    (rule,) = first["Choices"]
    assert (rule["Variable"], rule["StringEqualsPath"]) == ("$.execution", "$$.Execution.Name")
    assert rule["Next"] == "Enter sort and isotopes"
    refused = definition["States"][first["Default"]]
    assert (refused["Type"], refused["Error"]) == ("Fail", "NotLaunchedFromPlan")


def test_the_stages_that_run_at_the_same_time_note_their_ends(definition: dict[str, Any]) -> None:
    prepare = definition["States"]["Sort and isotopes"]
    assert prepare["ResultSelector"] == {"sort.$": "$[0]", "isotopes.$": "$[1]"}
    assert prepare["ResultPath"] == "$.over"
    for branch, title in zip(prepare["Branches"], ("Sort", "Isotopes"), strict=True):
        assert branch["States"][f"{title} over"]["InputPath"] == "$$.State.EnteredTime"
        assert branch["States"][f"{title} over"]["End"]


@pytest.mark.parametrize(("name", "following"), [("Partition", "annotate"), ("Merge", "render")])
def test_partition_and_merge_hand_the_manifest_of_the_next_map_on(
    states: dict[str, State], name: str, following: str
) -> None:
    state = states[name]
    assert state["Parameters"]["Payload"] == {"execution.$": "$.execution", "plan.$": "$.plan"}
    width = {"width.$": "$.Payload.width"} if following == "annotate" else {}
    assert state["ResultSelector"] == {"tasks.$": "$.Payload.tasks", "manifest.$": "$.Payload.manifest", **width}
    assert state["ResultPath"] == f"$.{following}"


def test_the_status_function_is_told_the_outcome(states: dict[str, State]) -> None:
    told = {"execution.$": "$.execution", "plan.$": "$.plan", "stages.$": "$.stages"}
    assert states["Publish"]["Parameters"]["Payload"] == {**told, "over.$": "$.over", "outcome": "SUCCEEDED"}
    assert states["Report failure"]["Parameters"]["Payload"] == {**told, "outcome": "FAILED", "error.$": "$.error"}


def test_the_state_machine_is_standard_logged_and_traced(template: Template) -> None:
    machine = template["WorkflowStateMachine"]
    assert machine["StateMachineType"] == "STANDARD"
    assert machine["TracingConfiguration"] == {"Enabled": True}
    assert machine["LoggingConfiguration"]["Level"] == "ALL"
