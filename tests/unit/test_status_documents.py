"""Documents about inputs: which stands when several tell of one, and how long they may be."""

from __future__ import annotations

import itertools
import json
from typing import Any

from ionfleet.findings import Finding, report
from ionfleet.identity import timestamp
from ionfleet.status import MAX_FINDINGS, JobStatus, UploadStatus, bounded, read_status, report_input, report_waiting
from ionfleet.store import MemoryStore

from .memory_cloud import after

STATUS_KEY = "inputs/datasets/lab/brain/status.json"


class TestDocuments:
    def status(self, state: Any, minutes: float) -> UploadStatus:
        return UploadStatus(state=state, name="brain", at=timestamp(after(minutes)))

    def state(self, results: MemoryStore) -> str:
        return str(json.loads(results.get(STATUS_KEY))["state"])

    def test_waiting_never_overwrites(self) -> None:
        results = MemoryStore()
        report_input(results, STATUS_KEY, self.status("rejected", 0))
        report_waiting(results, STATUS_KEY, self.status("waiting", 5))
        assert self.state(results) == "rejected"

    def test_the_document_about_the_later_upload_stands(self) -> None:
        for order in itertools.permutations([("planned", 1.0), ("rejected", 2.0), ("failed", 0.0)]):
            results = MemoryStore()
            for state, minutes in order:
                report_input(results, STATUS_KEY, self.status(state, minutes))
            assert self.state(results) == "rejected"

    def test_waiting_gives_way_to_what_became_of_the_pair(self) -> None:
        results = MemoryStore()
        report_waiting(results, STATUS_KEY, self.status("waiting", 5))
        assert report_input(results, STATUS_KEY, self.status("planned", 4))
        assert self.state(results) == "planned"

    def test_a_document_that_cannot_be_read_is_replaced(self) -> None:
        results = MemoryStore()
        results.replace(STATUS_KEY, b"edited by hand")
        assert read_status(results, STATUS_KEY, JobStatus) is None
        assert report_input(results, STATUS_KEY, self.status("planned", 0))
        assert self.state(results) == "planned"

    def test_findings_are_bounded(self) -> None:
        findings = [Finding("warning", "x", f"finding {number}") for number in range(MAX_FINDINGS + 5)]
        kept = bounded(findings)
        assert kept[:MAX_FINDINGS] == tuple(findings[:MAX_FINDINGS])
        assert [finding.message for finding in kept[MAX_FINDINGS:]] == ["and 5 more findings."]
        assert bounded(findings[:3]) == tuple(findings[:3])

    def test_what_is_left_out_counts_what_it_stands_for(self) -> None:
        findings = [*[Finding("warning", "x", "odd")] * MAX_FINDINGS, Finding("warning", "y", "and 7 more", count=7)]
        last = bounded([*findings, Finding("warning", "z", "odd")])[-1]
        assert (last.message, last.count) == ("and 8 more findings.", 8)
        assert report(findings, limit=MAX_FINDINGS).endswith("odd\nand 7 more.")
