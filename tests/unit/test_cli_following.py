"""A job seen from outside: what its documents and map runs come to."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ionfleet.status import JobStatus
from ionfleet.telemetry import Invocation, telemetry_key
from ionfleet_cli import following
from ionfleet_cli.display import LineDisplay
from ionfleet_cli.failures import CommandError
from ionfleet_cli.following import Following, cost_so_far
from ionfleet_cli.terminal import output

from .test_cli_job import MemoryBucket

JOB = "job-" + "1" * 20
RESULTS = f"results/ds-1/{JOB}/status.json"
MAP_RUN = f"arn:aws:states:r:1:mapRun:Ionfleet/Annotate:{JOB}"


class Bucket(MemoryBucket):
    """One that can be listed."""

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.objects if key.startswith(prefix)]


class Machine:
    """Step Functions with one map run, or without any execution."""

    def __init__(self, counts: dict[str, int] | None) -> None:
        self._counts = counts

    def list_map_runs(self, executionArn: str) -> dict[str, Any]:
        assert executionArn.endswith(JOB)
        if self._counts is None:
            raise ClientError({"Error": {"Code": "ExecutionDoesNotExist", "Message": ""}}, "ListMapRuns")
        return {"mapRuns": [{"mapRunArn": MAP_RUN}]}

    def describe_map_run(self, mapRunArn: str) -> dict[str, Any]:
        assert mapRunArn == MAP_RUN
        return {"itemCounts": self._counts}


def follower(counts: dict[str, int] | None = None, **work: bytes) -> Following:
    deployment = SimpleNamespace(
        buckets=SimpleNamespace(work=Bucket(), results=Bucket()),
        client=lambda _: Machine(counts),
        execution=lambda name: f"arn:{name}",
    )
    deployment.buckets.work.objects |= {name.replace("__", "/"): data for name, data in work.items()}
    made = Following(deployment, LineDisplay(output()))
    made.deployment = deployment
    return made


def status(stage: str, state: str = "RUNNING", **fields: Any) -> JobStatus:
    return JobStatus(
        state=state, job=JOB, dataset="ds-1", name="brain", attempt=1, execution=JOB, results=f"results/ds-1/{JOB}/",
        claimed_at="2026-05-04T12:00:00Z", stage=stage, **fields,
    )  # fmt: skip


def states(followed: Following) -> dict[str, str]:
    return {name: stage.state for name, stage in followed.progress.stages.items()}


def test_stages_that_nobody_saw_are_over_once_a_later_one_is_entered() -> None:
    counts = {"succeeded": 3, "failed": 1, "aborted": 0, "total": 9}
    followed = follower(counts)
    work = followed.deployment.buckets.work.objects
    work[f"manifests/{JOB}/partition.json"] = json.dumps({"ions": 10, "peaks": 20, "tasks": 9}).encode()
    followed.tell(status("plan"))
    assert states(followed)["plan"] == "running"
    followed.tell(status("annotate"))
    assert states(followed) == {
        "plan": "running", "sort": "done", "isotopes": "done", "partition": "done", "annotate": "running",
        "merge": "waiting", "render": "waiting", "publish": "waiting",
    }  # fmt: skip
    annotate = followed.progress.stages["annotate"]
    assert (annotate.done, annotate.total, annotate.failed) == (4, 9, 1)


def test_a_failure_is_told_with_its_place_and_its_logs() -> None:
    followed = follower()
    failed = status(
        "sort", "FAILED", error="TransientError", message="It broke.", task=3, links={"sort log": "https://x"}
    )
    followed.deployment.buckets.results.objects[RESULTS] = failed.model_dump_json().encode()
    with pytest.raises(CommandError) as caught:
        followed.to_end("ds-1", JOB)
    assert str(caught.value) == "TransientError (stage sort, task 3): It broke.\nsort log: https://x"
    assert states(followed)["sort"] == "failed"


def test_what_a_job_cost_is_told_with_what_was_expected(capsys: pytest.CaptureFixture[str]) -> None:
    followed = follower()
    ended = status("publish", "SUCCEEDED", cost_usd=0.5, estimated_usd=0.75)
    work = followed.deployment.buckets.work.objects
    work[f"manifests/{JOB}/partition.json"] = json.dumps({"ions": 10, "peaks": 20, "tasks": 0}).encode()
    facts = {"annotations": {"db": {"10": 0}}, "images": 0, "render_tasks": 0}
    work[f"jobs/{JOB}/tables/facts.json"] = json.dumps(facts).encode()
    followed.deployment.buckets.results.objects[RESULTS] = ended.model_dump_json().encode()
    assert followed.to_end("ds-1", JOB) == ended
    assert states(followed)["render"] == "passed by"
    assert "It cost $0.50 ($0.75 was expected)" in capsys.readouterr().out


def test_the_cost_so_far_is_that_of_the_invocations_which_have_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Bucket()
    assert cost_so_far(work, JOB) == 0, "nothing is known before there is a plan"
    plan = SimpleNamespace(estimate=SimpleNamespace(retention_days=30))
    monkeypatch.setattr(Bucket, "read", lambda *_: plan)
    costs = []
    for task in range(3):
        sort = Invocation("sort", task, 1000, 1769, 100, 10, 10, 1, 1, cold=False, request_id=f"r{task}")
        work.objects[telemetry_key(JOB, sort)] = b""
        costs.append(cost_so_far(work, JOB))
    assert 0 < costs[0] < costs[1] < costs[2]


def test_an_execution_that_has_not_begun_is_no_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    followed = follower(None)
    followed.progress.begin("sort")
    followed.progress.count("sort", 0, 4)
    monkeypatch.setattr(following, "cost_so_far", lambda *_: 0.0)
    followed.tell(status("sort"))
    assert (followed.progress.stages["sort"].done, followed.progress.stages["sort"].total) == (0, 4)
