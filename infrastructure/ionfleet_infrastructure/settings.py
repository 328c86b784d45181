"""What a deployment may choose, read from the CDK context (`cdk deploy -c maxConcurrency=100`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from aws_cdk import RemovalPolicy, aws_logs
from constructs import Node

from ionfleet_infrastructure.capacity import LARGEST, SMALLEST, share_in_turn, share_out

STACK_NAME = re.compile("[A-Za-z][A-Za-z0-9-]{0,39}")
"""Short enough for what is named after the stack, such as its state machine."""

EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
AMOUNT = re.compile(r"[0-9]{1,6}(\.[0-9]+)?")
WEBHOOK = re.compile(r"https://[^\s/]+(/\S*)?")

REMOVAL_POLICIES = {
    # What a deployment that is rolled back at once has made holds nothing yet, so it goes.
    "retain": RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE,
    "destroy": RemovalPolicy.DESTROY,
}
"""What becomes of buckets, queues and logs, by the name of the choice."""

LOG_RETENTIONS = {
    "7": aws_logs.RetentionDays.ONE_WEEK,
    "14": aws_logs.RetentionDays.TWO_WEEKS,
    "30": aws_logs.RetentionDays.ONE_MONTH,
    "90": aws_logs.RetentionDays.THREE_MONTHS,
    "180": aws_logs.RetentionDays.SIX_MONTHS,
    "365": aws_logs.RetentionDays.ONE_YEAR,
}
"""The retention times on offer, by days."""

LONGEST_JOB_HOURS = 48
"""A task that finds its function busy tries again every 30 s on average: 17,000 events in two days, and Step Functions
ends an execution with 25,000."""

SWITCH = {"true": True, "false": False}

Option = TypeVar("Option")


class SettingError(ValueError):
    """A context value that no deployment can be made with."""


@dataclass(frozen=True)
class Settings:
    """The choices of one deployment.

    Attributes
    ----------
    stack_name
        Context `stackName`: another name is another deployment, beside the first in the same account and region.
    removal_policy
        Context `removalPolicy`, `retain` or `destroy`: whether what holds data (buckets, queues, logs) outlives the
        stack, or goes with it, contents and all.
    termination_protection
        Context `terminationProtection`, `true` or `false`: whether the stack can be deleted only after that was
        switched off. By default a stack that retains its data is protected.
    log_retention
        Context `logRetentionDays`, one of `LOG_RETENTIONS`: how long logs are kept.
    work_retention_days
        Context `workRetentionDays`: how long sorted runs and the traces of a job are kept.
    job_timeout_hours
        Context `jobTimeoutHours`: how long an execution may take, waiting for free functions included.
    max_concurrency
        Context `maxConcurrency`: how many functions run at once, of all jobs together.
    reserve_concurrency
        Context `reserveConcurrency`, `true` or `false`: whether the functions reserve their shares of that. Without
        it each job may use all of it, stage by stage, and the account's quota is what bounds all jobs together.
    notify_email, notify_webhook
        Context `notifyEmail` and `notifyWebhook`: an address and an https URL that every end of a job is sent to.
    alarm_email
        Context `alarmEmail`: an address that alarms are sent to.
    max_job_cost_usd
        Context `maxJobCostUsd`: what no job may be estimated to cost more than, whatever its configuration says.
    max_function_mb
        Context `maxFunctionMb`: larger sizes of functions are left out, for accounts that Lambda gives no more memory.

    """

    stack_name: str = "Ionfleet"
    removal_policy: RemovalPolicy = REMOVAL_POLICIES["retain"]
    termination_protection: bool = True
    log_retention: aws_logs.RetentionDays = aws_logs.RetentionDays.THREE_MONTHS
    work_retention_days: int = 30
    job_timeout_hours: int = 6
    max_concurrency: int = 400
    reserve_concurrency: bool = True
    notify_email: str | None = None
    notify_webhook: str | None = None
    alarm_email: str | None = None
    max_function_mb: int = 10_240
    max_job_cost_usd: float | None = None

    @classmethod
    def from_context(cls, node: Node) -> Settings:
        """Read the settings that are in the context of a construct; the others keep their defaults.

        Raises
        ------
        SettingError
            A value is not one of those allowed.

        """
        removal_policy = _choice(node, "removalPolicy", REMOVAL_POLICIES, "retain")
        protected = "false" if removal_policy == RemovalPolicy.DESTROY else "true"
        return cls(
            stack_name=_stack_name(node, cls.stack_name),
            removal_policy=removal_policy,
            termination_protection=_choice(node, "terminationProtection", SWITCH, protected),
            log_retention=_choice(node, "logRetentionDays", LOG_RETENTIONS, "90"),
            work_retention_days=_integer(node, "workRetentionDays", cls.work_retention_days, 1, 3650),
            job_timeout_hours=_integer(node, "jobTimeoutHours", cls.job_timeout_hours, 1, LONGEST_JOB_HOURS),
            max_concurrency=_integer(node, "maxConcurrency", cls.max_concurrency, SMALLEST, LARGEST),
            reserve_concurrency=_choice(node, "reserveConcurrency", SWITCH, "true"),
            notify_email=_matching(node, "notifyEmail", EMAIL, "an address such as lab@example.org"),
            notify_webhook=_matching(node, "notifyWebhook", WEBHOOK, "a URL that begins with https://"),
            alarm_email=_matching(node, "alarmEmail", EMAIL, "an address such as operators@example.org"),
            max_function_mb=_integer(node, "maxFunctionMb", 10_240, 3_008, 10_240),
            max_job_cost_usd=_dollars(node, "maxJobCostUsd"),
        )

    @property
    def destroys(self) -> bool:
        """Whether nothing is to be left of the stack once it is deleted."""
        return self.removal_policy == RemovalPolicy.DESTROY

    @property
    def concurrency(self) -> dict[str, int]:
        """How many of each function run at once, by the function's name."""
        return share_out(self.max_concurrency) if self.reserve_concurrency else share_in_turn(self.max_concurrency)


