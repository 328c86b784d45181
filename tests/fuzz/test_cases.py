"""Every input that once was a crash, and every seed, is understood or refused by name."""

from __future__ import annotations

import pytest

from .registry import CASES, NAMES, cases, load

SEEDS = [pytest.param(name, data, id=f"{name}-{seed}") for name in NAMES for seed, data in load(name).seeds().items()]
KEPT = [pytest.param(name, data, id=f"{name}-{case}") for name in NAMES for case, data in cases(name).items()]


@pytest.mark.parametrize(("name", "data"), KEPT)
def test_what_once_was_a_crash_is_none_any_more(name: str, data: bytes) -> None:
    load(name).check(data)


@pytest.mark.parametrize(("name", "data"), SEEDS)
def test_seeds_pass(name: str, data: bytes) -> None:
    load(name).check(data)


@pytest.mark.parametrize("name", NAMES)
def test_bytes_of_nothing_pass(name: str) -> None:
    for data in (b"", b"\0", b"\n", b"\xff" * 100, bytes(range(256))):
        load(name).check(data)


def test_every_case_belongs_to_a_target() -> None:
    assert {folder.name for folder in CASES.iterdir()} <= set(NAMES)
