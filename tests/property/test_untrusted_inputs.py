"""Whatever comes close to an input is understood or refused by name; what is close is made of the fuzzers' seeds."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ionfleet.configuration import JobConfiguration, Planning

from ..fuzz.registry import NAMES, load

numbers = st.one_of(st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
texts = st.one_of(st.sampled_from(["positive", "tof", "v1", "+H", "-H2O", "[M]+", "db", ""]), st.text(max_size=20))
values = st.recursive(
    st.one_of(st.none(), st.booleans(), numbers, texts),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)
planning = st.dictionaries(st.sampled_from(sorted(Planning.model_fields)), values, max_size=3)
configurations = st.dictionaries(st.sampled_from(sorted(JobConfiguration.model_fields)), values, max_size=8)


@st.composite
def near(draw: st.DrawFn, name: str) -> bytes:
    """Draw one of a target's seeds with some pieces replaced, put in, left out or doubled."""
    target = load(name)
    data = draw(st.sampled_from(sorted(target.seeds().values())))
    for _ in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        stop = min(len(data), start + draw(st.integers(0, 12)))
        doubled = st.just(data[start:stop] * 2)
        piece = draw(st.one_of(st.sampled_from(target.WORDS), st.binary(max_size=8), doubled))
        data = data[:start] + piece + data[stop:]
    return data


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(data=st.data())
def test_what_is_close_to_an_input_is_understood_or_refused_by_name(name: str, data: st.DataObject) -> None:
    load(name).check(data.draw(near(name)))


@pytest.mark.parametrize("name", NAMES)
@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_understood_or_refused_by_name(name: str, data: bytes) -> None:
    load(name).check(data)


@settings(deadline=None)
@given(configurations, planning)
def test_any_values_are_a_configuration_or_refused_by_name(fields: dict[str, Any], cuts: dict[str, Any]) -> None:
    load("configuration").check(json.dumps(fields | ({"planning": cuts} if cuts else {})).encode())
