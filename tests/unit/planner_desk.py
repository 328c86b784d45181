"""The planner with a small cloud around it, and what it says there."""

from __future__ import annotations

import json
from typing import Any

from ionfleet.plan import Plan, Stores, read_plan
from ionfleet.stages.planner import Outcome, take_up

from .memory_cloud import CONFIGURATION, DATABASE, DEPLOYMENT, after, empty_cloud

BRAIN = "datasets/lab/brain"


def deliver(stores: Stores, key: str, message: str = "m1", minutes: float = 0) -> Outcome:
    (outcome,) = take_up(stores, key, message, after(minutes), DEPLOYMENT)
    return outcome


def document(stores: Stores, key: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(stores.results.get(key))
    return parsed


def status_of(stores: Stores, name: str = BRAIN) -> dict[str, Any]:
    return document(stores, f"inputs/{name}/status.json")


def plans(stores: Stores) -> list[Plan]:
    keys = [info.key for info in stores.work.list("manifests/") if info.key.endswith("/plan.json")]
    return [read_plan(stores.work, key) for key in keys]


def stocked() -> Stores:
    """Return a cloud with a small database imported, and a shared configuration that names it."""
    stores = empty_cloud()
    stores.input.replace("databases/small.tsv", DATABASE)
    assert deliver(stores, "databases/small.tsv", "db").state == "imported"
    stores.input.replace("datasets/lab/job.json", CONFIGURATION)
    return stores
