"""What a deployment may choose."""

from __future__ import annotations

from typing import Any

import pytest
from aws_cdk import App, RemovalPolicy, aws_logs

from ionfleet_infrastructure.settings import SettingError, Settings


def settings(context: dict[str, Any]) -> Settings:
    return Settings.from_context(App(context=context).node)


def test_without_context_everything_is_kept() -> None:
    assert settings({}) == Settings(
        removal_policy=RemovalPolicy.RETAIN,
        log_retention=aws_logs.RetentionDays.THREE_MONTHS,
        work_retention_days=30,
        max_concurrency=400,
    )


def test_settings_are_read_as_the_command_line_gives_them() -> None:
    context = {"removalPolicy": "destroy", "logRetentionDays": "7", "workRetentionDays": "3", "maxConcurrency": "50"}
    assert settings(context) == Settings(
        removal_policy=RemovalPolicy.DESTROY,
        log_retention=aws_logs.RetentionDays.ONE_WEEK,
        work_retention_days=3,
        max_concurrency=50,
    )


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("removalPolicy", "delete", "use 'retain' or 'destroy'"),
        ("logRetentionDays", "8", "use one of 7, 14, 30, 90, 180, 365"),
        ("logRetentionDays", "a week", "use one of 7, 14, 30, 90, 180, 365"),
        ("workRetentionDays", "0", "use a whole number from 1 to 3650"),
        ("maxConcurrency", "many", "use a whole number from 1 to 10000"),
        ("maxConcurrency", "10001", "use a whole number from 1 to 10000"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_was_found_and_what_is_allowed(
    key: str, value: str, expected: str
) -> None:
    with pytest.raises(SettingError, match=f"Context {key} is '{value}'.*{expected}"):
        settings({key: value})
