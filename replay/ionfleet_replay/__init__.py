"""The local runtime: brings a synthesized CDK template up on one machine, over moto.

It implements a small part of AWS exactly, and refuses the rest by name. `Cloud` is the way in.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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

_MODULES = {
    "assembly": ("synthesize",),
    "cloud": ("Cloud", "Standing"),
    "errors": ("DefinitionError", "InvocationError", "ReplayError", "SynthesisError", "TemplateError"),
    "faults": ("Faults",),
    "observations": (
        "AccessDecided", "DeadLetter", "EventLost", "ExecutionEnded", "FaultInjected", "Invocation", "InvocationEnded",
        "MapProgress", "Observation", "RuleMatched", "StateEntered", "StateExited",
    ),
    "recorded": ("Recorded", "RecordingError", "read_recording"),
    "sandbox": ("Nursery",),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

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


def __getattr__(name: str) -> object:
    """Import what is asked for: moto alone takes longer than most commands that need no cloud."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
