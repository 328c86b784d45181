"""Objects as clients of S3 see them: what is written is read, in any range, in every way that S3 has, or is refused."""

from __future__ import annotations

import base64
import hashlib
import http.client
import itertools
import zlib

import pytest
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import ClientError

from ionfleet_replay import Cloud
from ionfleet_replay.crc import LANE, Crc, crc32c, crc64nvme

from .conftest import StackBuilder

NUMBERS = itertools.count()
MB = 2**20
PART = bytes(range(256)) * (5 * MB // 256)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory, nursery):
    """One cloud for all tests here: each has buckets of its own."""
    folder = tmp_path_factory.mktemp("objects")
    with Cloud(StackBuilder(folder / "cdk.out").write(), folder / "cloud", nursery=nursery) as cloud:
        yield cloud


@pytest.fixture
def s3(cloud):
    return cloud.client("s3")


@pytest.fixture
def bucket(s3):
    name = f"bucket-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return {"Bucket": name}


@pytest.fixture
def other(s3):
    name = f"other-{next(NUMBERS)}"
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def place(bucket):
    return {**bucket, "Key": "a b/ü+?.bin"}


@pytest.fixture
def versioned(s3, bucket):
    s3.put_bucket_versioning(**bucket, VersioningConfiguration={"Status": "Enabled"})
    return {**bucket, "Key": "k"}


def read(s3, place, **more):
    return s3.get_object(**place, **more)["Body"].read()


def refused(call, *arguments, **named):
    """Return status and code of the error that a call ends with."""
    with pytest.raises(ClientError) as error:
        call(*arguments, **named)
    response = error.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"]


@pytest.fixture
def files(cloud):
    """A function that returns the files of the objects that the test has made, in the order of their names."""
    before = {*(cloud.folder / "objects").iterdir()}
    return lambda: sorted({*(cloud.folder / "objects").iterdir()} - before)


@pytest.fixture
def upload(s3, place):
    """Begin an upload of two parts; return what completes it."""

    def begin(**options):
        upload = {**place, "UploadId": s3.create_multipart_upload(**place, **options)["UploadId"]}
        parts = [
            {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
            for number, body in ((2, PART), (7, b"end"))
        ]
        return {**upload, "MultipartUpload": {"Parts": parts}}

    return begin


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3 * MB + 1])
def test_an_object_is_read_as_it_was_written(s3, place, size):
    body = (PART * 2)[:size]
    headers = {"ContentType": "image/png", "ContentDisposition": "attachment", "CacheControl": "no-store"}
    etag = s3.put_object(**place, Body=body, **headers, Metadata={"who": "me"})["ETag"]
    answer = s3.get_object(**place)
    assert answer["Body"].read() == body
    assert (answer["ContentLength"], answer["ETag"]) == (size, etag)
    assert etag == f'"{hashlib.md5(body).hexdigest()}"'
    assert {**headers, "Metadata": {"who": "me"}}.items() <= answer.items()
    head = s3.head_object(**place, ChecksumMode="ENABLED")
    assert {name: head[name] for name in answer.keys() - {"ResponseMetadata", "Body"}} == {
        name: answer[name] for name in head.keys() - {"ResponseMetadata"}
    }


@pytest.mark.parametrize(
    ("header", "first", "stop"),
    [("0-0", 0, 1), ("10-19", 10, 20), ("70000-", 70000, 100000), ("-10", 99990, 100000), ("5-999999", 5, 100000)],
)
def test_a_range_gives_its_bytes_and_says_which(s3, place, header, first, stop):
    body = PART[:100000]
    s3.put_object(**place, Body=body)
    answer = s3.get_object(**place, Range=f"bytes={header}")
    assert answer["Body"].read() == body[first:stop]
    assert answer["ContentRange"] == f"bytes {first}-{stop - 1}/100000"
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 206


def test_a_range_beyond_the_end_is_refused(s3, place):
    s3.put_object(**place, Body=b"12345")
    assert refused(s3.get_object, **place, Range="bytes=5-9") == (416, "InvalidRange")
    assert refused(s3.get_object, **place, Range="bytes=-0") == (416, "InvalidRange")
    assert refused(s3.get_object, **place, Range="bytes=0-1,3-4") == (501, "NotImplemented")


