"""The local runtime: brings a synthesized CDK template up on one machine, over moto.

It implements a small part of AWS exactly, and refuses the rest by name. `Cloud` is the way in.
"""

from __future__ import annotations

from ionfleet_replay.assembly import synthesize
from ionfleet_replay.cloud import Cloud, Standing
from ionfleet_replay.errors import DefinitionError, InvocationError, ReplayError, SynthesisError, TemplateError
from ionfleet_replay.observations import (
    AccessDecided,
    DeadLetter,
    EventLost,
    ExecutionEnded,
    Invocation,
    InvocationEnded,
    MapProgress,
    Observation,
    StateEntered,
    StateExited,
)

__all__ = [
    "AccessDecided",
    "Cloud",
    "DeadLetter",
    "DefinitionError",
    "EventLost",
    "ExecutionEnded",
    "Invocation",
    "InvocationEnded",
    "InvocationError",
    "MapProgress",
    "Observation",
    "ReplayError",
    "Standing",
    "StateEntered",
    "StateExited",
    "SynthesisError",
    "TemplateError",
    "synthesize",
]
