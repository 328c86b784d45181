"""Links into AWS's console."""

from __future__ import annotations

from urllib.parse import unquote

import pytest

from ionfleet_aws.console import Console
from ionfleet_aws.environment import StatusEnvironment

VARIABLES = {
    "WORK_BUCKET": "lab-work",
    "RESULTS_BUCKET": "lab-results",
    "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:done",
    "STATE_MACHINE_ARN": "arn:aws:states:eu-central-1:123456789012:stateMachine:Ionfleet",
    "LOG_GROUPS": '{"annotate": "/lab/annotate+1"}',
}


def console(**variables: str) -> Console:
    return Console(StatusEnvironment.model_validate(VARIABLES | variables))


def test_a_job_leads_to_its_execution_and_to_the_lines_about_it_in_each_log() -> None:
    links = console().job("job-1")
    assert links.keys() == {"execution", "annotate log"}
    home = "https://eu-central-1.console.aws.amazon.com/"
    arn = "arn:aws:states:eu-central-1:123456789012:execution:Ionfleet:job-1"
    assert links["execution"] == f"{home}states/home?region=eu-central-1#/v2/executions/details/{arn}"
    address, _, fragment = links["annotate log"].partition("#")
    assert address == f"{home}cloudwatch/home?region=eu-central-1"
    # The console decodes the fragment once, with $ for %, and the parts of its path once more.
    decoded = unquote(fragment.replace("$", "%"))
    assert decoded == "logsV2:log-groups/log-group/%2Flab%2Fannotate%2B1/log-events?filterPattern=%22job-1%22"


def test_a_message_leads_to_the_lines_about_it_in_the_log_of_its_reader() -> None:
    links = console().message("annotate", "m-1")
    assert links.keys() == {"annotate log"}
    assert links["annotate log"].endswith("$2522m-1$2522")


@pytest.mark.parametrize(
    ("partition", "domain"), [("aws-cn", "console.amazonaws.cn"), ("aws-us-gov", "console.amazonaws-us-gov.com")]
)
def test_each_partition_has_its_own_console(partition: str, domain: str) -> None:
    arn = VARIABLES["STATE_MACHINE_ARN"].replace("arn:aws:", f"arn:{partition}:")
    assert f"eu-central-1.{domain}/" in console(STATE_MACHINE_ARN=arn).job("job-1")["execution"]


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ENDPOINT_URL": "http://localhost:5000"},
        {"STATE_MACHINE_ARN": VARIABLES["STATE_MACHINE_ARN"].replace("arn:aws:", "arn:aws-elsewhere:")},
    ],
)
def test_where_no_console_is_known_nothing_leads_there(variables: dict[str, str]) -> None:
    assert console(**variables).job("job-1") == {}
    assert console(**variables).message("annotate", "m-1") == {}
