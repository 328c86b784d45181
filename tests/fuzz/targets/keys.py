"""Keys of the input bucket, and names in the other buckets that are read back."""

from __future__ import annotations

from datetime import UTC, datetime

from ionfleet.errors import InvalidInputError
from ionfleet.stages.planner import take_up
from ionfleet.telemetry import parse_key, telemetry_key
from ionfleet.uploads import DatabaseFile, refused_status_key, understand

from ...unit.memory_cloud import empty_cloud
from ..invariants import assert_fit_to_show, assert_named

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
WORDS = (
    b"datasets/", b"databases/", b".imzML", b".ibd", b".IBD", b".job.json", b"job.json", b".tsv", b".csv", b".gz",
    b"../", b"./", b"//", b"%2e%2e", b"\\", b"\n", b"\x1b[31m", b"\xe2\x80\xae", b"\xc2\x9b", b"\xed\xa0\x80",
    b"telemetry/", b"_cold_", b"status.json", b"\xe2\x80\xa8", b"inputs/",
)  # fmt: skip


def seeds() -> dict[str, bytes]:
    """Return keys of all that the bucket understands, and of some things that it does not."""
    keys = {
        "imzml": "datasets/lab/section 1.imzML",
        "ibd": "datasets/section.IBD",
        "configuration": "datasets/lab/section.job.json",
        "folder-configuration": "datasets/lab/job.json",
        "database": "databases/mine.tsv.gz",
        "elsewhere": "section.imzML",
        "traversal": "datasets/../x.imzML",
        "folder": "datasets/lab/",
        "telemetry": "telemetry/job-1/sort/t0_ms12_mb128_rss90_in1_out2_rq3_cold_a-b",
    }
    return {name: key.encode() for name, key in keys.items()}


def check(data: bytes) -> None:
    """Take bytes for a key; S3 allows no more than 1,024 of them."""
    key = data[:1024].decode("utf-8", "surrogatepass") if _is_text(data[:1024]) else data[:1024].decode("latin-1")
    _check_status_key(key)
    stores = empty_cloud()
    stores.input.replace(key, b"")
    for outcome in take_up(stores, key, "message", NOON, 1769):
        assert outcome.state in {"ignored", "waiting", "rejected"}
        if outcome.message is not None:
            assert_fit_to_show(outcome.message)
    for written in (*stores.results.objects, *stores.work.objects):
        _check_written(written)
    invocation = parse_key(key)
    if invocation is not None:
        assert parse_key(telemetry_key(key.split("/")[1], invocation)) == invocation


def _check_status_key(key: str) -> None:
    try:
        understood = understand(key)
    except InvalidInputError as error:
        assert_named(error)
        _check_written(refused_status_key(key))
        return
    if understood is None:
        return
    _check_written(understood.status_key)
    home = "databases/" if isinstance(understood, DatabaseFile) else "datasets/"
    assert understood.status_key.startswith(f"inputs/{home}")
    assert key.startswith(home)


def _check_written(key: str) -> None:
    """Assert that a key that we write is one that S3 takes and that no path or screen comes to harm by."""
    assert len(key.encode()) <= 1024
    assert key.isprintable() or all(ord(character) > 0x9F for character in key if not character.isprintable()), key
    assert not {".", ".."} & set(key.split("/"))
    assert not key.startswith("/")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
