"""Isotope patterns that outlive a run: what a work bucket gets and leaves in a folder of the user's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from ionfleet_cli import isotope_cache
from ionfleet_cli.failures import UsageError
from ionfleet_cli.isotope_cache import IsotopeCache, default_folder
from ionfleet_cli.options import places


class WorkBucket:
    """A bucket of a cloud that has just been made, which holds only what is put into it."""

    def __init__(self, **chunks: bytes) -> None:
        self.objects = {f"isotopes/{name * 40}.parquet": data for name, data in chunks.items()}

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.objects if key.startswith(prefix)]

    def upload(self, key: str, path: Path) -> None:
        self.objects[key] = path.read_bytes()

    def download(self, key: str, path: Path) -> None:
        path.write_bytes(self.objects[key])


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, told: list[str]) -> IsotopeCache:
    return IsotopeCache(tmp_path / "cache", told.append)


def run(cache: IsotopeCache, work: Callable[[WorkBucket], None] = lambda _: None, **chunks: bytes) -> WorkBucket:
    """Let a run add chunks to a bucket that begins with what the cache has, and return what it began with."""
    bucket = WorkBucket()
    with cache.serving(bucket):
        begin = WorkBucket()
        begin.objects = dict(bucket.objects)
        bucket.objects |= WorkBucket(**chunks).objects
        work(bucket)
    return begin


def test_what_one_run_computes_the_next_one_has(cache: IsotopeCache, told: list[str]) -> None:
    assert run(cache, a=b"first", b=b"second").objects == {}
    assert run(cache, c=b"third").objects == WorkBucket(a=b"first", b=b"second").objects
    assert run(cache).objects == WorkBucket(a=b"first", b=b"second", c=b"third").objects
    assert told == []


def test_a_run_that_fails_leaves_its_chunks_too(cache: IsotopeCache) -> None:
    def fail(_: WorkBucket) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        run(cache, fail, a=b"first")
    assert run(cache).objects == WorkBucket(a=b"first").objects


def test_a_damaged_chunk_is_told_and_computed_anew(cache: IsotopeCache, tmp_path: Path, told: list[str]) -> None:
    run(cache, a=b"first", b=b"second")
    damaged = next((tmp_path / "cache").glob("aaa*"))
    damaged.write_bytes(b"firs")
    assert run(cache, a=b"first").objects == WorkBucket(b=b"second").objects
    assert told == [f"warning: {damaged} is damaged: its isotope patterns are computed anew"]
    assert run(cache).objects == WorkBucket(a=b"first", b=b"second").objects


def test_other_objects_and_other_files_stay_where_they_are(cache: IsotopeCache, tmp_path: Path) -> None:
    def plan(bucket: WorkBucket) -> None:
        bucket.objects["manifests/job-1/plan.json"] = b"{}"

    (tmp_path / "cache").mkdir()
    other = tmp_path / "cache" / "my-tissue.parquet"
    other.write_bytes(b"")
    assert run(cache, plan).objects == {}
    assert list((tmp_path / "cache").iterdir()) == [other]


@pytest.mark.parametrize(("limit", "most"), [("MOST_FILES", 2), ("MOST_BYTES", 25)])
def test_the_oldest_chunks_go_first(
    cache: IsotopeCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, most: int
) -> None:
    monkeypatch.setattr(isotope_cache, limit, most)
    for age, name in enumerate("abc"):
        run(cache, **{name: name.encode() * 10})
        for path in (tmp_path / "cache").glob(f"{name * 3}*"):
            os.utime(path, (age, age))
    assert run(cache).objects == WorkBucket(b=b"b" * 10, c=b"c" * 10).objects


def test_a_folder_that_cannot_be_made_hinders_no_run(tmp_path: Path, told: list[str]) -> None:
    (tmp_path / "file").write_bytes(b"")
    run(IsotopeCache(tmp_path / "file", told.append), a=b"first")
    assert len(told) == 1
    assert told[0].startswith(f"warning: isotope patterns could not be kept in {tmp_path / 'file'}: ")


@pytest.mark.parametrize(("chosen", "caches"), [("", ".cache"), ("not/absolute", ".cache"), ("{}/other", "other")])
def test_the_folder_follows_the_users_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, caches: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", chosen.format(tmp_path))
    assert default_folder() == tmp_path / caches / "ionfleet" / "isotopes"


def test_the_cache_can_be_moved_or_turned_off_but_not_both(tmp_path: Path) -> None:
    kept = places(None, None, off=False)
    assert (kept.cache, kept.runs) == (default_folder(), default_folder().parent)
    kept = places(None, tmp_path, off=False)
    assert (kept.cache, kept.runs) == (tmp_path, tmp_path)
    kept = places(None, None, off=True)
    assert (kept.cache, kept.runs) == (None, None)
    with pytest.raises(UsageError, match="exclude each other"):
        places(None, tmp_path, off=True)
