"""The clients of AWS: each made when it is first asked for, once a process, since making one takes about 0.1 s."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.handlers import add_expect_header

from ionfleet import __version__
from ionfleet.concurrently import AT_ONCE
from ionfleet_aws.environment import OwnerEnvironment, read_environment
from ionfleet_aws.stores import S3Store
from ionfleet_aws.usage import Meter

if TYPE_CHECKING:
    from types_boto3_s3 import S3Client
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient
    from types_boto3_stepfunctions import SFNClient

METER = Meter()
"""What all stores of this process have asked of S3."""

# "adaptive" is botocore's standard mode (exponential backoff with jitter over throttling, 5xx and lost connections)
# with a rate limit of its own once S3 throttles: thousands of functions start on one prefix at the same moment.
_CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 8},
    connect_timeout=5,
    read_timeout=30,
    max_pool_connections=AT_ONCE,
    # Given, not put together anew for every request from what botocore finds around it.
    user_agent=f"ionfleet/{__version__}",
)


@cache
def s3() -> S3Client:
    """Return the client of S3."""
    client = boto3.client("s3", config=_CONFIG)
    # To ask whether a body would be taken before it is sent is a round trip more for each of thousands of images.
    client.meta.events.unregister("before-call.s3", add_expect_header)
    return client


@cache
def states() -> SFNClient:
    """Return the client of Step Functions."""
    return boto3.client("stepfunctions", config=_CONFIG)


@cache
def topics() -> SNSClient:
    """Return the client of SNS."""
    return boto3.client("sns", config=_CONFIG)


@cache
def queues() -> SQSClient:
    """Return the client of SQS."""
    return boto3.client("sqs", config=_CONFIG)


def bucket(name: str) -> S3Store:
    """Return a bucket of this deployment's account as an object store, metered by `METER`."""
    return S3Store(s3(), name, METER, owner=read_environment(OwnerEnvironment).bucket_owner)
