"""What a deployment may choose."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App, RemovalPolicy, aws_logs

from ionfleet_infrastructure.settings import SettingError, Settings


def settings(context: dict[str, Any]) -> Settings:
    return Settings.from_context(App(context=context).node)


def test_without_context_everything_is_kept_and_protected() -> None:
    assert settings({}) == Settings(
        stack_name="Ionfleet",
        removal_policy=RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
        termination_protection=True,
        log_retention=aws_logs.RetentionDays.THREE_MONTHS,
        work_retention_days=30,
        job_timeout_hours=6,
        max_concurrency=400,
        reserve_concurrency=True,
    )


def test_settings_are_read_as_the_command_line_gives_them() -> None:
    context = {
        "stackName": "Ionfleet-Test",
        "removalPolicy": "destroy",
        "terminationProtection": "true",
        "logRetentionDays": "7",
        "workRetentionDays": "3",
        "jobTimeoutHours": "24",
        "maxConcurrency": "50",
        "reserveConcurrency": "false",
        "notifyEmail": "lab@example.org",
        "notifyWebhook": "https://example.org/ended?lab=1",
        "alarmEmail": "operators@example.org",
        "maxJobCostUsd": "2.50",
    }
    assert settings(context) == Settings(
        stack_name="Ionfleet-Test",
        removal_policy=RemovalPolicy.DESTROY,
        termination_protection=True,
        log_retention=aws_logs.RetentionDays.ONE_WEEK,
        work_retention_days=3,
        job_timeout_hours=24,
        max_concurrency=50,
        reserve_concurrency=False,
        notify_email="lab@example.org",
        notify_webhook="https://example.org/ended?lab=1",
        alarm_email="operators@example.org",
        max_job_cost_usd=2.5,
    )


def test_settings_are_read_as_cdk_json_may_have_them() -> None:
    context = {"logRetentionDays": 7, "maxConcurrency": 50, "reserveConcurrency": False}
    read = settings(context)
    assert (read.log_retention, read.max_concurrency, read.reserve_concurrency) == (
        aws_logs.RetentionDays.ONE_WEEK,
        50,
        False,
    )


@pytest.mark.parametrize(("policy", "protected"), [("retain", True), ("destroy", False)])
def test_a_stack_that_keeps_its_data_is_protected_unless_said_otherwise(policy: str, protected: bool) -> None:
    assert settings({"removalPolicy": policy}).termination_protection is protected


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("stackName", "2nd", "use up to 40 letters, digits and hyphens, a letter first"),
        ("stackName", "Ion fleet", "use up to 40 letters, digits and hyphens, a letter first"),
        ("stackName", "I" * 41, "use up to 40 letters, digits and hyphens, a letter first"),
        ("removalPolicy", "delete", "use one of retain, destroy"),
        ("removalPolicy", "", "use one of retain, destroy"),
        ("terminationProtection", "yes", "use one of true, false"),
        ("reserveConcurrency", "0", "use one of true, false"),
        ("notifyEmail", "lab", "use an address such as lab@example.org"),
        ("alarmEmail", "a@b.c d", "use an address such as operators@example.org"),
        ("notifyWebhook", "http://example.org", "use a URL that begins with https://"),
        ("logRetentionDays", "8", "use one of 7, 14, 30, 90, 180, 365"),
        ("logRetentionDays", "a week", "use one of 7, 14, 30, 90, 180, 365"),
        ("workRetentionDays", "0", "use a whole number from 1 to 3650"),
        ("jobTimeoutHours", "0", "use a whole number from 1 to 48"),
        ("jobTimeoutHours", "49", "use a whole number from 1 to 48"),
        ("maxJobCostUsd", "0", "use an amount of US dollars such as 2.50"),
        ("maxJobCostUsd", "two", "use an amount of US dollars such as 2.50"),
        ("maxJobCostUsd", "nan", "use an amount of US dollars such as 2.50"),
        ("maxFunctionMb", "3007", "use a whole number from 3008 to 10240"),
        ("maxConcurrency", "many", "use a whole number from 19 to 20000"),
        ("maxConcurrency", "18", "use a whole number from 19 to 20000"),
        ("maxConcurrency", "20001", "use a whole number from 19 to 20000"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_found_and_what_is_allowed(
    key: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingError, match=f"Context {key} is '{value}'.*{expected}"):
        settings({key: value})
