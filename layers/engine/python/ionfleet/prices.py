"""What AWS charges for what a job uses: one table, of one region and one date (docs/cost.md, Prices)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Prices:
    """On-demand prices in US dollars, without the free tier and without discounts for volume.

    Attributes
    ----------
    region, date
        Where and when they held.
    gb_second
        Lambda, x86: one second of one GB (2**30 bytes) of configured memory.
    invocation
        Lambda: one invocation.
    read_request
        S3 Standard: a GET or HEAD.
    write_request
        S3 Standard: a PUT, COPY, POST or LIST. Deleting is free.
    event
        EventBridge: an event that S3 sends about an object, which counts as one of an opt-in service.
    transition
        Step Functions: one state transition of a standard workflow, retries included.
    log_gb
        CloudWatch Logs: one GB taken in.
    storage_gb_month
        S3 Standard: one GB kept for a month.

    """

    region: str
    date: str
    gb_second: float
    invocation: float
    read_request: float
    write_request: float
    event: float
    transition: float
    log_gb: float
    storage_gb_month: float


US_EAST_1 = Prices(
    region="us-east-1",
    date="2026-11-22",
    gb_second=0.0000166667,
    invocation=0.20e-6,
    read_request=0.0004e-3,
    write_request=0.005e-3,
    event=1.00e-6,
    transition=0.025e-3,
    log_gb=0.50,
    storage_gb_month=0.023,
)
"""Prices of US East (N. Virginia); the sources are in docs/cost.md."""
