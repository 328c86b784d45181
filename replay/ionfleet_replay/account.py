"""The account of one local cloud: its number, its credentials, its API clients."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

_SESSION_LOCK = threading.Lock()

ADMINISTRATOR = "administrator"
"""The principal that may do anything: whoever runs the cloud."""


@dataclass(frozen=True)
class Credentials:
    """What a principal signs its requests with."""

    access_key: str
    secret_key: str
    token: str


class Account:
    """An account number that no other cloud of this process has, and who may act in it.

    Every principal (the ARN of a role or of a rule, or `ADMINISTRATOR`) has credentials of its own, so that a request
    tells who made it.
    """

    partition = "aws"
    region = "us-east-1"

    def __init__(self) -> None:
        # Numbers need to differ between clouds, not to be secret.
        self.id = str(random.SystemRandom().randrange(10**11, 10**12))
        self.endpoint_url = ""
        self._lock = threading.Lock()
        self._credentials: dict[str, Credentials] = {}
        self._principals: dict[str, str] = {}
        self._clients: dict[tuple[str, str], Any] = {}
        self._calling = 0

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a regional resource."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"

    def global_arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource that has no region."""
        return f"arn:{self.partition}:{service}::{self.id}:{resource}"

    def stack_id(self, name: str) -> str:
        """Return the ARN of the stack of a name."""
        return self.arn("cloudformation", f"stack/{name}/local")

    def credentials(self, principal: str) -> Credentials:
        """Return a principal's credentials, issued at the first call."""
        with self._lock:
            if principal not in self._credentials:
                self._credentials[principal] = self._issue(principal)
            return self._credentials[principal]

    def session(self, principal: str) -> Credentials:
        """Return new credentials of a principal, as every execution environment has its own."""
        with self._lock:
            return self._issue(principal)

    def _issue(self, principal: str) -> Credentials:
        kind = "AKIA" if principal == ADMINISTRATOR else "ASIA"
        issued = Credentials(kind + secrets.token_hex(8).upper(), secrets.token_hex(20), secrets.token_hex(32))
        self._principals[issued.access_key] = principal
        return issued

    def principal(self, access_key: str) -> str | None:
        """Return whose access key this is, None for one that was never issued."""
        return self._principals.get(access_key)

    def client(self, service: str, principal: str = ADMINISTRATOR) -> Any:
        """Return the boto3 client of a principal for a service of this cloud; clients are shared between threads."""
        credentials = self.credentials(principal)
        with self._lock:
            if (service, principal) not in self._clients:
                self._clients[service, principal] = self._make_client(service, credentials)
            return self._clients[service, principal]

    def _make_client(self, service: str, credentials: Credentials) -> Any:
        with _SESSION_LOCK:
            return _session().client(
                service,  # type: ignore[call-overload]
                aws_access_key_id=credentials.access_key,
                aws_secret_access_key=credentials.secret_key,
                aws_session_token=credentials.token,
                region_name=self.region,
                endpoint_url=self.endpoint_url,
                config=Config(retries={"total_max_attempts": 2}, max_pool_connections=32, proxies={}),
            )

    @property
    def calling(self) -> bool:
        """Whether a `call` or `read` is under way; to be asked in the loop."""
        return self._calling > 0

    async def call(self, service: str, principal: str, operation: str, /, **parameters: Any) -> Any:
        """Call an operation of the API without holding the loop up; errors are boto3's."""
        return await self._in_thread(getattr(self.client(service, principal), operation), **parameters)

    async def read(self, principal: str, bucket: str, key: str) -> bytes:
        """Return a whole object without holding the loop up; errors are boto3's."""

        def get() -> bytes:
            return bytes(self.client("s3", principal).get_object(Bucket=bucket, Key=key)["Body"].read())

        data: bytes = await self._in_thread(get)
        return data

    async def _in_thread(self, function: Callable[..., Any], **arguments: Any) -> Any:
        self._calling += 1
        try:
            return await asyncio.to_thread(function, **arguments)
        finally:
            self._calling -= 1

    def close(self) -> None:
        """Close the clients' connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


@cache
def _session() -> boto3.session.Session:
    """Return a session that no profile, file or variable of the user's own AWS set-up changes.

    One for all clouds, since a session reads the descriptions of services.
    """
    return boto3.session.Session(botocore_session=unconfigured())


def unconfigured() -> botocore.session.Session:
    """Return a session that no profile, file or variable of the user's own AWS set-up changes."""
    nothing = (None, None, None, None)
    no_file = (None, None, os.devnull, None)
    files = {"config_file": no_file, "credentials_file": no_file}
    return botocore.session.Session(session_vars={"profile": nothing, "endpoint_url": nothing, **files})
