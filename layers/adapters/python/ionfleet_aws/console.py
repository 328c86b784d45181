"""Addresses in AWS's console: where an engineer looks further."""

from __future__ import annotations

from urllib.parse import quote

from ionfleet_aws.environment import StatusEnvironment

_DOMAINS = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
"""The console's domain in each partition of AWS."""


class Console:
    """The console of the account and region that a function runs in.

    It has no addresses where the function runs on somebody's own machine: AWS knows nothing of that cloud.
    """

    def __init__(self, environment: StatusEnvironment) -> None:
        _, partition, _, self._region, *_ = environment.state_machine_arn.split(":")
        self._environment = environment
        self._domain = None if environment.aws_endpoint_url else _DOMAINS.get(partition)

    def job(self, execution: str) -> dict[str, str]:
        """Return where an execution is shown, and what each function logged about it."""
        if self._domain is None:
            return {}
        arn = self._environment.state_machine_arn.replace(":stateMachine:", ":execution:")
        logs = {f"{function} log": self._log(function, execution) for function in self._environment.log_groups}
        return {"execution": f"{self._home('states')}#/v2/executions/details/{arn}:{execution}"} | logs

    def message(self, function: str, message: str) -> dict[str, str]:
        """Return where it is shown what a function logged about a message."""
        return {} if self._domain is None else {f"{function} log": self._log(function, message)}

    def _home(self, service: str) -> str:
        return f"https://{self._region}.{self._domain}/{service}/home?region={self._region}"

    def _log(self, function: str, text: str) -> str:
        group, pattern = _fragment(self._environment.log_groups[function]), _fragment(f'"{text}"')
        return f"{self._home('cloudwatch')}#logsV2:log-groups/log-group/{group}/log-events$3FfilterPattern$3D{pattern}"


def _fragment(text: str) -> str:
    """Encode text as CloudWatch's console does behind the hash: twice for a URL, with $ for %."""
    return quote(quote(text, safe=""), safe="").replace("%", "$")
