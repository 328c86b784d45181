"""Buckets as object stores: against moto, with S3's failures put in its way."""

from __future__ import annotations

import functools
import io
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto import mock_aws

from ionfleet.errors import IonfleetError, ThrottledError, TransientError
from ionfleet.store import (
    PIECES_AHEAD,
    MemoryStore,
    ObjectMissingError,
    ObjectStore,
    RangeReader,
    SequentialReader,
)
from ionfleet_aws import clients, stores
from ionfleet_aws.stores import MULTIPART_FROM, RefusedError, S3Store
from ionfleet_aws.usage import Meter, Usage

BUCKET = "lab"
OWNER = "123456789012"


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Take the pauses between tries down instead of making them."""
    made: list[float] = []
    monkeypatch.setattr("ionfleet_aws.stores.time.sleep", made.append)
    return made


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """One mocked AWS for all tests of this file: each empties the bucket behind it."""
    with mock_aws():
        yield boto3.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture
def client(session: Any) -> Iterator[Any]:
    s3 = session.client("s3", config=Config(retries={"total_max_attempts": 1}))
    s3.create_bucket(Bucket=BUCKET)
    yield s3
    bucket = session.resource("s3").Bucket(BUCKET)
    bucket.object_versions.delete()
    bucket.delete()


@pytest.fixture
def store(client: Any) -> S3Store:
    return S3Store(client, BUCKET, Meter(), owner=OWNER)


def interfere(client: Any, operation: str, *answers: tuple[int, str] | Exception) -> None:
    """Have the next calls of an operation answered so instead of being made."""
    queue = list(answers)

    def answer(**_: object) -> tuple[AWSResponse, dict[str, Any]] | None:
        if not queue:
            return None
        reply = queue.pop(0)
        if isinstance(reply, Exception):
            raise reply
        status, code = reply
        parsed = {"Error": {"Code": code, "Message": "as told"}, "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("", status, {}, None), parsed

    client.meta.events.register_first(f"before-call.s3.{operation}", answer)


@pytest.fixture(params=["memory", "S3"])
def any_store(request: pytest.FixtureRequest) -> ObjectStore:
    if request.param == "memory":
        return MemoryStore()
    s3_store: S3Store = request.getfixturevalue("store")
    return s3_store


class TestEveryStore:
    """What the domain relies on: the same of S3 as of memory."""

    def test_what_is_created_is_read_back(self, any_store: ObjectStore) -> None:
        assert any_store.create("a/b ü+.txt", b"0123456789")
        assert any_store.get("a/b ü+.txt") == b"0123456789"

    def test_views_of_any_type_are_written_as_their_bytes(self, any_store: ObjectStore) -> None:
        any_store.create("view", memoryview(b"abcdefgh").cast("I"))
        assert any_store.get("view") == b"abcdefgh"

    def test_creating_never_replaces(self, any_store: ObjectStore) -> None:
        assert any_store.create("k", b"first")
        assert not any_store.create("k", b"second")
        assert any_store.get("k") == b"first"

    def test_replacing_does(self, any_store: ObjectStore) -> None:
        any_store.replace("k", b"first")
        any_store.replace("k", b"second")
        assert any_store.get("k") == b"second"

    def test_replacing_what_was_read_does_not_touch_what_came_after_it(self, any_store: ObjectStore) -> None:
        assert not any_store.replace("k", b"out of nothing", "781e5e245d69b566979b86e28d23f2c7")
        assert any_store.head("k") is None
        any_store.create("k", b"first")
        read = any_store.head("k")
        assert read is not None
        assert any_store.replace("k", b"second", read.etag)
        assert not any_store.replace("k", b"third", read.etag)
        assert any_store.get("k") == b"second"

    @pytest.mark.parametrize(
        ("start", "length", "expected"),
        [(0, 3, b"012"), (4, 100, b"456789"), (9, 1, b"9"), (10, 5, b""), (50, 1, b""), (3, 0, b"")],
    )
    def test_a_range_ends_where_the_object_does(
        self, any_store: ObjectStore, start: int, length: int, expected: bytes
    ) -> None:
        any_store.create("k", b"0123456789")
        assert any_store.get_range("k", start, length) == expected

    def test_an_object_may_be_empty(self, any_store: ObjectStore) -> None:
        assert any_store.create("k", b"")
        assert any_store.get("k") == b""
        assert any_store.get_range("k", 0, 16) == b""

    def test_a_missing_object_is_named(self, any_store: ObjectStore) -> None:
        for read in (lambda: any_store.get("no such"), lambda: any_store.get_range("no such", 0, 1)):
            with pytest.raises(ObjectMissingError, match="no such"):
                read()

    def test_head_knows_size_and_etag_or_that_there_is_none(self, any_store: ObjectStore) -> None:
        assert any_store.head("k") is None
        any_store.create("k", b"0123456789")
        info = any_store.head("k")
        assert info is not None
        assert (info.key, info.size, info.etag) == ("k", 10, "781e5e245d69b566979b86e28d23f2c7")
        assert info.version == "null"

    def test_keys_are_listed_in_order_by_prefix(self, any_store: ObjectStore) -> None:
        for key in ("b/2", "a/1", "b/10", "b/1", "c", "b"):
            any_store.create(key, key.encode())
        assert [(info.key, info.size) for info in any_store.list("b/")] == [("b/1", 3), ("b/10", 4), ("b/2", 3)]
        assert list(any_store.list("nothing")) == []

    def test_an_object_can_be_read_as_a_file(self, any_store: ObjectStore) -> None:
        any_store.create("k", bytes(range(200)))
        with io.BufferedReader(RangeReader(any_store, "k", 200), 16) as file:
            file.seek(100)
            assert file.read() == bytes(range(100, 200))

    @pytest.mark.parametrize("piece", [1, 7, 50, 64, 200, 1000])
    def test_an_object_can_be_read_from_its_beginning_in_pieces(
        self, any_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, piece: int
    ) -> None:
        monkeypatch.setattr("ionfleet.store.PIECE_BYTES", piece)
        any_store.create("k", bytes(range(200)))
        with io.BufferedReader(SequentialReader(any_store, "k", 200), 16) as file:
            assert [file.read(3), file.read(150), file.read()] == [
                bytes(range(3)),
                bytes(range(3, 153)),
                bytes(range(153, 200)),
            ]
            assert file.read(1) == b""

    def test_an_object_is_read_no_further_than_a_few_pieces_ahead(
        self, any_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("ionfleet.store.PIECE_BYTES", 10)
        any_store.create("k", bytes(200))
        asked: list[int] = []
        get_range = any_store.get_range
        monkeypatch.setattr(
            any_store, "get_range", lambda key, start, length: asked.append(start) or get_range(key, start, length)
        )
        before = threading.active_count()
        with io.BufferedReader(SequentialReader(any_store, "k", 200), 5) as file:
            assert file.read(15) == bytes(15)
            assert threading.active_count() > before
        assert sorted(asked) == list(range(0, 10 * len(asked), 10))
        assert 2 <= len(asked) <= 2 + PIECES_AHEAD
        assert threading.active_count() == before


class TestS3:
    def test_long_listings_are_read_page_by_page(self, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        meter = Meter()
        store = S3Store(client, BUCKET, meter, owner=OWNER)
        for number in range(5):
            store.create(f"k/{number}", b"")
        paginate = client.get_paginator("list_objects_v2").paginate
        short = functools.partial(paginate, PaginationConfig={"PageSize": 2})
        monkeypatch.setattr(client, "get_paginator", lambda _: SimpleNamespace(paginate=short))
        before = meter.read()
        assert [info.key for info in store.list("k/")] == [f"k/{number}" for number in range(5)]
        assert (meter.read() - before).writes == 3

    def test_versions_are_known_and_can_be_pinned(self, client: Any, store: S3Store) -> None:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        store.replace("k", b"first")
        info = store.head("k")
        assert info is not None
        store.replace("k", b"second!")
        pinned = store.pinned({"k": info.version, "other": "null"})
        assert pinned.get("k") == b"first"
        assert pinned.get_range("k", 1, 3) == b"irs"
        assert pinned.head("k") == info
        assert store.get("k") == b"second!"

    def test_a_version_that_is_gone_is_missing(self, client: Any, store: S3Store) -> None:
        client.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        store.replace("k", b"first")
        info = store.head("k")
        assert info is not None
        client.delete_object(Bucket=BUCKET, Key="k", VersionId=info.version)
        with pytest.raises(ObjectMissingError):
            store.pinned({"k": info.version}).get("k")

    def test_large_objects_are_created_in_parts(
        self, client: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "MULTIPART_FROM", 8 * 2**20)
        monkeypatch.setattr(stores, "PART_SIZE", 5 * 2**20)
        data = bytes(range(256)) * (12 * 2**12)
        assert len(data) < MULTIPART_FROM
        assert store.create("large", memoryview(data))
        assert client.head_object(Bucket=BUCKET, Key="large")["ETag"].strip('"').endswith("-3")
        assert store.get("large") == data
        assert not store.create("large", data)

    def test_of_two_writers_in_parts_the_first_wins_and_nothing_is_left(
        self, client: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "MULTIPART_FROM", 2**20)
        send_part = store._send_part

        def send_and_be_overtaken(*arguments: Any) -> Any:
            client.put_object(Bucket=BUCKET, Key="large", Body=b"of another writer")
            return send_part(*arguments)

        monkeypatch.setattr(store, "_send_part", send_and_be_overtaken)
        assert not store.create("large", bytes(2**21))
        assert store.get("large") == b"of another writer"
        assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []

    def test_a_write_in_parts_that_fails_leaves_nothing(
        self, client: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stores, "MULTIPART_FROM", 2**20)
        interfere(client, "UploadPart", (503, "SlowDown"))
        with pytest.raises(ThrottledError):
            store.create("large", bytes(2**21))
        assert store.head("large") is None
        assert client.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []

    @pytest.mark.parametrize("operation", ["CompleteMultipartUpload", "UploadPart"])
    def test_a_conflict_over_parts_begins_again(
        self, client: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch, operation: str
    ) -> None:
        monkeypatch.setattr(stores, "MULTIPART_FROM", 2**20)
        interfere(client, operation, (409, "ConditionalRequestConflict"))
        assert store.create("large", bytes(2**21))
        assert store.get("large") == bytes(2**21)


class TestFailures:
    @pytest.mark.parametrize(
        ("answer", "error"),
        [
            ((503, "SlowDown"), ThrottledError),
            ((503, "ServiceUnavailable"), ThrottledError),
            ((429, "TooManyRequests"), ThrottledError),
            ((500, "InternalError"), TransientError),
            ((502, ""), TransientError),
            ((400, "RequestTimeout"), TransientError),
            ((403, "AccessDenied"), RefusedError),
            ((404, "NoSuchBucket"), RefusedError),
            ((400, "InvalidArgument"), RefusedError),
            (EndpointConnectionError(endpoint_url="https://s3"), TransientError),
            (ReadTimeoutError(endpoint_url="https://s3"), TransientError),
        ],
        ids=str,
    )
    def test_failures_are_told_apart(
        self, client: Any, store: S3Store, answer: tuple[int, str] | Exception, error: type[IonfleetError]
    ) -> None:
        calls: dict[str, Callable[[], object]] = {
            "GetObject": lambda: store.get("some/key"),
            "PutObject": lambda: store.create("some/key", b"data"),
            "ListObjectsV2": lambda: list(store.list("some/key")),
        }
        for operation, call in calls.items():
            interfere(client, operation, answer)
            with pytest.raises(error) as raised:
                call()
            assert type(raised.value) is error
            assert "s3://lab/some/key" in str(raised.value)

    def test_a_refusal_is_not_taken_for_a_missing_object(self, client: Any, store: S3Store) -> None:
        interfere(client, "HeadObject", (403, ""))
        with pytest.raises(RefusedError, match="grants"):
            store.head("k")

    def test_a_refusal_without_words_is_explained_by_a_second_one(self, client: Any, store: S3Store) -> None:
        interfere(client, "HeadObject", (403, ""))
        interfere(client, "GetObject", (403, "AccessDenied"))
        with pytest.raises(RefusedError, match=r"GetObject of s3://lab/k: .*AccessDenied"):
            store.head("k")

    def test_a_conflict_is_tried_again(self, client: Any, store: S3Store, pauses: list[float]) -> None:
        interfere(client, "PutObject", *[(409, "ConditionalRequestConflict")] * 3)
        assert store.create("k", b"data")
        assert store.get("k") == b"data"
        assert len(pauses) == 3

    def test_a_conflict_that_lasts_is_transient(self, client: Any, store: S3Store, pauses: list[float]) -> None:
        interfere(client, "PutObject", *[(409, "ConditionalRequestConflict")] * 9)
        with pytest.raises(TransientError) as raised:
            store.create("k", b"data")
        assert type(raised.value) is TransientError
        assert len(pauses) == 4
        assert store.head("k") is None

    def test_a_write_whose_answer_was_lost_counts_as_there(self, client: Any, store: S3Store) -> None:
        client.put_object(Bucket=BUCKET, Key="k", Body=b"data")
        assert not store.create("k", b"data")

    def test_a_body_that_breaks_off_is_read_again(
        self, client: Any, store: S3Store, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
    ) -> None:
        store.create("k", b"0123456789")
        get_object = client.get_object
        breaks = iter([True, True])

        def get_broken(**arguments: Any) -> Any:
            answer = get_object(**arguments)
            if next(breaks, False):
                answer["Body"].read = lambda: (_ for _ in ()).throw(ReadTimeoutError(endpoint_url="s3"))
            return answer

        monkeypatch.setattr(client, "get_object", get_broken)
        assert store.get_range("k", 2, 3) == b"234"
        assert len(pauses) == 2


class TestUsage:
    def test_requests_and_bytes_are_counted(self, client: Any) -> None:
        meter = Meter()
        store = S3Store(client, BUCKET, meter, owner=OWNER)
        store.create("k", b"0123456789")
        store.get("k")
        store.get_range("k", 0, 4)
        store.head("k")
        store.head("missing")
        list(store.list(""))
        assert meter.read() == Usage(reads=4, writes=2, bytes_in=14, bytes_out=10)

    def test_a_refused_write_is_charged_as_a_write(self, client: Any) -> None:
        meter = Meter()
        store = S3Store(client, BUCKET, meter, owner=OWNER)
        store.create("k", b"")
        assert not store.create("k", b"")
        assert meter.read() == Usage(writes=2)

    def test_usage_is_that_since_an_earlier_reading(self) -> None:
        meter = Meter()
        meter.add(Usage(reads=1, writes=3, bytes_in=10, bytes_out=5))
        before = meter.read()
        meter.add(Usage(reads=2, bytes_in=1))
        assert meter.read() - before == Usage(reads=2, bytes_in=1)

    def test_threads_lose_no_count(self) -> None:
        meter = Meter()

        def count() -> None:
            for _ in range(2000):
                meter.add(Usage(reads=1))

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert meter.read().reads == 16_000


def test_clients_are_made_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    clients.s3.cache_clear()
    assert clients.s3() is clients.s3()
    config = clients.s3().meta.config
    assert config.retries["mode"] == "adaptive"
    clients.s3.cache_clear()


CALLS = {
    "PutObject",
    "CreateMultipartUpload",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "GetObject",
    "HeadObject",
    "ListObjectsV2",
}


def test_every_call_names_the_account_that_the_bucket_has_to_belong_to(
    store: S3Store, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    owners: dict[str, set[str | None]] = {}

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        owners.setdefault(model.name, set()).add(params.get("ExpectedBucketOwner"))

    monkeypatch.setattr(stores, "MULTIPART_FROM", 10)
    client.meta.events.register("provide-client-params.s3", note)
    store.create("small", b"x")
    store.create("large", bytes(11))
    store.create("large", bytes(11))
    store.replace("small", b"y")
    store.get_range("small", 0, 1)
    store.pinned({"small": "null"}).get("small")
    store.head("small")
    list(store.list(""))
    assert owners == {call: {OWNER} for call in CALLS}
