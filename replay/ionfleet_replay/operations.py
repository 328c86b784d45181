"""The operations of S3 that are implemented, told apart by their method, what they are about, and their query."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

OF_ALL, OF_BUCKET, OF_OBJECT = "service", "bucket", "object"

LISTING = frozenset({"prefix", "delimiter", "encoding-type"})


@dataclass(frozen=True)
class Operation:
    """What makes a request this operation: `marks` must be in its query, `parameters` may be, and nothing else."""

    name: str
    method: str
    about: str
    marks: frozenset[str] = frozenset()
    parameters: frozenset[str] = frozenset()

    def fits(self, method: str, about: str, query: Collection[str]) -> bool:
        """Return whether a request is this operation."""
        names = set(query)
        return (method, about) == (self.method, self.about) and self.marks <= names <= self.marks | self.parameters


VERSION = frozenset({"versionId"})
UPLOAD = frozenset({"uploadId"})

OPERATIONS = (
    Operation("PutObject", "PUT", OF_OBJECT),
    Operation("GetObject", "GET", OF_OBJECT, parameters=VERSION),
    Operation("HeadObject", "HEAD", OF_OBJECT, parameters=VERSION),
    Operation("DeleteObject", "DELETE", OF_OBJECT, parameters=VERSION),
    Operation("CreateMultipartUpload", "POST", OF_OBJECT, frozenset({"uploads"})),
    Operation("UploadPart", "PUT", OF_OBJECT, UPLOAD | {"partNumber"}),
    Operation("CompleteMultipartUpload", "POST", OF_OBJECT, UPLOAD),
    Operation("AbortMultipartUpload", "DELETE", OF_OBJECT, UPLOAD),
    Operation("ListParts", "GET", OF_OBJECT, UPLOAD, frozenset({"max-parts", "part-number-marker"})),
    Operation("ListObjects", "GET", OF_BUCKET, parameters=LISTING | {"marker", "max-keys"}),
    Operation(
        "ListObjectsV2",
        "GET",
        OF_BUCKET,
        frozenset({"list-type"}),
        LISTING | {"continuation-token", "start-after", "max-keys", "fetch-owner"},
    ),
    Operation(
        "ListObjectVersions",
        "GET",
        OF_BUCKET,
        frozenset({"versions"}),
        LISTING | {"key-marker", "version-id-marker", "max-keys"},
    ),
    Operation(
        "ListMultipartUploads",
        "GET",
        OF_BUCKET,
        frozenset({"uploads"}),
        frozenset({"prefix", "encoding-type", "key-marker", "upload-id-marker", "max-uploads"}),
    ),
    Operation("DeleteObjects", "POST", OF_BUCKET, frozenset({"delete"})),
    Operation("CreateBucket", "PUT", OF_BUCKET),
    Operation("HeadBucket", "HEAD", OF_BUCKET),
    Operation("DeleteBucket", "DELETE", OF_BUCKET),
    Operation("GetBucketLocation", "GET", OF_BUCKET, frozenset({"location"})),
    Operation("GetBucketVersioning", "GET", OF_BUCKET, frozenset({"versioning"})),
    Operation("PutBucketVersioning", "PUT", OF_BUCKET, frozenset({"versioning"})),
    Operation("ListBuckets", "GET", OF_ALL),
)

COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}
"""What an operation is called when its bytes come from another object."""


def named(method: str, about: str, query: Collection[str], *, copies: bool) -> str:
    """Return an operation's name; for one that is not implemented, its method, what it is about, and its query.

    Parameters
    ----------
    method
        Of the HTTP request.
    about
        `OF_ALL`, `OF_BUCKET` or `OF_OBJECT`.
    query
        Names of the query's parameters.
    copies
        Whether the request names another object as its source.
    """
    own = [name for name in query if name != "x-id" and not name.startswith("X-Amz-")]
    for operation in OPERATIONS:
        if operation.fits(method, about, own):
            return COPIES.get(operation.name, operation.name) if copies else operation.name
    return " ".join([method, about, ",".join(sorted(own))]).rstrip()