def test_a_range_over_the_parts_of_an_upload_is_whole(s3, place, upload):
    s3.complete_multipart_upload(**upload())
    assert read(s3, place) == PART + b"end"
    assert read(s3, place, Range=f"bytes={len(PART) - 2}-{len(PART)}") == PART[-2:] + b"e"


def test_reads_ask_for_an_etag_or_for_another(s3, place):
    etag = s3.put_object(**place, Body=b"x")["ETag"]
    assert read(s3, place, IfMatch=etag) == b"x"
    assert refused(s3.get_object, **place, IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, **place, IfNoneMatch=etag) == (304, "304")


def test_writes_take_effect_only_under_their_condition(s3, place):
    assert refused(s3.put_object, **place, Body=b"x", IfMatch='"other"') == (404, "NoSuchKey")
    etag = s3.put_object(**place, Body=b"1", IfNoneMatch="*")["ETag"]
    assert refused(s3.put_object, **place, Body=b"2", IfNoneMatch="*") == (412, "PreconditionFailed")
    assert refused(s3.put_object, **place, Body=b"2", IfMatch='"other"') == (412, "PreconditionFailed")
    assert read(s3, place) == b"1"
    s3.put_object(**place, Body=b"3", IfMatch=etag)
    assert read(s3, place) == b"3"
    s3.delete_object(**place)
    s3.put_object(**place, Body=b"4", IfNoneMatch="*")


def test_what_is_missing_is_told_apart(s3, bucket, versioned):
    assert refused(s3.get_object, **bucket, Key="k") == (404, "NoSuchKey")
    assert refused(s3.head_object, **bucket, Key="k") == (404, "404")
    assert refused(s3.get_object, Bucket="nowhere", Key="k") == (404, "NoSuchBucket")
    assert refused(s3.put_object, Bucket="nowhere", Key="k", Body=b"") == (404, "NoSuchBucket")
    assert refused(s3.get_object, **versioned, VersionId="v") == (404, "NoSuchVersion")
    assert refused(s3.upload_part, **bucket, Key="k", UploadId="u", PartNumber=1, Body=b"") == (404, "NoSuchUpload")


ONE_OF_EACH = {"CRC32": zlib.crc32(b"x").to_bytes(4, "big"), "SHA1": hashlib.sha1(b"x").digest()}
ONE_OF_EACH["SHA256"] = hashlib.sha256(b"x").digest()


@pytest.mark.parametrize(("algorithm", "check"), [("crc32c", "e3069283"), ("crc64nvme", "ae8b14860a799888")])
def test_checksums_that_python_has_not_are_checked_too(cloud, bucket, algorithm, check):
    value = base64.b64encode(bytes.fromhex(check)).decode()
    path, headers = f"/{bucket['Bucket']}/k", {f"x_amz_checksum_{algorithm}": value}
    assert request(cloud, "PUT", path, b"123456789", **headers)[0] == 200
    assert request(cloud, "PUT", path, b"123456780", **headers)[0] == 400


@pytest.mark.parametrize("polynomial", [crc32c(), crc64nvme()])
def test_a_crc_is_the_same_in_whatever_blocks_it_is_taken(polynomial):
    data = PART[: 300 * LANE + 77]
    whole, bytewise = Crc(polynomial), Crc(polynomial)
    whole.update(data)
    for start in range(0, len(data), LANE):
        bytewise.update(data[start : start + LANE])
    assert whole.digest() == bytewise.digest()


@pytest.mark.parametrize("algorithm", ONE_OF_EACH)
def test_a_checksum_is_checked_kept_and_given_back(s3, place, algorithm):
    right = {f"Checksum{algorithm}": base64.b64encode(ONE_OF_EACH[algorithm]).decode()}
    assert refused(s3.put_object, **place, Body=b"y", **right) == (400, "BadDigest")
    assert refused(s3.head_object, **place)[0] == 404
    s3.put_object(**place, Body=b"x", **right)
    assert right.items() <= s3.head_object(**place, ChecksumMode="ENABLED").items()
    assert f"Checksum{algorithm}" not in s3.head_object(**place)


