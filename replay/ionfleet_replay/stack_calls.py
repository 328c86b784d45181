"""What CloudFormation tells of the one stack of a cloud; nothing else of CloudFormation is here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from ionfleet_replay.account import Account
from ionfleet_replay.calls import Call, Handler, Response, refusal

NAMESPACE = "http://cloudformation.amazonaws.com/doc/2010-05-15/"


class StackCalls:
    """Answers `DescribeStacks`; `told` gives the stack's name and its outputs, as they are at the time of the call."""

    def __init__(self, account: Account, told: Callable[[], tuple[str, Mapping[str, str]]]) -> None:
        self._account = account
        self._told = told
        self._created = datetime.now(UTC).isoformat(timespec="milliseconds")

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Answer a call to CloudFormation; the others go on."""
        if call.service != "cloudformation":
            return proceed(call)
        if call.operation != "DescribeStacks":
            message = f"The local cloud does not implement cloudformation:{call.operation}."
            return refusal(call, "501 Not Implemented", "NotImplemented", message)
        name, outputs = self._told()
        wanted = call.parameters.get("StackName", name)
        if wanted not in (name, self._account.stack_id(name)):
            message = f"Stack with id {wanted} does not exist"
            return refusal(call, "400 Bad Request", "ValidationError", message)
        return _document(self._description(name, outputs))

    def _description(self, name: str, outputs: Mapping[str, str]) -> str:
        members = "".join(
            f"<member>{_element('OutputKey', key)}{_element('OutputValue', value)}</member>"
            for key, value in outputs.items()
        )
        facts = {
            "StackName": name,
            "StackId": self._account.stack_id(name),
            "CreationTime": self._created,
            "StackStatus": "CREATE_COMPLETE",
        }
        return "".join(_element(*fact) for fact in facts.items()) + f"<Outputs>{members}</Outputs>"


def _element(name: str, text: str) -> str:
    return f"<{name}>{escape(text)}</{name}>"


def _document(stack: str) -> Response:
    body = (
        f'<DescribeStacksResponse xmlns="{NAMESPACE}"><DescribeStacksResult><Stacks><member>{stack}</member></Stacks>'
        "</DescribeStacksResult><ResponseMetadata><RequestId>local</RequestId></ResponseMetadata>"
        "</DescribeStacksResponse>"
    )
    data = body.encode()
    return Response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(data)))], [data])
