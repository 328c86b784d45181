"""The local runtime: brings a synthesized CDK template up on one machine, over moto.

It implements a small part of AWS exactly, and refuses the rest by name. `Cloud` is the way in.
"""

from __future__ import annotations

from ionfleet_replay.assembly import synthesize
from ionfleet_replay.cloud import Cloud, Standing
from ionfleet_replay.errors import DefinitionError, InvocationError, ReplayError, SynthesisError, TemplateError
from ionfleet_replay.faults import Faults
from ionfleet_replay.observations import (
    AccessDecided,
    DeadLetter,
    EventLost,
    ExecutionEnded,
    FaultInjected,
    Invocation,
    InvocationEnded,
    MapProgress,
    Observation,
    RuleMatched,
    StateEntered,
    StateExited,
)
from ionfleet_replay.recorded import Recorded, RecordingError, read_recording
from ionfleet_replay.sandbox import Nursery

__all__ = [
    "AccessDecided",
    "Cloud",
    "DeadLetter",
    "DefinitionError",
    "EventLost",
    "ExecutionEnded",
    "FaultInjected",
    "Faults",
    "Invocation",
    "InvocationEnded",
    "InvocationError",
    "MapProgress",
    "Nursery",
    "Observation",
    "Recorded",
    "RecordingError",
    "ReplayError",
    "RuleMatched",
    "Standing",
    "StateEntered",
    "StateExited",
    "SynthesisError",
    "TemplateError",
    "read_recording",
    "synthesize",
]
