"""What Task states and item readers call, with the credentials of the state machine's role."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ionfleet_replay.account import Account
from ionfleet_replay.asynchronous import AsynchronousInvocations
from ionfleet_replay.authority import Authority
from ionfleet_replay.functions import Functions, InvokeRefusedError
from ionfleet_replay.iam import AccessDeniedError
from ionfleet_replay.paths import Json, StateError, compact


class Integrations:
    """The service integrations of one state machine, whose role is `principal`."""

    def __init__(
        self,
        account: Account,
        functions: Functions,
        asynchronous: AsynchronousInvocations,
        authority: Authority,
        principal: str,
    ) -> None:
        self._account = account
        self._functions = functions
        self._asynchronous = asynchronous
        self._authority = authority
        self._principal = principal
        self._requests: Mapping[str, Callable[[Json], Awaitable[Json]]] = {
            "aws-sdk:s3:putObject": self._put_object,
            "sns:publish": self._publish,
        }

    async def call(self, integration: str, parameters: Json, begun: Callable[[], None]) -> Json:
        """Call a service integration and return its result; failures are `StateError`."""
        if integration == "lambda:invoke":
            return await self._invoke(parameters, begun)
        begun()
        return await self._requests[integration](parameters)

    async def read(self, bucket: str, key: str) -> bytes:
        """Return an object for an item reader."""
        try:
            return await self._account.read(self._principal, bucket, key)
        except (ClientError, BotoCoreError) as problem:
            raise StateError("States.ItemReaderFailed", f"s3://{bucket}/{key}: {problem}") from problem

    async def _invoke(self, parameters: Json, begun: Callable[[], None]) -> Json:
        function, payload = parameters["FunctionName"], parameters.get("Payload", {})
        self._may_invoke(function)
        if parameters.get("InvocationType") == "Event":
            begun()
            await self._asynchronous.accept("", function, payload)
            return {"StatusCode": 202, "Payload": "", "SdkHttpMetadata": {"HttpStatusCode": 202}}
        try:
            answer = await self._functions.invoke(function, payload, begun=begun, urgent=False)
        except InvokeRefusedError as refused:
            raise StateError(f"Lambda.{refused.name}", str(refused)) from refused
        if answer.error is not None:
            raise StateError(str(answer.error["errorType"]), json.dumps(answer.error))
        return {
            "ExecutedVersion": answer.version,
            "Payload": answer.payload,
            "SdkHttpMetadata": {"HttpStatusCode": 200},
            "SdkResponseMetadata": {},
            "StatusCode": 200,
        }

    def _may_invoke(self, reference: str) -> None:
        function, version = self._functions.resolve(reference)
        resource = f"{function.arn}:{version}" if reference.endswith(f":{version}") else function.arn
        try:
            self._authority.require(self._principal, "lambda:InvokeFunction", resource)
        except AccessDeniedError as denied:
            raise StateError("Lambda.AWSLambdaException", str(denied)) from denied

    async def _put_object(self, parameters: Json) -> Json:
        body = parameters["Body"]
        arguments = {**parameters, "Body": (body if isinstance(body, str) else compact(body)).encode()}
        answer = await self._request("s3", "S3", "put_object", arguments)
        return {name: answer[name] for name in ("ETag", "VersionId") if name in answer}

    async def _publish(self, parameters: Json) -> Json:
        message = parameters["Message"]
        arguments = {**parameters, "Message": message if isinstance(message, str) else compact(message)}
        answer = await self._request("sns", "SNS", "publish", arguments)
        return {"MessageId": answer["MessageId"]}

    async def _request(self, service: str, prefix: str, operation: str, arguments: Mapping[str, Any]) -> Any:
        try:
            return await self._account.call(service, self._principal, operation, **arguments)
        except ClientError as problem:
            name = _exception_name(self._account.client(service, self._principal), operation, problem)
            raise StateError(f"{prefix}.{name or f'{prefix.capitalize()}Exception'}", str(problem)) from problem
        except BotoCoreError as problem:
            raise StateError(f"{prefix}.SdkClientException", str(problem)) from problem


def _exception_name(client: Any, operation: str, problem: ClientError) -> str | None:
    """Return what the SDK that Step Functions uses calls an error, None for one that the operation does not declare.

    S3 declares few: access denied, for one, has no name but `S3.S3Exception`.
    """
    declared = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation]).error_shapes
    shape = next((each for each in declared if each.error_code == problem.response["Error"]["Code"]), None)
    return None if shape is None else f"{shape.name.removesuffix('Exception')}Exception"
