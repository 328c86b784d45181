"""What each function is and may do, as data: one entry a function, read by the constructs and by nobody else.

Patterns of keys are those of docs/architecture.md, Objects.
"""

from __future__ import annotations

from dataclasses import dataclass

ENGINE = "engine"
ADAPTERS = "adapters"
NUMERICS = "numerics"
MASSSPEC = "massspec"
SERVICE = "service"

CONTROL_LAYERS = (SERVICE, ENGINE, ADAPTERS)
FLEET_LAYERS = (NUMERICS, MASSSPEC, *CONTROL_LAYERS)

ONE_CPU_MB = 1769
"""The memory with which Lambda gives a function one whole processor."""

LARGER_MB = (2 * ONE_CPU_MB, 4 * ONE_CPU_MB)
"""Further sizes of the functions whose tasks grow with the dataset."""


@dataclass(frozen=True)
class Access:
    """What a function may do in one bucket: patterns of keys it may read, create, or only list.

    What may be read may be listed too: without that, S3 answers 403 instead of 404 for a missing key. With `versions`,
    objects are read in the version that was planned, and in no other way.
    """

    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    list: tuple[str, ...] = ()
    versions: bool = False

    @property
    def listed(self) -> tuple[str, ...]:
        """Every pattern that may be listed, each cut at its first wildcard."""
        patterns = (*self.read, *self.list)
        return tuple(sorted({pattern.partition("*")[0] + "*" for pattern in patterns}))


NOTHING = Access()


@dataclass(frozen=True)
class Specification:
    """One function: its size, its layers, and its access to the buckets.

    With `larger_mb`, ascending, it exists in these sizes as well: the same code with the same role and log.
    """

    name: str
    memory_mb: int
    timeout_seconds: int
    layers: tuple[str, ...]
    larger_mb: tuple[int, ...] = ()
    input: Access = NOTHING
    work: Access = NOTHING
    results: Access = NOTHING


PLANNER = Specification(
    "planner",
    memory_mb=3008,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    input=Access(read=("datasets/*", "databases/*", "models/*")),
    work=Access(
        read=(
            "databases/*",
            "models/*",
            "datasets/*/index.parquet",
            "claims/*",
            "manifests/*",
            "ended/*",
        ),
        write=(
            "databases/*",
            "models/*",
            "datasets/*/index.parquet",
            "claims/*",
            "manifests/*",
            "failures/messages/*",
            "telemetry/*",
        ),
        list=("isotopes/*",),
    ),
    results=Access(
        read=("inputs/*", "results/*/status.json"),
        write=("inputs/*", "results/*/status.json"),
    ),
)
LAUNCHER = Specification(
    "launcher",
    memory_mb=256,
    timeout_seconds=60,
    layers=CONTROL_LAYERS,
    work=Access(read=("manifests/*", "ended/*"), write=("failures/messages/*", "telemetry/*")),
)
SORT = Specification(
    "sort",
    memory_mb=ONE_CPU_MB,
    larger_mb=LARGER_MB,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    input=Access(read=("datasets/*",), versions=True),
    work=Access(read=("manifests/*", "datasets/*"), write=("datasets/*/indexes/*", "runs/*", "telemetry/*")),
)
ISOTOPES = Specification(
    "isotopes",
    memory_mb=ONE_CPU_MB,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    work=Access(read=("manifests/*", "databases/*", "isotopes/*"), write=("isotopes/*", "telemetry/*")),
)
PARTITION = Specification(
    "partition",
    memory_mb=3008,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    work=Access(
        read=("manifests/*", "datasets/*", "isotopes/*"),
        write=("manifests/*", "jobs/*/segments/*", "telemetry/*"),
    ),
)
ANNOTATE = Specification(
    "annotate",
    memory_mb=ONE_CPU_MB,
    larger_mb=LARGER_MB,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    work=Access(
        read=("manifests/*", "datasets/*", "runs/*", "jobs/*"),
        write=("jobs/*/segments/*", "telemetry/*"),
    ),
)
MERGE = Specification(
    "merge",
    memory_mb=3008,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    work=Access(
        read=("manifests/*", "jobs/*", "databases/*", "models/*", "datasets/*"),
        write=("manifests/*", "jobs/*/tables/*", "telemetry/*"),
    ),
)
RENDER = Specification(
    "render",
    memory_mb=ONE_CPU_MB,
    timeout_seconds=900,
    layers=FLEET_LAYERS,
    work=Access(read=("manifests/*", "jobs/*", "datasets/*"), write=("telemetry/*",)),
    results=Access(write=("results/*/ion_images/*", "results/*/report/images/*")),
)
STATUS = Specification(
    "status",
    memory_mb=512,
    timeout_seconds=120,
    layers=CONTROL_LAYERS,
    work=Access(
        read=("manifests/*", "jobs/*", "failures/*", "ended/*"),
        write=("ended/*", "dead-letters/*"),
        list=("telemetry/*",),
    ),
    results=Access(read=("results/*", "inputs/*"), write=("results/*", "inputs/*")),
)

FUNCTIONS = (PLANNER, LAUNCHER, SORT, ISOTOPES, PARTITION, ANNOTATE, MERGE, RENDER, STATUS)
