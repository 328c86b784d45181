"""The configuration of a job: bytes in, every question answered, or every problem named."""

from __future__ import annotations

import json
import math
from typing import cast

from ionfleet.configuration import JobConfiguration, ResolvedConfiguration, resolve
from ionfleet.errors import InvalidConfigurationError
from ionfleet.index import Polarity
from ionfleet.ions import modifier_table

from ..invariants import assert_named

WORDS = (
    *(f'"{name}": '.encode() for name in JobConfiguration.model_fields),
    b'"sort_task_peaks": ', b'"positive"', b'"negative"', b'"orbitrap"', b'"+H"', b'"[M]+"', b'"-H2O"', b'"v1"',
    b'"metaspace"', b"null", b"true", b"{", b"}", b"[", b"]", b", ", b"1e400", b"NaN", b"-0.0", b"1e-320", b"5e-324",
    b"9007199254740993", b"99999999999999999999", b'"\\ud800"', b'"\\u0000"', b'"\\u202e"', b"\xef\xbb\xbf", b"\xff",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return configurations that use every field."""
    everything = {
        "name": "brain", "polarity": "Positive", "analyzer": "tof", "resolving_power": 70000, "ppm": 5,
        "resolving_power_mz": 400.5, "databases": ["ionfleet-core", "mine"], "adducts": ["+H", "+Na"],
        "neutral_losses": ["-H2O"], "chemical_modifications": ["-H2O+C2H4O2"], "decoy_sample_size": 10,
        "fdr_method": "v1", "molecule_classes": ["sugar"], "isotope_peaks": 3, "min_pixels": 2, "isotope_sigma": 0.001,
        "compatibility": "metaspace", "planning": {"sort_task_peaks": 1000}, "skip_invalid": True, "strict": False,
        "metadata": {"sample": {"organ": "brain", "weights": [1, 2.5, None]}},
    }  # fmt: skip
    return {
        "nothing": b"{}",
        "everything": json.dumps(everything).encode(),
        "negative": b'{"polarity": "negative", "adducts": ["-H", "[M]-"]}',
        "unknown-field": b'{"polarty": "positive", "planning": {"peaks": 1}}',
        "wrong-types": b'{"ppm": "3", "adducts": "+H", "planning": [], "metadata": 1, "transform": [[1, 2]]}',
        "repeated-field": b'{"ppm": 3, "ppm": 4}',
    }


def check(data: bytes) -> None:
    """Read a configuration and work out what it comes to for both polarities."""
    try:
        configuration = JobConfiguration.from_json(data, "job.json")
    except InvalidConfigurationError as error:
        assert_named(error)
        return
    dumped = configuration.model_dump_json(exclude_unset=True).encode()
    assert JobConfiguration.from_json(dumped, "again") == configuration
    assert configuration.override(ppm=None) == configuration
    for polarity in (None, "positive", "negative"):
        try:
            resolved = resolve(configuration, cast("Polarity | None", polarity), None, "LTQ Orbitrap", None)
        except InvalidConfigurationError as error:
            assert_named(error)
        else:
            _check_resolved(resolved)


def _check_resolved(resolved: ResolvedConfiguration) -> None:
    again = ResolvedConfiguration.from_json(resolved.to_json())
    assert again == resolved
    assert again.identity() == resolved.identity()
    assert resolved.charge == (1 if resolved.polarity == "positive" else -1)
    assert 0 < resolved.isotope_sigma <= 1
    assert 0 < resolved.ppm <= 100
    assert math.isfinite(resolved.resolving_power)
    assert resolved.resolving_power > 0
    assert len(resolved.adducts) == len(set(resolved.adducts)) > 0
    assert modifier_table(resolved.ions).targets
