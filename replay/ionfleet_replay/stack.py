"""What a template becomes: the registries that its resources are entered into, and the names they get."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ionfleet_replay.account import Account
from ionfleet_replay.environment import Function
from ionfleet_replay.events import Rule
from ionfleet_replay.iam import Policies
from ionfleet_replay.queues import EventSource, Queue

NAME_PART = 24
"""Characters of the stack's name and of a logical id that CloudFormation puts into a generated name."""


@dataclass(frozen=True)
class StateMachine:
    """A state machine as the template declares it; `definition` is JSON text."""

    logical_id: str
    arn: str
    name: str
    role: str
    definition: str
    logged: bool = False
    traced: bool = False


@dataclass
class Stack:
    """A stack that is being created: its account, its assets, and what has been declared so far.

    `alarms` has the ARNs of the topics that each alarm tells, by its ARN.
    """

    account: Account
    name: str
    assets: Mapping[str, Path]
    notifying_buckets: set[str] = field(default_factory=set)
    queues: dict[str, Queue] = field(default_factory=dict)
    sources: list[EventSource] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    functions: dict[str, Function] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    layers: dict[str, Path | None] = field(default_factory=dict)
    machines: list[StateMachine] = field(default_factory=list)
    alarms: dict[str, list[str]] = field(default_factory=dict)
    policies: Policies = field(default_factory=Policies)

    def physical_name(self, logical_id: str) -> str:
        """Return the name of a resource that the template does not name, the same at every call."""
        suffix = hashlib.sha256(f"{self.account.id}/{logical_id}".encode()).hexdigest()[:12]
        return f"{self.name[:NAME_PART]}-{logical_id[:NAME_PART]}-{suffix}"

    def common_layers(self) -> tuple[Path, ...]:
        """Return the folders of the layers, in their order, if all functions have the same."""
        layers = {function.layers for function in self.functions.values()}
        return layers.pop() if len(layers) == 1 else ()
