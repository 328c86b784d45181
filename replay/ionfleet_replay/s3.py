"""S3, as far as it is implemented here: takes calls, does them on the cloud's objects, answers as S3 does."""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence

from ionfleet_replay.answers import (
    Node,
    Spelling,
    checksum_headers,
    document,
    iso_date,
    listing,
    object_headers,
    parsed,
    refuse,
    respond,
)
from ionfleet_replay.asked import (
    after_token,
    byte_range,
    check_headers,
    check_read,
    condition,
    kept_headers,
    limit,
    number,
    source_name,
    unimplemented,
    wanted_page,
)
from ionfleet_replay.calls import Call, Handler, Response
from ionfleet_replay.contents import Content, LocalFile, SourceChangedError, md5, of_parts
from ionfleet_replay.objects import (
    ENABLED,
    SUSPENDED,
    Checksum,
    Draft,
    Objects,
    Part,
    S3Error,
    Upload,
    Version,
)
from ionfleet_replay.payloads import HEADER, Payload, checksum_of, digest, given_checksum

BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

DEFAULT_KINDS = {"CRC64NVME": "FULL_OBJECT"}
"""Of checksums of uploads in parts; others are made of the parts' checksums."""

Operation = Callable[["S3", Call], Response]


class S3:
    """The service of a cloud. To the server it is a hook: calls of other services go on."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def __call__(self, call: Call, proceed: Handler) -> Response:
        """Do a call to S3; let any other proceed."""
        if call.service != "s3":
            return proceed(call)
        try:
            operation = _OPERATIONS.get(call.operation)
            if operation is None:
                raise unimplemented(f"s3: {call.operation}")
            check_headers(call)
            response = operation(self, call)
        except S3Error as error:
            response = refuse(call, error)
        except SourceChangedError as changed:
            response = refuse(call, S3Error(403, "InvalidObjectState", str(changed)))
        except OSError as problem:
            response = refuse(call, S3Error(500, "InternalError", f"The cloud's folder: {problem}"))
        response.headers.append(("x-amz-request-id", secrets.token_hex(8).upper()))
        return response

    def list_buckets(self, _: Call) -> Response:
        """List all buckets."""
        found: list[Node] = [
            ("Bucket", [("Name", bucket.name), ("CreationDate", iso_date(bucket.created))])
            for bucket in self._objects.buckets()
        ]
        return document("ListAllMyBucketsResult", [("Buckets", found)])

    def create_bucket(self, call: Call) -> Response:
        """Create a bucket."""
        if not BUCKET_NAME.fullmatch(call.bucket):
            raise S3Error(400, "InvalidBucketName", f"The specified bucket is not valid: {call.bucket!r}")
        self._objects.create_bucket(call.bucket)
        return respond(200, {"Location": f"/{call.bucket}"})

    def head_bucket(self, call: Call) -> Response:
        """Tell whether there is a bucket."""
        self._objects.bucket(call.bucket)
        return respond(200)

    def delete_bucket(self, call: Call) -> Response:
        """Delete a bucket that is empty."""
        self._objects.delete_bucket(call.bucket)
        return respond(204)

    def get_bucket_location(self, call: Call) -> Response:
        """Tell a bucket's region: the only one there is has no name here."""
        self._objects.bucket(call.bucket)
        return document("LocationConstraint", [])

    def get_bucket_versioning(self, call: Call) -> Response:
        """Tell whether a bucket keeps versions."""
        status = self._objects.bucket(call.bucket).versioning
        return document("VersioningConfiguration", [] if status is None else [("Status", status)])

    def put_bucket_versioning(self, call: Call) -> Response:
        """Let a bucket keep versions, or no new ones."""
        status = parsed(call).findtext("Status")
        if status not in (ENABLED, SUSPENDED):
            raise S3Error(400, "MalformedXML", f"The versioning status is {status!r}, not {ENABLED} or {SUSPENDED}.")
        self._objects.bucket(call.bucket).versioning = status
        return respond(200)

    def list_objects(self, call: Call) -> Response:
        """List objects, in the first version of this operation."""
        wanted = wanted_page(call, after="marker")
        page = self._objects.page(call.bucket, wanted)
        spell = Spelling(call)
        nodes: list[Node] = [("Marker", spell(wanted.after))]
        if page.truncated and wanted.delimiter:
            nodes.append(("NextMarker", spell(page.last[0])))
        return document("ListBucketResult", listing(call, wanted, page, nodes))

    def list_objects_v2(self, call: Call) -> Response:
        """List objects."""
        token = call.query.get("continuation-token")
        wanted = wanted_page(call, after="start-after", instead=None if token is None else after_token(token))
        page = self._objects.page(call.bucket, wanted)
        nodes: list[Node] = [("KeyCount", str(len(page.versions) + len(page.prefixes)))]
        if token is not None:
            nodes.append(("ContinuationToken", token))
        if page.truncated:
            nodes.append(("NextContinuationToken", page.last[0].encode("utf-8", "surrogateescape").hex()))
        return document("ListBucketResult", listing(call, wanted, page, nodes))

    def list_object_versions(self, call: Call) -> Response:
        """List all versions of objects."""
        wanted = wanted_page(call, after="key-marker", all_versions=True)
        page = self._objects.page(call.bucket, wanted)
        nodes: list[Node] = []
        if page.truncated:
            key, version = page.last
            nodes = [("NextKeyMarker", Spelling(call)(key)), ("NextVersionIdMarker", version.id if version else "")]
        bucket = self._objects.bucket(call.bucket)
        latest = [bucket.current(version.key) is version for version in page.versions]
        return document("ListVersionsResult", listing(call, wanted, page, nodes, latest))

    def put_object(self, call: Call) -> Response:
        """Write an object."""
        self._objects.bucket(call.bucket)
        draft = self._received(call, kept_headers(call))
        version = self._objects.put(call.bucket, call.key, draft, condition(call), call.operation)
        return respond(200, self._made(call, version, draft))

    def _received(self, call: Call, headers: Mapping[str, str]) -> Draft:
        """Return what a request brings."""
        stream = call.environ["wsgi.input"]
        if isinstance(stream, LocalFile):
            return Draft(*self._objects.files.refer(stream), headers)
        payload = Payload(call)
        content = self._objects.files.store(payload)
        return Draft(content, payload.md5, headers, payload.checksum)

    def copy_object(self, call: Call) -> Response:
        """Write an object that has the bytes of another; no byte is copied."""
        version, source = self._source(call)
        replaces = call.header("x-amz-metadata-directive") == "REPLACE"
        if not replaces and (version.key, call.bucket) == (call.key, source_name(call)[0]):
            raise S3Error(400, "InvalidRequest", "This copy request is illegal: it copies an object to itself.")
        headers = kept_headers(call) if replaces else source.headers
        # A copy is written whole, so its etag is an MD5 even where its source was written in parts.
        etag = md5(source.content.body()) if "-" in source.etag else source.etag
        checksum = source.checksum if source.checksum and source.checksum.kind == "FULL_OBJECT" else None
        draft = Draft(source.content, etag, headers, checksum)
        made = self._objects.put(call.bucket, call.key, draft, condition(call), call.operation)
        nodes: list[Node] = [("LastModified", iso_date(made.modified)), ("ETag", f'"{etag}"')]
        return document("CopyObjectResult", nodes, self._version_header(call, made))

    def _source(self, call: Call) -> tuple[Version, Draft]:
        version, source = self._objects.find(*source_name(call))
        expected = call.header("x-amz-copy-source-if-match")
        if expected is not None and expected.strip('"') != source.etag:
            raise S3Error(412, "PreconditionFailed", "The source has another etag than x-amz-copy-source-if-match says")
        return version, source

    def get_object(self, call: Call) -> Response:
        """Read an object, or a range of it."""
        version, draft = self._objects.find(call.bucket, call.key, call.query.get("versionId"))
        headers = {**object_headers(version, draft), **self._version_header(call, version)}
        check_read(call, draft.etag, headers)
        size = draft.content.size
        found = byte_range(call.header("Range"), size)
        if found is None:
            headers |= checksum_headers(draft.checksum) if call.header("x-amz-checksum-mode") else {}
            return respond(200, headers, draft.content.body())
        start, stop = found
        headers["Content-Range"] = f"bytes {start}-{stop - 1}/{size}"
        return respond(206, headers, draft.content.body(start, stop))

    def head_object(self, call: Call) -> Response:
        """Tell what is known about an object."""
        response = self.get_object(call)
        return Response(response.status, response.headers, [])

    def delete_object(self, call: Call) -> Response:
        """Delete an object, or a version of it."""
        wanted = call.query.get("versionId")
        changed = self._objects.delete(call.bucket, call.key, wanted)
        return respond(204, {} if changed is None else _deleted(changed))

    def delete_objects(self, call: Call) -> Response:
        """Delete several objects or versions."""
        root = parsed(call)
        nodes: list[Node] = []
        for entry in root.iter("Object"):
            key, wanted = entry.findtext("Key") or "", entry.findtext("VersionId")
            changed = self._objects.delete(call.bucket, key, wanted)
            if root.findtext("Quiet") != "true":
                nodes.append(("Deleted", _told(key, wanted, changed)))
        return document("DeleteResult", nodes)

    def create_multipart_upload(self, call: Call) -> Response:
        """Begin an upload in parts."""
        algorithm = call.header("x-amz-checksum-algorithm")
        if algorithm is not None:
            digest(algorithm)
        kind = call.header("x-amz-checksum-type") or DEFAULT_KINDS.get(algorithm or "", "COMPOSITE")
        upload = Upload(secrets.token_hex(32), call.key, time.time(), kept_headers(call), algorithm, kind)
        self._objects.begin_upload(call.bucket, upload)
        nodes = [("Bucket", call.bucket), ("Key", call.key), ("UploadId", upload.id)]
        return document("InitiateMultipartUploadResult", nodes, _checksum_of_upload(upload))

    def upload_part(self, call: Call) -> Response:
        """Take a part of an upload."""
        upload = self._objects.upload(call.bucket, call.key, call.query["uploadId"])
        draft = self._received(call, {})
        self._objects.add_part(call.bucket, call.key, upload.id, number(call.query["partNumber"]), draft)
        checksum = checksum_headers(draft.checksum)
        checksum.pop(f"{HEADER}type", None)
        return respond(200, {"ETag": f'"{draft.etag}"', **checksum})

    def upload_part_copy(self, call: Call) -> Response:
        """Take a part of an upload from another object."""
        _, source = self._source(call)
        span = byte_range(call.header("x-amz-copy-source-range"), source.content.size) or (0, source.content.size)
        content = self._objects.files.store(source.content.body(*span))
        draft = Draft(content, md5(content.body()))
        self._objects.add_part(call.bucket, call.key, call.query["uploadId"], number(call.query["partNumber"]), draft)
        nodes: list[Node] = [("LastModified", iso_date(time.time())), ("ETag", f'"{draft.etag}"')]
        return document("CopyPartResult", nodes)

    def complete_multipart_upload(self, call: Call) -> Response:
        """Make an object of an upload's parts, which stay where they are."""
        identity = call.bucket, call.key, call.query["uploadId"]
        version = self._objects.completed(*identity)
        if version is None:
            upload = self._objects.upload(*identity)
            draft = _joined(call, upload)
            version = self._objects.complete(call.bucket, upload, draft, condition(call))
        etag = version.draft.etag if version.draft else ""
        nodes: list[Node] = [("Bucket", call.bucket), ("Key", call.key), ("ETag", f'"{etag}"')]
        if version.draft and version.draft.checksum:
            checksum = version.draft.checksum
            nodes += [(f"Checksum{checksum.algorithm}", checksum.value), ("ChecksumType", checksum.kind)]
        return document("CompleteMultipartUploadResult", nodes, self._version_header(call, version))

    def abort_multipart_upload(self, call: Call) -> Response:
        """End an upload and forget its parts."""
        self._objects.abort(call.bucket, call.key, call.query["uploadId"])
        return respond(204)

    def list_parts(self, call: Call) -> Response:
        """List the parts of an upload so far."""
        upload = self._objects.upload(call.bucket, call.key, call.query["uploadId"])
        after, most = number(call.query.get("part-number-marker")), limit(call, "max-parts")
        found = [each for each in sorted(upload.parts.items()) if each[0] > after]
        shown = found[:most]
        nodes: list[Node] = [
            ("Bucket", call.bucket),
            ("Key", call.key),
            ("UploadId", upload.id),
            ("PartNumberMarker", str(after)),
            ("NextPartNumberMarker", str(shown[-1][0] if shown else after)),
            ("MaxParts", str(most)),
            ("IsTruncated", str(len(found) > len(shown)).lower()),
        ]
        return document("ListPartsResult", [*nodes, *(("Part", _part(*each)) for each in shown)])

    def list_multipart_uploads(self, call: Call) -> Response:
        """List the uploads that are under way."""
        spell, most = Spelling(call), limit(call, "max-uploads")
        prefix = call.query.get("prefix", "")
        # Without an upload's id the marker stands for all uploads of its key; ids have hexadecimal digits.
        after = call.query.get("key-marker", ""), call.query.get("upload-id-marker") or "~"
        uploads = list(self._objects.bucket(call.bucket).uploads.values())
        wanted = [each for each in uploads if each.key.startswith(prefix) and (each.key, each.id) > after]
        found = sorted(wanted, key=lambda each: (each.key, each.id))
        shown = found[:most]
        nodes: list[Node] = [
            ("Bucket", call.bucket),
            ("Prefix", spell(prefix)),
            ("MaxUploads", str(most)),
            *spell.nodes(),
            ("IsTruncated", str(len(found) > len(shown)).lower()),
        ]
        if len(found) > len(shown) and shown:
            nodes += [("NextKeyMarker", spell(shown[-1].key)), ("NextUploadIdMarker", shown[-1].id)]
        nodes += [("Upload", [("Key", spell(each.key)), *_begun(each)]) for each in shown]
        return document("ListMultipartUploadsResult", nodes)

    def _made(self, call: Call, version: Version, draft: Draft) -> dict[str, str]:
        return {
            "ETag": f'"{draft.etag}"',
            **checksum_headers(draft.checksum),
            **self._version_header(call, version),
        }

    def _version_header(self, call: Call, version: Version) -> dict[str, str]:
        versioning = self._objects.bucket(call.bucket).versioning
        return {} if versioning is None else {"x-amz-version-id": version.id}


