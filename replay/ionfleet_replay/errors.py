"""What the local runtime refuses, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ReplayError(Exception):
    """Base of the local runtime's own errors; its message is fit for a user's eyes."""


class TemplateError(ReplayError):
    """The template holds something that the local runtime does not implement, or that is wrong."""

    def __init__(self, logical_id: str, kind: str, where: str, problem: str) -> None:
        super().__init__(f"Resource {logical_id!r} of type {kind}, {where}: {problem}")
        self.logical_id = logical_id
        self.kind = kind
        self.where = where


class DefinitionError(ReplayError):
    """A state machine's definition holds something that the interpreter does not implement, or that is wrong."""

    def __init__(self, state: str, field: str, problem: str) -> None:
        super().__init__(f"State {state!r}, field {field!r}: {problem}")
        self.state = state
        self.field = field


class PatternError(ReplayError):
    """An event pattern uses an operator that the local event bus does not implement."""


class SynthesisError(ReplayError):
    """The CDK app did not produce a template."""


class InvocationError(ReplayError):
    """A function that was invoked directly answered with an error."""

    def __init__(self, function: str, error: Mapping[str, Any]) -> None:
        super().__init__(f"{function} failed with {error['errorType']}: {error['errorMessage']}")
        self.error = error
