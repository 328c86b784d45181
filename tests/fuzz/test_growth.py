"""Inputs as large as they may be, made so that anything which looks at each part once for each other part never ends.

The limit is on processor time, far above the second or two that these take, so that a busy machine fails no test.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ionfleet.configuration import MAX_BYTES as MAX_CONFIGURATION
from ionfleet.configuration import MAX_MODIFIERS
from ionfleet.databases import MAX_COLUMNS, REQUIRED

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


def configuration(**fields: object) -> bytes:
    """Return a configuration that is no larger than one may be."""
    data = json.dumps(fields).encode()
    assert len(data) <= MAX_CONFIGURATION
    return data


MODIFIERS = [f"+C{count}" for count in range(1, 20_000)]
REPEATED_FIELD = b"{" + b'"ppm":3,' * 32_000 + b'"ppm":3}'


def table(columns: list[str], rows: int) -> bytes:
    """Return a database with these columns behind those that it needs, its rows as short as they may be."""
    head = "\t".join([*REQUIRED, *columns])
    row = "a\tb\tC" + "\t" * len(columns) + "\n"
    return f"{head}\n{row * rows}".encode()


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
    "thousands of adducts": ("configuration", configuration(adducts=MODIFIERS)),
    "an adduct thousands of times": ("configuration", configuration(adducts=["+H"] * 40_000)),
    "a database thousands of times": ("configuration", configuration(databases=["d"] * 50_000)),
    "modifiers of each kind": (
        "configuration",
        configuration(
            adducts=MODIFIERS[:MAX_MODIFIERS],
            neutral_losses=MODIFIERS[:MAX_MODIFIERS],
            chemical_modifications=MODIFIERS[:MAX_MODIFIERS],
        ),
    ),
    "fields that there are not": ("configuration", configuration(**{f"field {i}": i for i in range(10_000)})),
    "one field again and again": ("configuration", REPEATED_FIELD),
    "a field with a long name": ("configuration", configuration(**{"p" * 250_000: 3})),
    "a modifier without end": ("configuration", configuration(adducts=["+C" * 120_000])),
    "ten thousand columns": ("database", table([f"c{i}" for i in range(10_000)], 1)),
    "a thousand columns": ("database", table([f"c{i}" for i in range(MAX_COLUMNS - len(REQUIRED))], 100)),
    "a column thousands of times": ("database", table(["c"] * 10_000, 1)),
    "rows of nothing": ("database", b"sf\n" + b"\n" * 2**21),
    "rows that are refused": ("database", table([], 1) + b"a\tb\tQq\n" * 20_000),
    "a quote that is not closed": ("database", table([], 1) + b'a\t"' + b"b\tC\n" * 2**20),
    "nested lists": ("events", b'{"Records": ' + b"[" * 900 + b"]" * 900 + b"}"),
    "unknown fields": ("events", json.dumps({f"field {i}": i for i in range(20_000)}).encode()),
}


@pytest.mark.parametrize("name", INPUTS)
def test_no_input_takes_for_ever(name: str) -> None:
    target, data = INPUTS[name]
    with processor_time(SECONDS):
        load(target).check(data)
