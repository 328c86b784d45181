"""Where the commands find the deployed system: a local cloud, or a stack in AWS. From here on they are alike."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError, NoRegionError

from ionfleet_cli.buckets import Bucket, Buckets
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.local_state import ACCESS_KEY, SECRET_KEY, Endpoint, running
from ionfleet_replay.account import unconfigured

DEFAULT_STACK = "Ionfleet"
NEEDED = ("InputBucket", "WorkBucket", "ResultsBucket", "StateMachineArn")
LOCAL_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True)
class Address:
    """Which deployment is meant: what was given on the command line, None for what was not."""

    stack: str | None = None
    endpoint: str | None = None
    local: str | None = None


@dataclass(frozen=True)
class Deployment:
    """A stack that is up, with clients that sign as the caller; `title` says which it is."""

    title: str
    outputs: Mapping[str, str]
    session: boto3.session.Session
    endpoint_url: str | None = None
    _clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """Return the client for a service; clients are shared between threads."""
        if service not in self._clients:
            self._clients[service] = _client(self.session, service, self.endpoint_url)
        return self._clients[service]

    @cached_property
    def buckets(self) -> Buckets:
        """The stack's buckets, which have to belong to the account of its state machine."""
        client, account = self.client("s3"), self.machine.split(":")[4]
        names = (self.outputs[f"{which}Bucket"] for which in ("Input", "Work", "Results"))
        return Buckets(*(Bucket(client, name, account) for name in names))

    @property
    def is_local(self) -> bool:
        """Whether it runs on this machine."""
        return _is_local(self.endpoint_url)

    @property
    def machine(self) -> str:
        """The state machine's ARN."""
        return self.outputs["StateMachineArn"]

    def execution(self, name: str) -> str:
        """Return the ARN of an execution by its name."""
        return f"{self.machine.replace(':stateMachine:', ':execution:')}:{name}"


def find_deployment(address: Address) -> Deployment:
    """Return the deployment that is meant.

    What is given decides: `--local NAME`, `--endpoint URL`, `--stack NAME`. Without any it is what AWS_ENDPOINT_URL
    says, else the local cloud that is up, else the stack Ionfleet of the account and region that AWS's own variables
    and files set.

    Raises
    ------
    UsageError
        Two of them are given, or several local clouds are up.
    CommandError
        There is no such deployment.

    """
    if sum(given is not None for given in (address.local, address.endpoint)) > 1 or (address.local and address.stack):
        raise UsageError("Give --local alone, or --endpoint and --stack.")
    asked = address.stack or address.endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if address.local is None and asked:
        return _describe(address.stack or DEFAULT_STACK, address.endpoint or os.environ.get("AWS_ENDPOINT_URL"))
    up = [each for each in running() if address.local in (None, each.name)]
    if len(up) > 1:
        names = ", ".join(each.name for each in up)
        raise UsageError(f"Several local clouds are up ({names}); say which: --local {up[0].name}.")
    if up:
        return connect(up[0])
    if address.local is not None:
        raise CommandError(f"No local cloud {address.local!r} is up; `ionfleet local up` starts one.")
    return _describe(DEFAULT_STACK, None)


def connect(endpoint: Endpoint) -> Deployment:
    """Return a local cloud as a deployment."""
    title = f"the local cloud {endpoint.name!r}"
    return Deployment(title, endpoint.outputs, _local_session(endpoint.region), endpoint.endpoint_url)


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of boto3 into messages that say what to do.

    Raises
    ------
    CommandError
        A call failed.

    """
    try:
        yield
    except NoCredentialsError:
        raise CommandError(
            "There are no AWS credentials; set AWS_PROFILE or log in with `aws configure`, or start a cloud on this "
            "machine with `ionfleet local up`."
        ) from None
    except NoRegionError:
        raise CommandError("No AWS region is set; set AWS_REGION to the one that the stack is in.") from None
    except EndpointConnectionError as error:
        raise CommandError(f"{error} Is the cloud up? `ionfleet local status` tells of local ones.") from None
    except ClientError as error:
        told = error.response["Error"]
        raise CommandError(f"{error.operation_name}: {told.get('Message')} ({told.get('Code')})") from error
    except BotoCoreError as error:
        raise CommandError(f"AWS cannot be reached: {error}") from error


def _describe(stack: str, endpoint_url: str | None) -> Deployment:
    """Return a stack with its outputs, as CloudFormation tells them."""
    # boto3 itself knows AWS_DEFAULT_REGION and profiles; every other SDK and the AWS CLI know AWS_REGION, too.
    region = os.environ.get("AWS_REGION") or None
    session = (
        _local_session(region or DEFAULT_REGION)
        if _is_local(endpoint_url)
        else boto3.session.Session(region_name=region)
    )
    try:
        described = _client(session, "cloudformation", endpoint_url).describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        where = endpoint_url or f"region {session.region_name}"
        raise CommandError(
            f"There is no stack {stack!r} in {where}; give --stack the name of yours, set AWS_PROFILE and AWS_REGION, "
            "or start a cloud on this machine with `ionfleet local up`."
        ) from None
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", ())}
    missing = [name for name in NEEDED if name not in outputs]
    if missing:
        raise CommandError(f"The stack {stack!r} has no output {missing[0]}: it is none of Ionfleet, or not complete.")
    title = f"the stack {stack} in {outputs['StateMachineArn'].split(':')[3]}"
    return Deployment(f"{title} at {endpoint_url}" if endpoint_url else title, outputs, session, endpoint_url)


def _local_session(region: str) -> boto3.session.Session:
    """Return a session for a cloud of this machine, which has nothing to do with profiles and credentials of AWS."""
    return boto3.session.Session(
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        region_name=region,
        botocore_session=unconfigured(),
    )


def _is_local(endpoint_url: str | None) -> bool:
    return endpoint_url is not None and urlsplit(endpoint_url).hostname in LOCAL_HOSTS


def _client(session: boto3.session.Session, service: str, endpoint_url: str | None) -> Any:
    # A proxy is for what lies beyond this machine.
    proxies: dict[str, str] | None = {} if _is_local(endpoint_url) else None
    # Addresses that are signed beforehand would be of an older kind in some regions, unless it is named.
    signature = "s3v4" if service == "s3" else None
    retries = {"mode": "standard", "total_max_attempts": 5}
    config = Config(retries=retries, max_pool_connections=32, proxies=proxies, signature_version=signature)  # type: ignore[arg-type]
    return session.client(service, endpoint_url=endpoint_url, config=config)  # type: ignore[call-overload]