def test_a_wrong_md5_is_refused_and_leaves_no_file(s3, place, files):
    md5 = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(**place, Body=b"x", ContentMD5=md5)
    before = files()
    assert refused(s3.put_object, **place, Body=b"y", ContentMD5=md5) == (400, "BadDigest")
    assert read(s3, place) == b"x"
    assert files() == before


def request(cloud, method, path, body=b"", **headers):
    """Make a request as no client of AWS would; return status and body."""
    host = cloud.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request", **headers}
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in signed.items()})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_a_body_in_chunks_is_taken_out_of_its_frames_and_checked_by_its_trailer(cloud, s3, place):
    path = f"/{place['Bucket']}/k"
    headers = {
        "x_amz_content_sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x_amz_decoded_content_length": "7",
        "x_amz_trailer": "x-amz-checksum-crc32",
        "Content_Encoding": "gzip,aws-chunked",
    }
    crc = base64.b64encode(zlib.crc32(b"1234567").to_bytes(4, "big"))
    framed = b"4;chunk-signature=0\r\n1234\r\n3\r\n567\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n"
    assert request(cloud, "PUT", path, framed % crc, **headers)[0] == 200
    answer = s3.get_object(Bucket=place["Bucket"], Key="k")
    assert answer["Body"].read() == b"1234567"
    assert answer["ContentEncoding"] == "gzip"
    for wrong in (framed % b"AAAAAA==", framed.replace(b"567", b"568") % crc, framed[:10], b"-1\r\n"):
        status, body = request(cloud, "PUT", path, wrong, **headers)
        assert status == 400, body
    assert read(s3, {"Bucket": place["Bucket"], "Key": "k"}) == b"1234567"


def test_what_would_change_something_and_is_not_implemented_is_refused_by_name(cloud, s3, place):
    calls = [
        ("get_object_acl", {}, "GET object acl"),
        ("put_object", {"Body": b"", "Tagging": "a=b"}, "x-amz-tagging"),
        ("put_object", {"Body": b"", "StorageClass": "GLACIER"}, "x-amz-storage-class: GLACIER"),
        ("get_object", {"PartNumber": 1}, "partNumber"),
    ]
    for operation, parameters, named in calls:
        with pytest.raises(ClientError, match=named):
            getattr(s3, operation)(**place, **parameters)
    status, body = request(cloud, "PUT", f"/{place['Bucket']}/k", b"x", x_amz_checksum_md6="AAAA")
    assert (status, b"MD6" in body) == (501, True)


def test_keys_that_are_too_long_are_refused(s3, bucket):
    s3.put_object(**bucket, Key="ü" * 512, Body=b"")
    assert refused(s3.put_object, **bucket, Key="ü" * 512 + "x", Body=b"") == (400, "KeyTooLongError")


def test_versions_are_kept_read_and_deleted_one_by_one(s3, versioned):
    one, two = (s3.put_object(**versioned, Body=body)["VersionId"] for body in (b"1", b"2"))
    assert [read(s3, versioned), read(s3, versioned, VersionId=one)] == [b"2", b"1"]
    marker = s3.delete_object(**versioned)
    assert marker["DeleteMarker"] is True
    assert refused(s3.get_object, **versioned) == (404, "NoSuchKey")
    assert refused(s3.get_object, **versioned, VersionId=marker["VersionId"]) == (405, "MethodNotAllowed")
    listed = s3.list_object_versions(Bucket=versioned["Bucket"])
    assert [each["VersionId"] for each in listed["Versions"]] == [two, one]
    assert [each["VersionId"] for each in listed["DeleteMarkers"]] == [marker["VersionId"]]
    s3.delete_object(**versioned, VersionId=marker["VersionId"])
    s3.delete_object(**versioned, VersionId=two)
    assert read(s3, versioned) == b"1"
    s3.delete_object(**versioned)
    s3.put_object(**versioned, Body=b"3", IfNoneMatch="*")
    assert read(s3, versioned) == b"3"


