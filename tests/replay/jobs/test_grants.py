"""The grants of the real template: enough for jobs that succeed, fail and are repeated, and each of them needed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ionfleet_replay import AccessDecided, Cloud, ReplayError
from ionfleet_replay.iam import Access, Policies, Statement
from ionfleet_simulate.dataset import SimulatedDataset

from .conftest import Laboratory

ELSEWHERE = ("logs", "xray")
"""Services that the local cloud has not: nothing here calls them."""

UNUSED = frozenset[str]()


@dataclass(frozen=True)
class Record:
    """What some jobs asked for, and the policies that let them."""

    accesses: list[Access]
    denials: list[AccessDecided]
    policies: Policies


@pytest.fixture(scope="module")
def record(
    assembly: Path, tmp_path_factory: pytest.TempPathFactory, dataset: SimulatedDataset, database: bytes
) -> Iterator[Record]:
    """One job that succeeds, its events once more, and one job that fails."""
    seen: list[Any] = []
    with Cloud(assembly, tmp_path_factory.mktemp("grants"), observer=seen.append) as cloud:
        laboratory = Laboratory(cloud)
        laboratory.annotate(dataset, database)
        assert laboratory.job_status()["state"] == "SUCCEEDED"
        laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"])
        repeat_manifest(laboratory)
        fail_a_job(laboratory, dataset)
        decided = [each for each in seen if isinstance(each, AccessDecided)]
        accesses = [Access(each.principal, each.action, each.resource, each.context) for each in decided]
        yield Record(accesses, cloud.denials(), cloud.policies)


def repeat_manifest(laboratory: Laboratory) -> None:
    ((key, plan),) = laboratory.objects("WorkBucket", "plan.json").items()
    laboratory.cloud.client("s3").put_object(Bucket=laboratory.cloud.outputs["WorkBucket"], Key=key, Body=plan)
    laboratory.wait()


def fail_a_job(laboratory: Laboratory, dataset: SimulatedDataset) -> None:
    (run,) = laboratory.objects("WorkBucket", ".run")
    laboratory.cloud.client("s3").put_object(Bucket=laboratory.cloud.outputs["WorkBucket"], Key=run, Body=b"spoilt")
    laboratory.upload_dataset(dataset, polarity="positive", databases=["lipids"], ppm=7)
    laboratory.wait()


def label(statement: Statement) -> str:
    """Name a statement by its policy, actions and resources, without what differs between clouds."""
    resources = sorted({re.sub(r"-[0-9a-f]{12}", "", each.split(":", 5)[-1]) for each in statement.resources})
    return f"{statement.where.partition('.')[0]}: {', '.join(statement.actions)} on {', '.join(resources)}"


def test_jobs_are_denied_nothing(record: Record) -> None:
    assert record.denials == []


def test_without_any_one_grant_something_that_a_job_asks_for_is_denied(record: Record) -> None:
    local = [
        grant
        for grant in record.policies.grants()
        if not all(action.partition(":")[0] in ELSEWHERE for action in grant.actions)
    ]
    unused = {
        label(grant)
        for grant in local
        if not any(record.policies.without(grant).denial(access) for access in record.accesses)
    }
    assert len(local) > 50
    print("\n".join(sorted(unused)))
    assert unused == UNUSED