_OPERATIONS: Mapping[str, Operation] = {
    "AbortMultipartUpload": S3.abort_multipart_upload,
    "CompleteMultipartUpload": S3.complete_multipart_upload,
    "CopyObject": S3.copy_object,
    "CreateBucket": S3.create_bucket,
    "CreateMultipartUpload": S3.create_multipart_upload,
    "DeleteBucket": S3.delete_bucket,
    "DeleteObject": S3.delete_object,
    "DeleteObjects": S3.delete_objects,
    "GetBucketLocation": S3.get_bucket_location,
    "GetBucketVersioning": S3.get_bucket_versioning,
    "GetObject": S3.get_object,
    "HeadBucket": S3.head_bucket,
    "HeadObject": S3.head_object,
    "ListBuckets": S3.list_buckets,
    "ListMultipartUploads": S3.list_multipart_uploads,
    "ListObjectVersions": S3.list_object_versions,
    "ListObjects": S3.list_objects,
    "ListObjectsV2": S3.list_objects_v2,
    "ListParts": S3.list_parts,
    "PutBucketVersioning": S3.put_bucket_versioning,
    "PutObject": S3.put_object,
    "UploadPart": S3.upload_part,
    "UploadPartCopy": S3.upload_part_copy,
}


def _joined(call: Call, upload: Upload) -> Draft:
    """Return the object that a completion makes of an upload."""
    entries = list(parsed(call).iter("Part"))
    listed = [(number(each.findtext("PartNumber")), (each.findtext("ETag") or "").strip('"')) for each in entries]
    parts = upload.chosen(listed)
    for entry, part in zip(entries, parts, strict=True):
        checksum = part.draft.checksum
        said = None if checksum is None else entry.findtext(f"Checksum{checksum.algorithm}")
        if checksum is not None and said not in (None, checksum.value):
            raise S3Error(400, "InvalidPart", f"Part {entry.findtext('PartNumber')} has another {checksum.algorithm}.")
    content = Content(piece for part in parts for piece in part.draft.content.pieces)
    expected = call.header("x-amz-mp-object-size")
    if expected not in (None, str(content.size)):
        raise S3Error(400, "InvalidRequest", f"The parts have {content.size} bytes, not {expected}.")
    etag = of_parts([part.draft.etag for part in parts])
    return Draft(content, etag, upload.headers, _whole(call, upload, parts, content))


