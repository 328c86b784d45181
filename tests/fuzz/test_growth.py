"""Inputs as large as they may be, made so that anything which looks at each part once for each other part never ends.

The limit is on processor time, far above the second or two that these take, so that a busy machine fails no test.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ..unit.imzml_files import SMALL
from .registry import load

SECONDS = 30
GROUPS = 250
REFERENCES = 700
PARAMETERS = "<cvParam accession='MS:1'/>" * 4000
"""As much as a header may have of each, nearly; it has some of its own."""


@contextmanager
def processor_time(seconds: int) -> Iterator[None]:
    """Fail what computes for longer."""

    def stop(*_: object) -> None:
        pytest.fail(f"still computing after {seconds} s")

    previous = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, previous)


def reference(name: str) -> str:
    """Return a reference to a parameter group."""
    return f'<referenceableParamGroupRef ref="{name}"/>'


def group(name: str, inside: str) -> str:
    """Return a parameter group."""
    return f'<referenceableParamGroup id="{name}">{inside}</referenceableParamGroup>'


def with_groups(groups: str, components: str = "") -> bytes:
    """Return a small imzML with further parameter groups and components of its instrument."""
    listed, instrument = "</referenceableParamGroupList>", "</instrumentConfiguration>"
    dataset = SMALL.edit(listed, groups + listed)
    return dataset.edit(instrument, f"<componentList>{components}</componentList>{instrument}").imzml.encode()


CHAIN = "".join(group(f"g{i}", reference(f"g{i + 1}")) for i in range(GROUPS - 1)) + group(f"g{GROUPS - 1}", PARAMETERS)
CIRCLE = "".join(group(f"g{i}", reference(f"g{(i + 1) % GROUPS}")) for i in range(GROUPS))
HUB = group("hub", reference("hub") * (REFERENCES - GROUPS)) + "".join(
    group(f"g{i}", reference("hub")) for i in range(GROUPS - 1)
)
COMPONENTS = f"<analyzer>{reference('g0')}</analyzer>" * (REFERENCES - GROUPS)


INPUTS = {
    "groups in a chain": ("imzml", with_groups(CHAIN)),
    "groups in a circle": ("imzml", with_groups(CIRCLE, COMPONENTS)),
    "groups around one": ("imzml", with_groups(HUB)),
    "components": ("imzml", with_groups(group("g0", PARAMETERS), COMPONENTS)),
    "more groups than are read": ("imzml", with_groups("<referenceableParamGroup/>" * 5000)),
    "an attribute of a megabyte": ("imzml", SMALL.edit("LTQ Orbitrap", "x" * 2**20).imzml.encode()),
    "a comment without end": ("imzml", SMALL.edit("<run>", "<run><!--" + "-" * 2**23).imzml.encode()),
    "text between tags": ("imzml", SMALL.edit("<run>", "<run>" + "&amp;" * 2**20).imzml.encode()),
    "parentheses": ("formulas", b"(" * 1250 + b"C" + b")" * 1249 + b"\n+H"),
    "signs": ("formulas", b"C\n" + b"+H-H" * 600),
    "a number": ("formulas", b"C" + b"9" * 2400 + b"\n+H"),
    "dots": ("keys", b"datasets/" + b"." * 900 + b".imzML"),
    "nested lists": ("events", b'{"Records": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "unknown fields": ("events", json.dumps({f"field {i}": i for i in range(20_000)}).encode()),
}


@pytest.mark.parametrize("name", INPUTS)
def test_no_input_takes_for_ever(name: str) -> None:
    target, data = INPUTS[name]
    with processor_time(SECONDS):
        load(target).check(data)