def _stack_name(node: Node, default: str) -> str:
    value = node.try_get_context("stackName")
    name = default if value is None else str(value)
    if not STACK_NAME.fullmatch(name):
        raise SettingError(f"Context stackName is {name!r}; use up to 40 letters, digits and hyphens, a letter first.")
    return name


def _matching(node: Node, key: str, pattern: re.Pattern[str], wanted: str) -> str | None:
    """Read a text from the context, None where there is none."""
    value = node.try_get_context(key)
    if value is not None and not pattern.fullmatch(str(value)):
        raise SettingError(f"Context {key} is {value!r}; use {wanted}.")
    return None if value is None else str(value)


def _choice(node: Node, key: str, options: Mapping[str, Option], default: str) -> Option:
    """Read one of a few words from the context; `cdk.json` may have a number or a truth value in its place."""
    value = node.try_get_context(key)
    word = default if value is None else str(value).lower()
    if word not in options:
        raise SettingError(f"Context {key} is {value!r}; use one of {', '.join(options)}.")
    return options[word]


def _integer(node: Node, key: str, default: int, least: int, most: int) -> int:
    """Read a whole number from the context; the command line gives it as a string."""
    value = node.try_get_context(key)
    if value is None:
        return default
    try:
        number = int(value)
    except ValueError:
        number = least - 1
    if not least <= number <= most:
        raise SettingError(f"Context {key} is {value!r}; use a whole number from {least} to {most}.")
    return number


def _dollars(node: Node, key: str) -> float | None:
    """Read an amount above 0 from the context, None where there is none."""
    value = node.try_get_context(key)
    if value is None:
        return None
    if not AMOUNT.fullmatch(str(value)) or float(value) <= 0:
        raise SettingError(f"Context {key} is {value!r}; use an amount of US dollars such as 2.50.")
    return float(value)
