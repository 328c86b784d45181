"""What a deployment may choose, read from the CDK context (`cdk deploy -c maxConcurrency=100`)."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import RemovalPolicy, aws_logs
from constructs import Node

LOG_RETENTIONS = {
    "7": aws_logs.RetentionDays.ONE_WEEK,
    "14": aws_logs.RetentionDays.TWO_WEEKS,
    "30": aws_logs.RetentionDays.ONE_MONTH,
    "90": aws_logs.RetentionDays.THREE_MONTHS,
    "180": aws_logs.RetentionDays.SIX_MONTHS,
    "365": aws_logs.RetentionDays.ONE_YEAR,
}
"""The retention times on offer, by days."""


class SettingError(ValueError):
    """A context value that no deployment can be made with."""


@dataclass(frozen=True)
class Settings:
    """The choices of one deployment.

    Attributes
    ----------
    removal_policy
        Context `removalPolicy`, `retain` or `destroy`: what becomes of the buckets, and the objects in them, when the
        stack is deleted. (`destroy` still needs emptied buckets.)
    log_retention
        Context `logRetentionDays`, one of `LOG_RETENTIONS`: how long logs are kept.
    work_retention_days
        Context `workRetentionDays`: how long sorted runs and the traces of a job are kept.
    max_concurrency
        Context `maxConcurrency`: how many tasks of one stage run at once. Sorting and isotope patterns run side by
        side, so twice this number should stay below the account's Lambda concurrency.

    """

    removal_policy: RemovalPolicy = RemovalPolicy.RETAIN
    log_retention: aws_logs.RetentionDays = aws_logs.RetentionDays.THREE_MONTHS
    work_retention_days: int = 30
    max_concurrency: int = 400

    @classmethod
    def from_context(cls, node: Node) -> Settings:
        """Read the settings that are in the context of a construct; the others keep their defaults.

        Raises
        ------
        SettingError
            A value is not one of those allowed.

        """
        removal_policy = str(node.try_get_context("removalPolicy") or "retain")
        if removal_policy not in ("retain", "destroy"):
            raise SettingError(f"Context removalPolicy is {removal_policy!r}; use 'retain' or 'destroy'.")
        log_retention_days = str(node.try_get_context("logRetentionDays") or 90)
        if log_retention_days not in LOG_RETENTIONS:
            allowed = ", ".join(LOG_RETENTIONS)
            raise SettingError(f"Context logRetentionDays is {log_retention_days!r}; use one of {allowed}.")
        return cls(
            removal_policy=RemovalPolicy[removal_policy.upper()],
            log_retention=LOG_RETENTIONS[log_retention_days],
            work_retention_days=_integer(node, "workRetentionDays", cls.work_retention_days, 1, 3650),
            max_concurrency=_integer(node, "maxConcurrency", cls.max_concurrency, 1, 10_000),
        )


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