def test_a_bucket_that_stops_keeping_versions_replaces_only_those_without_one(s3, versioned):
    first = s3.put_object(**versioned, Body=b"1")["VersionId"]
    s3.put_bucket_versioning(Bucket=versioned["Bucket"], VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=versioned["Bucket"])["Status"] == "Suspended"
    assert [s3.put_object(**versioned, Body=body)["VersionId"] for body in (b"2", b"3")] == ["null", "null"]
    assert [read(s3, versioned), read(s3, versioned, VersionId=first)] == [b"3", b"1"]
    assert len(s3.list_object_versions(Bucket=versioned["Bucket"])["Versions"]) == 2


def test_copies_have_their_own_headers_or_those_of_their_source(s3, place, other, upload, files):
    s3.complete_multipart_upload(**upload(ContentType="a/b"))
    copy = {"Bucket": other, "Key": "copy"}
    before = files()
    etag = s3.copy_object(**copy, CopySource=place)["CopyObjectResult"]["ETag"]
    assert files() == before
    assert etag == f'"{hashlib.md5(PART + b"end").hexdigest()}"'
    assert (read(s3, copy), s3.head_object(**copy)["ContentType"]) == (PART + b"end", "a/b")
    s3.copy_object(**copy, CopySource=place, MetadataDirective="REPLACE", ContentType="c/d")
    assert s3.head_object(**copy)["ContentType"] == "c/d"
    s3.delete_object(**place)
    assert read(s3, copy, Range="bytes=0-9") == PART[:10]
    assert refused(s3.copy_object, **copy, CopySource=copy) == (400, "InvalidRequest")
    assert refused(s3.copy_object, **copy, CopySource=copy, CopySourceIfMatch='"x"') == (412, "PreconditionFailed")


def test_files_go_with_the_last_object_that_refers_to_them(s3, bucket, files):
    for key in ("a", "b"):
        s3.put_object(**bucket, Key=key, Body=PART)
    s3.copy_object(**bucket, Key="c", CopySource={**bucket, "Key": "a"})
    s3.put_object(**bucket, Key="b", Body=PART[1:])
    assert len(files()) == 2
    s3.delete_object(**bucket, Key="a")
    assert len(files()) == 2
    s3.delete_objects(**bucket, Delete={"Objects": [{"Key": "b"}, {"Key": "c"}, {"Key": "never there"}]})
    assert files() == []
    assert "Contents" not in s3.list_objects_v2(**bucket)


def test_an_upload_is_listed_while_it_is_under_way_and_gone_when_aborted(s3, bucket, upload, files):
    completion = upload()
    (listed,) = s3.list_multipart_uploads(**bucket)["Uploads"]
    assert (listed["Key"], listed["UploadId"]) == (completion["Key"], completion["UploadId"])
    identity = {name: completion[name] for name in ("Bucket", "Key", "UploadId")}
    parts = s3.list_parts(**identity)["Parts"]
    assert [(part["PartNumber"], part["Size"]) for part in parts] == [(2, len(PART)), (7, 3)]
    s3.abort_multipart_upload(**identity)
    assert "Uploads" not in s3.list_multipart_uploads(**bucket)
    assert files() == []
    assert refused(s3.complete_multipart_upload, **completion) == (404, "NoSuchUpload")


def test_an_upload_is_completed_only_by_parts_that_it_has_in_their_order(s3, upload):
    completion = upload()
    one, two = completion["MultipartUpload"]["Parts"]
    for parts, code in (
        ([two, one], "InvalidPartOrder"),
        ([one, {**two, "PartNumber": 8}], "InvalidPart"),
        ([{**one, "ETag": '"other"'}], "InvalidPart"),
        ([], "MalformedXML"),
    ):
        wrong = {**completion, "MultipartUpload": {"Parts": parts}}
        assert refused(s3.complete_multipart_upload, **wrong) == (400, code)
    upload_id = {name: completion[name] for name in ("Bucket", "Key", "UploadId")}
    tiny = s3.upload_part(**upload_id, PartNumber=2, Body=b"tiny")["ETag"]
    parts = {"Parts": [{"PartNumber": 2, "ETag": tiny}, two]}
    assert refused(s3.complete_multipart_upload, **upload_id, MultipartUpload=parts) == (400, "EntityTooSmall")
    s3.upload_part(**upload_id, PartNumber=2, Body=PART)
    done = [s3.complete_multipart_upload(**completion)["ETag"] for _ in "12"]
    digests = b"".join(hashlib.md5(part).digest() for part in (PART, b"end"))
    assert done == [f'"{hashlib.md5(digests).hexdigest()}-2"'] * 2