def _whole(call: Call, upload: Upload, parts: Sequence[Part], content: Content) -> Checksum | None:
    """Return the checksum of an object of parts, as its upload was begun to have one."""
    if upload.algorithm is None or upload.checksum_kind is None:
        return None
    if upload.checksum_kind == "FULL_OBJECT":
        value = checksum_of(upload.algorithm, content.body())
    else:
        joined = b"".join(base64.b64decode(_checksum_of(part, upload)) for part in parts)
        value = f"{checksum_of(upload.algorithm, [joined])}-{len(parts)}"
    given = given_checksum(call)
    if given is not None and given != (upload.algorithm, value):
        raise S3Error(400, "BadDigest", f"The {given[0]} you specified did not match the calculated checksum.")
    return Checksum(upload.algorithm, value, upload.checksum_kind)


def _checksum_of(part: Part, upload: Upload) -> str:
    """Return a part's checksum; a client that gave none has it calculated, as S3 does."""
    known = part.draft.checksum
    if known is not None and known.algorithm == upload.algorithm:
        return known.value
    return checksum_of(upload.algorithm or "", part.draft.content.body())


def _part(number: int, part: Part) -> list[Node]:
    size = str(part.draft.content.size)
    nodes = [("PartNumber", str(number)), ("LastModified", iso_date(part.modified)), ("Size", size)]
    checksum = part.draft.checksum
    own = [] if checksum is None else [(f"Checksum{checksum.algorithm}", checksum.value)]
    return [*nodes, ("ETag", f'"{part.draft.etag}"'), *own]


