"""How long objects of the local cloud take to write and read, each beside its floor of the same run: `make bench`.

Wall time, the least of several repetitions, on a server with nothing but S3 behind it.
"""

from __future__ import annotations

import hashlib
import http.client
import itertools
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ionfleet_replay.account import ADMINISTRATOR, Account
from ionfleet_replay.calls import Call, Response, refusal
from ionfleet_replay.objects import Objects
from ionfleet_replay.s3 import S3
from ionfleet_replay.server import Server
from ionfleet_replay.transfers import Transfers

MB = 2**20
LARGE = 256 * MB
SMALL = 4000
BUCKET = "bench"


def seconds(work: Callable[[], object], times: int = 5) -> float:
    """Return the least wall time of several runs."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def line(name: str, value: float, floor: float, what: str) -> None:
    """Print a time beside its floor."""
    print(f"{name:44s} {value * 1e3:10.3g} ms  {value / floor:8.1f} × {what} ({floor * 1e3:.3g} ms)")


@contextmanager
def service(folder: Path) -> Iterator[tuple[Account, Server]]:
    """Run a server of S3."""
    account, objects = Account(), Objects(folder / "objects", lambda _: None)
    objects.open()
    server = Server(_nothing, [S3(objects)])
    account.endpoint_url = server.endpoint_url
    server.start()
    try:
        yield account, server
    finally:
        server.stop()
        account.close()
        objects.close()


def _nothing(call: Call) -> Response:
    return refusal(call, "501 Not Implemented", "NotImplemented", "S3 only")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with service(folder) as (account, server):
            s3 = account.client("s3")
            s3.create_bucket(Bucket=BUCKET)
            small(s3, account, folder)
            large(s3, folder)
            files(Transfers(account, server.handle), folder)


def small(s3: Any, account: Account, folder: Path) -> None:
    """Time objects of the size of an ion image."""
    body, numbers = os.urandom(SMALL), itertools.count()
    place = {"Bucket": BUCKET, "Key": "small"}
    s3.put_object(**place, Body=body)
    plain = seconds(lambda: (folder / f"{next(numbers)}").write_bytes(body), 200)
    put = seconds(lambda: s3.put_object(Bucket=BUCKET, Key=f"{next(numbers)}", Body=body), 200)
    line("PUT of 4 kB", put, plain, "writing a file")
    plain = seconds((folder / "0").read_bytes, 200)
    line("GET of 4 kB", seconds(lambda: s3.get_object(**place)["Body"].read(), 200), plain, "reading a file")
    connection = http.client.HTTPConnection(account.endpoint_url.removeprefix("http://"))
    access_key = account.credentials(ADMINISTRATOR).access_key
    signed = {"Authorization": f"Credential={access_key}/0/us-east-1/s3/aws4_request"}

    def get() -> None:
        connection.request("GET", f"/{BUCKET}/small", headers=signed)
        connection.getresponse().read()

    line("GET of 4 kB without boto3", seconds(get, 200), plain, "reading a file")
    connection.close()


def large(s3: Any, folder: Path) -> None:
    """Time an object of the size of a small dataset."""
    path, target = folder / "large", {"Bucket": BUCKET, "Key": "large"}
    with path.open("wb") as file:
        file.writelines(os.urandom(MB) for _ in range(LARGE // MB))
    before = _peak()

    def put() -> None:
        with path.open("rb") as file:
            s3.put_object(**target, Body=file)

    def digest() -> None:
        with path.open("rb") as file:
            hashlib.file_digest(file, "md5")

    def read() -> None:
        with path.open("rb") as file:
            _drain(file)

    line("PUT of 256 MB", seconds(put, 2), seconds(digest, 2), "its MD5")
    get = seconds(lambda: _drain(s3.get_object(**target)["Body"]), 2)
    line("GET of 256 MB", get, seconds(read, 2), "reading a file")
    span = f"bytes={128 * MB}-{129 * MB - 1}"
    get = seconds(lambda: s3.get_object(**target, Range=span)["Body"].read(), 20)
    descriptor = os.open(path, os.O_RDONLY)
    line("1 MB range of 256 MB", get, seconds(lambda: os.pread(descriptor, MB, 128 * MB), 20), "pread")
    os.close(descriptor)
    print(f"{'memory that all this took, client and server':44s} {_peak() - before:10.3g} MB")


def files(transfers: Transfers, folder: Path) -> None:
    """Time files that enter by reference, and objects that leave without a socket."""
    path, numbers = folder / "large", itertools.count()
    copy = seconds(lambda: shutil.copyfile(path, folder / f"copy{next(numbers)}"), 2)
    put = seconds(lambda: transfers.put(BUCKET, "file", path), 2)
    line("a file of 256 MB becomes an object", put, copy, "copying it")
    get = seconds(lambda: transfers.get(BUCKET, "file", folder / f"out{next(numbers)}"), 2)
    line("an object of 256 MB becomes a file", get, copy, "copying it")


def _drain(body: Any) -> None:
    while body.read(MB):
        continue


def _peak() -> float:
    """Return the most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