def test_an_upload_completes_under_its_condition_or_stays(s3, place, upload):
    completion = upload()
    s3.put_object(**place, Body=b"first")
    assert refused(s3.complete_multipart_upload, **completion, IfNoneMatch="*") == (412, "PreconditionFailed")
    assert read(s3, place) == b"first"
    s3.delete_object(**place)
    s3.complete_multipart_upload(**completion, IfNoneMatch="*")
    assert read(s3, place) == PART + b"end"


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_an_upload_has_the_checksum_that_it_was_begun_with(s3, place, upload, kind):
    completion = upload(ChecksumAlgorithm="CRC32", ChecksumType=kind)
    of_parts = [zlib.crc32(part).to_bytes(4, "big") for part in (PART, b"end")]
    whole = zlib.crc32(PART + b"end") if kind == "FULL_OBJECT" else zlib.crc32(b"".join(of_parts))
    value = base64.b64encode(whole.to_bytes(4, "big")).decode() + ("-2" if kind == "COMPOSITE" else "")
    one, two = completion["MultipartUpload"]["Parts"]
    wrong = {"Parts": [{**one, "ChecksumCRC32": "AAAAAA=="}, two]}
    assert refused(s3.complete_multipart_upload, **{**completion, "MultipartUpload": wrong}) == (400, "InvalidPart")
    assert s3.complete_multipart_upload(**completion)["ChecksumCRC32"] == value
    head = s3.head_object(**place, ChecksumMode="ENABLED")
    assert (head["ChecksumCRC32"], head["ChecksumType"]) == (value, kind)


def test_the_transfers_of_boto3_upload_copy_and_download_in_parts(s3, place, other, tmp_path):
    body = PART * 3
    (tmp_path / "from").write_bytes(body)
    config = TransferConfig(multipart_threshold=6 * MB, multipart_chunksize=6 * MB)
    s3.upload_file(str(tmp_path / "from"), place["Bucket"], place["Key"], Config=config)
    s3.copy(place, other, "copy", Config=config)
    s3.download_file(other, "copy", str(tmp_path / "to"), Config=config)
    assert (tmp_path / "to").read_bytes() == body
    assert s3.head_object(Bucket=other, Key="copy")["ETag"].endswith('-3"')


KEYS = ["a", "a/", "a/b", "a/c/d", "a/ü", "b/+ &<x>", "b/1", "c"]


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2", "list_object_versions"])
def test_listings_are_the_same_in_pages_of_any_size(s3, bucket, operation, size):
    for key in KEYS:
        s3.put_object(**bucket, Key=key, Body=b"")
    contents = "Versions" if operation == "list_object_versions" else "Contents"

    def listed(**asked):
        pages = s3.get_paginator(operation).paginate(**bucket, **asked, PaginationConfig={"PageSize": size})
        pages = [*pages]
        keys = [entry["Key"] for page in pages for entry in page.get(contents, ())]
        return keys, [entry["Prefix"] for page in pages for entry in page.get("CommonPrefixes", ())]

    assert listed() == (KEYS, [])
    assert listed(Prefix="a/") == (KEYS[1:5], [])
    assert listed(Delimiter="/") == (["a", "c"], ["a/", "b/"])
    assert listed(Prefix="a/", Delimiter="/") == (["a/", "a/b", "a/ü"], ["a/c/"])
    assert listed(Prefix="nothing") == ([], [])


def test_a_listing_begins_where_it_is_told_and_passes_by_what_is_deleted(s3, bucket, versioned):
    assert versioned["Bucket"] == bucket["Bucket"]
    for key in KEYS:
        s3.put_object(**bucket, Key=key, Body=b"")
    s3.delete_object(**bucket, Key="b/1")
    s3.delete_object(**bucket, Key="b/+ &<x>")
    found = s3.list_objects_v2(**bucket, StartAfter="a/b", Delimiter="/")
    assert ([each["Key"] for each in found["Contents"]], found["KeyCount"]) == (["c"], 2)
    assert [each["Prefix"] for each in found["CommonPrefixes"]] == ["a/"]
    assert refused(s3.list_objects_v2, **bucket, ContinuationToken="nonsense") == (400, "InvalidArgument")