def _begun(upload: Upload) -> list[Node]:
    """Return what a listing tells of an upload besides its key."""
    nodes: list[Node] = [("UploadId", upload.id), ("Initiated", iso_date(upload.begun))]
    if upload.algorithm is None or upload.checksum_kind is None:
        return nodes
    return [*nodes, ("ChecksumAlgorithm", upload.algorithm), ("ChecksumType", upload.checksum_kind)]


def _checksum_of_upload(upload: Upload) -> dict[str, str]:
    if upload.algorithm is None or upload.checksum_kind is None:
        return {}
    return {f"{HEADER}algorithm": upload.algorithm, f"{HEADER}type": upload.checksum_kind}


def _deleted(changed: Version) -> dict[str, str]:
    marker = {"x-amz-delete-marker": "true"} if changed.draft is None else {}
    return {"x-amz-version-id": changed.id, **marker}


def _told(key: str, wanted: str | None, changed: Version | None) -> list[Node]:
    """Return what the answer to a deletion of several says about one."""
    nodes: list[Node] = [("Key", key)]
    if wanted is not None:
        nodes.append(("VersionId", wanted))
    if changed is not None and changed.draft is None:
        nodes += [("DeleteMarker", "true"), ("DeleteMarkerVersionId", changed.id)]
    return nodes
