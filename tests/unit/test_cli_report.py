"""`ionfleet report`: the page of results in a private bucket."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from botocore.config import Config
from botocore.stub import Stubber
from rich.console import Console

from ionfleet.report.page import page, page_of
from ionfleet_cli.deployment import Address
from ionfleet_cli.failures import CommandError, UsageError
from ionfleet_cli.private_report import make_report, presigned

PREFIX = "results/ds-0a/job-1b/"
BUCKET = "lab-results"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    session = botocore.session.get_session()
    return session.create_client("s3", region_name="eu-central-1", config=Config(signature_version="s3v4"))


def listing(client, *names: str) -> Stubber:
    stubber = Stubber(client)
    answer = {"Contents": [{"Key": PREFIX + name} for name in names], "IsTruncated": False}
    stubber.add_response("list_objects_v2", answer, {"Bucket": BUCKET, "Prefix": f"{PREFIX}report/"})
    return stubber


def test_every_script_has_an_address_that_ends(client) -> None:
    with listing(client, "report/dataset.js", "report/images/000000.js"):
        addresses = presigned(client, BUCKET, PREFIX, 3600)
    assert addresses.keys() == {"report/dataset.js", "report/images/000000.js"}
    address = urlsplit(addresses["report/images/000000.js"])
    assert address.netloc.startswith(BUCKET)
    assert address.path.endswith(f"{PREFIX}report/images/000000.js")
    assert parse_qs(address.query)["X-Amz-Expires"] == ["3600"]


def test_the_page_may_load_from_these_hosts_alone() -> None:
    text = page_of({"report/dataset.js": "https://b.s3.amazonaws.com/x?<&=1"}).decode()
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)[1]
    assert "'self' file: https://b.s3.amazonaws.com;" in policy
    written = re.search(r'id="addresses">(.*?)</script>', text)[1]
    assert json.loads(written) == {"report/dataset.js": "https://b.s3.amazonaws.com/x?<&=1"}
    assert "<" not in written
    assert page_of({}) == page()


def make(place: str, out: Path) -> None:
    make_report(place, out, 1, Address(), Console())


@pytest.mark.parametrize("address", ["s3://bucket", "s3://b/results/ds-0/x/", "s3://b/results/job-1/"])
def test_what_is_no_address_of_results_is_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no job's results"):
        make(address, tmp_path / "report.html")


@pytest.mark.parametrize("place", ["https://b/results/ds-0/job-1/", "nowhere/brain-results", "brain.imzML"])
def test_a_path_that_leads_nowhere_is_no_job(place: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="check the path"):
        make(place, tmp_path / "report.html")


def test_results_without_a_page_are_told(client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session.create_client", lambda *_args, **_options: client)
    with listing(client), pytest.raises(CommandError, match="There is no page in"):
        make(f"s3://{BUCKET}/{PREFIX}", tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()
    with listing(client, "report/dataset.js"):
        make(f"s3://{BUCKET}/{PREFIX}", tmp_path / "report.html")
    assert (tmp_path / "report.html").exists()


def test_results_in_a_folder_have_their_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match=r"holds no report\.html"):
        make(str(tmp_path), tmp_path / "other.html")
    (tmp_path / "report.html").touch()
    make(str(tmp_path), tmp_path / "other.html")
    assert str(tmp_path / "report.html") in capsys.readouterr().out.replace("\n", "")
    assert not (tmp_path / "other.html").exists()
