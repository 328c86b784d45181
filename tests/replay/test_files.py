"""Files of this machine as objects: by reference, without copies, and never other than they were."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

from ionfleet_aws.stores import RefusedError, S3Store
from ionfleet_replay import Cloud, ReplayError, contents
from ionfleet_replay.contents import CANNOT_COPY, CANNOT_LINK, PART, SMALL, Files

MB = 2**20

LARGE = b"bytes" * SMALL
"""Too large to share a file with other objects."""

CREATED = {"source": ["aws.s3"], "detail-type": ["Object Created"]}
READ = """
    import boto3, os
    def handler(event, context):
        answer = boto3.client("s3").get_object(Bucket=os.environ["BUCKET"], Key="k", Range="bytes=3-5")
        return answer["Body"].read().decode()
"""


@pytest.fixture
def cloud(stack, start):
    return start(stack.bucket("Bucket", VersioningConfiguration={"Status": "Enabled"}))


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "x.ibd"
    path.write_bytes(b"0123456789")
    return path


def place(cloud):
    return {"Bucket": cloud.outputs["Bucket"], "Key": "k"}


def read(cloud, **more):
    return cloud.client("s3").get_object(**place(cloud), **more)["Body"].read()


def test_a_file_becomes_an_object_without_a_copy_and_with_its_event(stack, start, source):
    stack.bucket("Bucket").queue("Inbox").rule("Rule", CREATED, "Inbox")
    cloud = start(stack.function("Read", READ, {"BUCKET": {"Ref": "Bucket"}}))
    cloud.put_file(cloud.outputs["Bucket"], "k", source)
    assert list((cloud.folder / "objects").iterdir()) == []
    cloud.wait_idle(10)
    (message,) = cloud.client("sqs").receive_message(QueueUrl=cloud.outputs["Inbox"])["Messages"]
    written = json.loads(message["Body"])["detail"]["object"]
    head = cloud.client("s3").head_object(**place(cloud))
    assert (written["key"], written["size"], f'"{written["etag"]}"') == ("k", 10, head["ETag"])
    assert cloud.invoke("Read", {}) == "345"


@pytest.mark.parametrize("size", [0, 5, PART - 1, PART, PART + 1, 2 * PART + 3])
def test_a_files_etag_is_that_of_the_same_bytes_uploaded_by_a_client(cloud, tmp_path, size):
    path = tmp_path / "file"
    path.write_bytes(bytes(range(251)) * (size // 251) + b"x" * (size % 251))
    s3, bucket = cloud.client("s3"), cloud.outputs["Bucket"]
    s3.upload_file(str(path), bucket, "uploaded")
    cloud.put_file(bucket, "referred", path)
    uploaded, referred = (s3.head_object(Bucket=bucket, Key=key) for key in ("uploaded", "referred"))
    assert (referred["ETag"], referred["ContentLength"]) == (uploaded["ETag"], size)
    assert uploaded["VersionId"] != referred["VersionId"]


def test_a_file_that_is_replaced_or_deleted_stays_the_object_that_it_was(cloud, source):
    cloud.put_file(cloud.outputs["Bucket"], "k", source)
    replacement = source.with_name("new")
    replacement.write_bytes(b"else")
    replacement.rename(source)
    assert read(cloud) == b"0123456789"
    source.unlink()
    assert read(cloud, Range="bytes=1-2") == b"12"


@pytest.mark.parametrize("change", [b"0123456789 and more", b"0", b"012345678X"])
def test_a_file_that_is_written_to_is_no_object_any_more(cloud, source, change):
    cloud.put_file(cloud.outputs["Bucket"], "k", source)
    before = source.stat().st_mtime_ns
    source.write_bytes(change)
    os.utime(source, ns=(before, before + 1))
    with pytest.raises(ClientError, match=r"InvalidObjectState.*x\.ibd was written to after") as refused:
        read(cloud)
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(ReplayError, match="was written to after"):
        cloud.get_file(cloud.outputs["Bucket"], "k", source.with_name("out"))
    assert not source.with_name("out").exists()


def test_functions_are_told_which_file_was_written_to_and_do_not_try_again(cloud, source):
    cloud.put_file(cloud.outputs["Bucket"], "k", source)
    with source.open("ab") as file:
        file.write(b"more")
    store = S3Store(cloud.client("s3"), cloud.outputs["Bucket"], owner=cloud.account)
    with pytest.raises(RefusedError, match=r"x\.ibd was written to after it had been put"):
        store.get_range("k", 0, 5)


@pytest.mark.parametrize(("function", "nothing", "size"), [("pread", b"", 10), ("sendfile", 0, MB)])
def test_a_file_that_ends_while_it_is_sent_is_never_taken_for_whole(
    cloud, tmp_path, monkeypatch, function, nothing, size
):
    (tmp_path / "file").write_bytes(bytes(size))
    cloud.put_file(cloud.outputs["Bucket"], "k", tmp_path / "file")
    with monkeypatch.context() as patch:
        patch.setattr(os, function, lambda *_: nothing)
        with pytest.raises((HTTPClientError, IncompleteReadError)):
            read(cloud)
        if function == "sendfile":
            patch.setattr(os, "copy_file_range", lambda *_: 0)
            with pytest.raises(ReplayError, match="ended 1,048,576 bytes early"):
                cloud.get_file(cloud.outputs["Bucket"], "k", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert len(read(cloud)) == size


def test_what_is_no_file_is_refused(cloud, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(ReplayError, match="is not a regular file"):
            cloud.put_file(cloud.outputs["Bucket"], "k", path)
    with pytest.raises(FileNotFoundError):
        cloud.put_file(cloud.outputs["Bucket"], "k", tmp_path / "missing")
    (tmp_path / "file").touch()
    with pytest.raises(ReplayError, match="NoSuchBucket"):
        cloud.put_file("nowhere", "k", tmp_path / "file")
    with pytest.raises(ReplayError, match="has not been started"):
        Cloud(tmp_path, tmp_path / "never").put_file("b", "k", tmp_path / "file")


def test_an_object_is_fetched_into_a_new_file(cloud, tmp_path):
    s3, upload = cloud.client("s3"), place(cloud)
    upload["UploadId"] = s3.create_multipart_upload(**upload)["UploadId"]
    bodies = [os.urandom(5 * MB), b"end"]
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**upload, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    cloud.get_file(cloud.outputs["Bucket"], "k", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == b"".join(bodies)
    with pytest.raises(FileExistsError):
        cloud.get_file(cloud.outputs["Bucket"], "k", tmp_path / "out")
    with pytest.raises(ReplayError, match="NoSuchKey"):
        cloud.get_file(cloud.outputs["Bucket"], "other", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_keys_and_sizes_are_those_that_s3_lists_however_many_pages(cloud, source):
    bucket = cloud.outputs["Bucket"]
    for number in range(1001):
        cloud.put_file(bucket, f"many/{number}", source)
    cloud.client("s3").put_object(Bucket=bucket, Key="ä & <b>/ %25+", Body=b"four")
    found = list(cloud.sizes(bucket))
    pages = cloud.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket)
    assert found == [(entry["Key"], entry["Size"]) for page in pages for entry in page["Contents"]]
    assert len(found) == 1002
    assert list(cloud.sizes(bucket, "ä")) == [("ä & <b>/ %25+", 4)]
    assert list(cloud.sizes(bucket, "none")) == []
    with pytest.raises(ReplayError, match="NoSuchBucket"):
        list(cloud.sizes("another"))


def test_an_objects_own_file_can_be_shared_and_outlives_the_cloud(cloud, source):
    s3, bucket = cloud.client("s3"), cloud.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key="own", Body=LARGE)
    cloud.put_file(bucket, "k", source)
    own, copied, theirs = (source.with_name(name) for name in ("own", "copied", "theirs"))
    cloud.get_file(bucket, "own", own, share=True)
    cloud.get_file(bucket, "own", copied)
    cloud.get_file(bucket, "k", theirs, share=True)
    assert [path.stat().st_nlink for path in (own, copied, theirs, source)] == [2, 1, 1, 1]
    with pytest.raises(FileExistsError):
        cloud.get_file(bucket, "own", own, share=True)
    cloud.stop()
    assert own.read_bytes() == copied.read_bytes() == LARGE
    assert own.stat().st_nlink == 1


@pytest.mark.parametrize("code", sorted(CANNOT_LINK))
def test_a_file_that_cannot_be_shared_is_copied(cloud, tmp_path, monkeypatch, code):
    def cannot(*_):
        raise OSError(code, os.strerror(code))

    cloud.client("s3").put_object(Bucket=cloud.outputs["Bucket"], Key="own", Body=LARGE)
    monkeypatch.setattr(os, "link", cannot)
    cloud.get_file(cloud.outputs["Bucket"], "own", tmp_path / "out", share=True)
    assert (tmp_path / "out").read_bytes() == LARGE


def test_small_objects_share_files_that_go_when_none_of_them_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "FULL", 100)
    files = Files(tmp_path)
    made = [files.store([bytes([number]) * 30, b"end"]) for number in range(7)]
    assert [path.stat().st_size for path in sorted(tmp_path.iterdir())] == [99, 99, 33]
    assert [b"".join(each.body(29, 31)) for each in made] == [bytes([number]) + b"e" for number in range(7)]
    del made[1:3]
    assert len(list(tmp_path.iterdir())) == 3
    del made[0]
    assert [b"".join(each.body()) for each in made] == [bytes([number]) * 30 + b"end" for number in range(3, 7)]
    assert len(list(tmp_path.iterdir())) == 2
    del made[:], files
    assert list(tmp_path.iterdir()) == []


def test_an_object_for_which_the_disk_has_no_room_is_refused_and_the_others_stay(cloud, monkeypatch):
    s3, bucket = cloud.client("s3"), cloud.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", lambda _, data, __: len(data) - 1)
        with pytest.raises(ClientError, match="No space left on device"):
            s3.put_object(Bucket=bucket, Key="k", Body=b"second")
    assert read(cloud) == b"first"


@pytest.mark.parametrize("code", sorted(CANNOT_COPY))
def test_an_object_is_fetched_where_the_kernel_cannot_copy_by_itself(cloud, source, monkeypatch, code):
    def cannot(*_):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "copy_file_range", cannot)
    cloud.put_file(cloud.outputs["Bucket"], "k", source)
    cloud.get_file(cloud.outputs["Bucket"], "k", source.with_name("out"))
    assert source.with_name("out").read_bytes() == b"0123456789"


def test_the_keys_of_a_cloud_that_is_kept_tell_which_files_are_theirs(stack, start, source):
    cloud = start(stack.bucket("Bucket", events=False), keep_objects=True)
    s3, bucket = cloud.client("s3"), cloud.outputs["Bucket"]
    s3.put_object(Bucket=bucket, Key="own", Body=b"bytes")
    s3.put_object(Bucket=bucket, Key="gone", Body=b"bytes")
    s3.delete_object(Bucket=bucket, Key="gone")
    cloud.put_file(bucket, "referred", source)
    cloud.stop()
    lines = [json.loads(line) for line in (cloud.folder / "objects.jsonl").read_text().splitlines()]
    assert [(each["bucket"], each["key"]) for each in lines] == [(bucket, "own"), (bucket, "referred")]
    assert [Path(each["files"][0]).read_bytes() for each in lines] == [b"bytes", b"0123456789"]


def test_objects_vanish_with_their_cloud(cloud):
    cloud.client("s3").put_object(**place(cloud), Body=b"x")
    assert len(list((cloud.folder / "objects").iterdir())) == 1
    cloud.stop()
    assert sorted(path.name for path in cloud.folder.iterdir() if path.name.startswith("objects")) == []


def test_a_folder_with_the_objects_of_another_cloud_is_refused(stack, start):
    cloud = start(stack.bucket("Bucket", events=False))
    with pytest.raises(ReplayError, match="has the objects of another cloud"):
        Cloud(stack.folder, cloud.folder).start()
    assert cloud.client("s3").list_buckets()["Buckets"]


CRASH = """
    import os, signal, sys
    from pathlib import Path
    from ionfleet_replay import Cloud

    cloud = Cloud(Path(sys.argv[1]), Path(sys.argv[2]), preload=())
    cloud.start()
    s3, place = cloud.client("s3"), {"Bucket": cloud.outputs["Bucket"], "Key": "k"}
    s3.put_object(**place, Body=bytes(2**20))
    upload = {**place, "UploadId": s3.create_multipart_upload(**place)["UploadId"]}
    s3.upload_part(**upload, PartNumber=1, Body=bytes(6 * 2**20))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_crash_leaves_the_folder_and_nothing_elsewhere(stack, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    arguments = [str(stack.bucket("Bucket", events=False).write()), str(tmp_path / "cloud")]
    environment = {**os.environ, "TMPDIR": str(tmp_path / "elsewhere")}
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(CRASH), *arguments], env=environment, check=False)
    assert ended.returncode == -signal.SIGKILL
    assert json.loads((tmp_path / "cloud" / "cloud.json").read_text())["state"] == "running"
    assert [path.stat().st_size // MB for path in sorted((tmp_path / "cloud" / "objects").iterdir())] == [1, 6]
    assert list((tmp_path / "elsewhere").iterdir()) == []


MEMORY = r"""
    import os, re, sys
    from pathlib import Path
    from ionfleet_replay.contents import Content, Files, LocalFile, of_parts, md5

    folder, mb = Path(sys.argv[1]), 2**20
    block = bytes(mb)
    files = Files(folder)
    def peak():
        # Not ru_maxrss, which a process takes over from the one that started it.
        return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
    before = peak()
    parts = [files.store(block for _ in range(64)) for _ in range(8)]
    whole = Content(piece for part in parts for piece in part.pieces)
    with open(folder / "out", "xb") as out:
        whole.body().write(out.fileno())
    content, _ = files.refer(LocalFile(folder / "out"))
    assert content.size == whole.size == 512 * mb
    assert content.body(511 * mb, 512 * mb).size == mb
    print(peak() - before)
"""


def test_half_a_gigabyte_written_joined_copied_and_referred_to_costs_no_memory(tmp_path):
    script = [sys.executable, "-c", textwrap.dedent(MEMORY), str(tmp_path)]
    grown = int(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    assert grown < 32 * 1024
    for path in tmp_path.iterdir():
        path.unlink()
