"""What has to hold after a run, whatever went wrong in it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ionfleet_replay import Cloud, DeadLetter, EventLost, ExecutionEnded, FaultInjected, Observation
from ionfleet_replay import assembly as assemblies
from ionfleet_replay.faults import Kind

TABLES = (
    "metrics.parquet",
    "annotations.parquet",
    "annotations.csv",
    "colocalization.parquet",
    "diagnostics.parquet",
    "report/annotations.js",
    "report/dataset.js",
    "report/colocalization.js",
)
IMAGES = ("/ion_images/", "/report/images/")
"""Where images are, which are written before the job ends; nothing shows them before it has, and another attempt at the
job finds them there."""
KEPT = ("databases/",)
"""Prefixes of the work bucket that are meant to stay."""

S3_FAULTS = frozenset(
    {
        Kind.SLOW_DOWN,
        Kind.INTERNAL_ERROR,
        Kind.CONFLICT,
        Kind.CONNECTION_DROPPED,
        Kind.DOWNLOAD_BROKEN,
        Kind.WRITE_UNANSWERED,
    }
)
CALL_FAULTS = frozenset({Kind.CALL_FAILED, Kind.CALL_THROTTLED, Kind.CALL_UNANSWERED})
REASONS: Mapping[str, frozenset[Kind]] = {
    "Runtime.ExitError": frozenset({Kind.WORKER_KILLED}),
    "TransientError": S3_FAULTS,
    "ThrottledError": S3_FAULTS,
    "Lambda.TooManyRequestsException": frozenset({Kind.CALL_THROTTLED}),
    "Lambda.ServiceException": frozenset({Kind.CALL_FAILED}),
    "Lambda.SdkClientException": frozenset({Kind.CALL_UNANSWERED}),
    "States.ItemReaderFailed": S3_FAULTS,
    "PlannerFailed": S3_FAULTS | CALL_FAULTS | {Kind.WORKER_KILLED, Kind.MESSAGE_KEPT},
    "NotLaunched": S3_FAULTS | CALL_FAULTS | {Kind.WORKER_KILLED, Kind.MESSAGE_KEPT, Kind.THROTTLED},
}
"""Which faults can be the true reason behind an error that a status document names."""


@dataclass(frozen=True)
class Evidence:
    """What a cloud was left with: results by key, keys in the work bucket, bodies of dead letters, queues by depth.

    `seen` is what was observed meanwhile, `lifecycles` are the template's rules by bucket.
    """

    results: Mapping[str, bytes]
    work: Sequence[str]
    letters: Sequence[str]
    executions: Sequence[str]
    uploads_in_parts: Sequence[tuple[str, str]]
    lifecycles: Mapping[str, Sequence[Mapping[str, Any]]]
    depths: Mapping[str, int]
    seen: Sequence[Observation]

    def documents(self, prefix: str) -> dict[str, Any]:
        """Return the status documents below a prefix of the results bucket."""
        return {
            key: json.loads(data)
            for key, data in self.results.items()
            if key.startswith(prefix) and key.endswith("/status.json")
        }

    def tables(self) -> dict[str, bytes]:
        """Return the published tables and images by key, the CSV without its first line, which tells the time."""
        return {
            key: data.partition(b"\n")[2] if key.endswith(".csv") else data
            for key, data in self.results.items()
            if key.endswith(TABLES) or any(place in key for place in IMAGES)
        }

    def injected(self) -> Counter[str]:
        """Count the faults by kind."""
        return Counter(observation.kind for observation in self.seen if isinstance(observation, FaultInjected))

    def outcome(self) -> str:
        """Return how the dataset ended, and why where it failed."""
        ends = [*self.documents("results/").values(), *self.documents("inputs/datasets/").values()]
        ends += self.documents("inputs/databases/").values()
        if not ends:
            return "nothing"
        return " ".join(filter(None, (ends[0]["state"], ends[0].get("error"))))


def collect(cloud: Cloud, assembly: Path, seen: Sequence[Observation]) -> Evidence:
    """Read everything that a cloud of an assembly was left with."""
    s3, names = cloud.client("s3"), [f"{which}Bucket" for which in ("Input", "Work", "Results")]
    buckets = {name: cloud.outputs[name] for name in names}
    work = [*_keys(s3, buckets["WorkBucket"])]
    kept = [key for key in work if key.startswith("dead-letters/")]
    documents = [key for key in _keys(s3, buckets["ResultsBucket"]) if not key.endswith(".png")]
    return Evidence(
        results={key: _read(s3, buckets["ResultsBucket"], key) for key in documents},
        work=work,
        letters=[_read(s3, buckets["WorkBucket"], key).decode() for key in kept],
        executions=_executions(cloud),
        uploads_in_parts=[
            (name, upload["Key"])
            for name, bucket in buckets.items()
            for upload in s3.list_multipart_uploads(Bucket=bucket).get("Uploads", ())
        ],
        lifecycles=_lifecycles(assemblies.load(assembly).template, names),
        depths=_depths(cloud),
        seen=list(seen),
    )


def findings(evidence: Evidence, expected: Mapping[str, bytes]) -> list[str]:
    """Return what does not hold; `expected` are the tables of a run in which nothing went wrong."""
    return [
        *_ends(evidence),
        *_reasons(evidence),
        *_results(evidence, expected),
        *_once(evidence),
        *_orphans(evidence),
        *_messages(evidence),
    ]


def _ends(evidence: Evidence) -> Iterator[str]:
    """Everything that was uploaded has ended, and says how."""
    jobs = evidence.documents("results/")
    datasets = evidence.documents("inputs/datasets/")
    databases = evidence.documents("inputs/databases/")
    if not databases:
        yield "no document tells of the database"
    if not datasets and any(document["state"] == "imported" for document in databases.values()):
        yield "no document tells of the dataset"
    for key, document in (jobs | datasets).items():
        if document["state"] not in ("SUCCEEDED", "FAILED", "planned", "rejected", "failed"):
            yield f"{key} still says {document['state']}"
    planned = {document["job"] for document in datasets.values() if document["state"] == "planned"}
    if planned != {document["job"] for document in jobs.values()}:
        yield f"planned {sorted(planned)}, but the jobs' documents are {sorted(jobs)}"


def _reasons(evidence: Evidence) -> Iterator[str]:
    """What failed says why, and that is among what went wrong."""
    injected = set(evidence.injected())
    for key, document in evidence.documents("").items():
        if document["state"] in ("SUCCEEDED", "planned", "imported"):
            continue
        if _follows_from_database(evidence, document):
            continue
        causes = REASONS.get(document.get("error", ""))
        if causes is None:
            yield f"{key} names no fault: {document.get('error')}: {document.get('message')}"
        elif not causes & injected:
            yield f"{key} says {document['error']}, which no injected fault explains: {document.get('message')}"


def _follows_from_database(evidence: Evidence, document: Mapping[str, Any]) -> bool:
    """Tell whether a dataset was rejected for a database that had failed before it."""
    failed = any(each["state"] == "failed" for each in evidence.documents("inputs/databases/").values())
    return failed and document["state"] == "rejected" and "was not imported" in document["message"]


def _results(evidence: Evidence, expected: Mapping[str, bytes]) -> Iterator[str]:
    """The tables are those of the undisturbed run, all of them, where the job succeeded; else there are none."""
    tables = evidence.tables()
    succeeded = any(document["state"] == "SUCCEEDED" for document in evidence.documents("results/").values())
    published = [key for key in sorted(tables) if key.endswith(TABLES)]
    if not succeeded and published:
        yield f"the job did not succeed, but published {published}"
    if succeeded and tables.keys() != expected.keys():
        yield f"published {sorted(tables)} instead of {sorted(expected)}"
    for key in tables.keys() & expected.keys():
        if tables[key] != expected[key]:
            yield f"{key} differs from the undisturbed run's"


def _once(evidence: Evidence) -> Iterator[str]:
    """One upload made one attempt, and its execution ran once."""
    ended = [observation.execution for observation in evidence.seen if isinstance(observation, ExecutionEnded)]
    planned = [key.split("/")[1] for key in evidence.work if key.endswith("/plan.json")]
    if len(planned) > 1:
        yield f"one upload led to {len(planned)} attempts: {planned}"
    if sorted(ended) != sorted(evidence.executions):
        yield f"executions {evidence.executions} ended as {ended}"
    unlaunched = set(planned) - set(evidence.executions)
    told = {document["execution"] for document in evidence.documents("results/").values()}
    if len(set(ended)) != len(ended) or not set(evidence.executions) <= set(planned) or not unlaunched <= told:
        yield f"planned {planned}, executed {ended}"


def _orphans(evidence: Evidence) -> Iterator[str]:
    """Whatever is left behind, a lifecycle rule removes."""
    rules = evidence.lifecycles["WorkBucket"]
    expiring = tuple(rule["Prefix"] for rule in rules if "ExpirationInDays" in rule)
    for key in evidence.work:
        if not key.startswith((*expiring, *KEPT)):
            yield f"{key} in the work bucket never expires"
    for bucket, key in evidence.uploads_in_parts:
        aborting = [rule for rule in evidence.lifecycles[bucket] if "AbortIncompleteMultipartUpload" in rule]
        if not any(key.startswith(rule.get("Prefix", "")) for rule in aborting):
            yield f"an upload of {key} in {bucket} is never aborted"


def _messages(evidence: Evidence) -> Iterator[str]:
    """Nothing is left in a queue; what nobody could handle was kept, and a document tells of what it was about."""
    yield from (f"{depth} messages are left in {queue}" for queue, depth in evidence.depths.items() if depth)
    yield from (f"lost: {seen}" for seen in evidence.seen if isinstance(seen, EventLost))
    letters = [seen.body for seen in evidence.seen if isinstance(seen, DeadLetter)]
    if missing := set(letters) - set(evidence.letters):
        yield f"{len(missing)} of {len(letters)} dead letters were not kept"
    told = evidence.documents("")
    for letter in letters:
        about = _about(json.loads(letter))
        if not any(about in key or about == document.get("execution") for key, document in told.items()):
            yield f"no document tells of the dead letter about {about}"


def _about(letter: Mapping[str, Any]) -> str:
    """Return what a letter is about, as its document names it: an execution, or an input without its extension."""
    if "detail" not in letter:  # the state machine's news of a stage
        return str(letter["execution"])
    detail = letter["detail"]
    if "object" not in detail:
        return str(detail["name"])
    key = str(detail["object"]["key"])
    return key.split("/")[1] if key.startswith("manifests/") else f"inputs/{key.split('.')[0]}/"


def _keys(s3: Any, bucket: str) -> Iterator[str]:
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (entry["Key"] for entry in page.get("Contents", ()))


def _read(s3: Any, bucket: str, key: str) -> bytes:
    return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())


def _lifecycles(template: Mapping[str, Any], names: Sequence[str]) -> dict[str, Sequence[Mapping[str, Any]]]:
    """Return the lifecycle rules of the buckets that a template's outputs name."""
    resources = (template["Resources"][template["Outputs"][name]["Value"]["Ref"]] for name in names)
    rules = (resource["Properties"]["LifecycleConfiguration"]["Rules"] for resource in resources)
    return dict(zip(names, rules, strict=True))


def _executions(cloud: Cloud) -> list[str]:
    pages = cloud.client("stepfunctions").get_paginator("list_executions")
    found = pages.paginate(stateMachineArn=cloud.outputs["StateMachineArn"])
    return [execution["name"] for page in found for execution in page["executions"]]


def _depths(cloud: Cloud) -> dict[str, int]:
    sqs = cloud.client("sqs")
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    depths = {}
    for url in sqs.list_queues().get("QueueUrls", ()):
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        depths[url.rpartition("/")[2]] = sum(int(attributes[name]) for name in names)
    return depths