def test_versions_of_one_key_go_over_several_pages(s3, versioned):
    ids = [s3.put_object(**versioned, Body=b"")["VersionId"] for _ in range(5)]
    paginate = s3.get_paginator("list_object_versions").paginate
    pages = [*paginate(Bucket=versioned["Bucket"], PaginationConfig={"PageSize": 2})]
    assert [[each["VersionId"] for each in page["Versions"]] for page in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert [each["IsLatest"] for page in pages for each in page["Versions"]] == [True, *[False] * 4]


def test_buckets_are_made_and_go_when_they_are_empty(s3, bucket):
    s3.create_bucket(Bucket="another")
    s3.head_bucket(Bucket="another")
    s3.delete_bucket(Bucket="another")
    assert refused(s3.head_bucket, Bucket="another") == (404, "404")
    s3.put_object(**bucket, Key="k", Body=b"")
    assert refused(s3.delete_bucket, **bucket) == (409, "BucketNotEmpty")
    assert refused(s3.create_bucket, Bucket="a..b-")[1] == "InvalidBucketName"


def test_documents_with_a_doctype_are_refused(cloud, bucket):
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]><Delete><Object><Key>&a;</Key></Object></Delete>'
    for body in (bomb, bomb.decode().encode("utf-16"), b"<Delete>", b""):
        status, answer = request(cloud, "POST", f"/{bucket['Bucket']}?delete", body)
        assert (status, b"MalformedXML" in answer) == (400, True)


def test_a_call_that_expects_another_owner_is_refused(cloud, s3, place):
    account = cloud.client("sts").get_caller_identity()["Account"]
    s3.put_object(**place, Body=b"x", ExpectedBucketOwner=account)
    assert read(s3, place, ExpectedBucketOwner=account) == b"x"
    for operation, more in (("get_object", {}), ("put_object", {"Body": b"y"}), ("delete_object", {})):
        named = {**place, **more, "ExpectedBucketOwner": "123456789012"}
        assert refused(getattr(s3, operation), **named) == (403, "AccessDenied")
    assert refused(s3.head_object, **place, ExpectedBucketOwner="123456789012") == (403, "403")
    copy = {**place, "Key": "copy", "CopySource": place, "ExpectedSourceBucketOwner": "123456789012"}
    assert refused(s3.copy_object, **copy) == (403, "AccessDenied")
    assert read(s3, place) == b"x"


def test_a_connection_goes_on_after_an_answer_whoever_left_its_body_unread(cloud, bucket):
    host = cloud.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request"}
    statuses, ends = [], set()
    for method, path, body, headers in (
        ("PUT", f"/{bucket['Bucket']}/k", b"x" * 200_000, signed),
        ("PUT", "/nowhere/k", b"x" * 200_000, signed),
        ("PUT", f"/{bucket['Bucket']}/k", b"x" * 200_000, {}),
        ("HEAD", "/nowhere/k", None, signed),
        ("GET", f"/{bucket['Bucket']}/k", None, signed),
    ):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
        ends.add(connection.sock.getsockname())
    connection.close()
    assert statuses == [200, 404, 403, 404, 200]
    assert len(ends) == 1


def test_a_write_that_breaks_off_leaves_nothing(cloud, s3, bucket, files):
    host = cloud.endpoint_url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    connection.putrequest("PUT", f"/{bucket['Bucket']}/k")
    connection.putheader("Authorization", "AWS4-HMAC-SHA256 Credential=me/20260101/us-east-1/s3/aws4_request")
    connection.putheader("Content-Length", "1000")
    connection.endheaders(b"only this")
    connection.sock.shutdown(1)
    assert connection.getresponse().status == 400
    connection.close()
    assert refused(s3.head_object, **bucket, Key="k")[0] == 404
    assert files() == []
