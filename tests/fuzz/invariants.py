"""What holds for everything that Ionfleet says about an input, whatever the input."""

from __future__ import annotations

import re
from collections.abc import Iterable

from ionfleet.errors import IonfleetError
from ionfleet.findings import Finding

MAX_MESSAGE = 10_000
"""Characters of one finding's message: a status document holds a hundred of them."""
MAX_ERROR = 64 * 1024
"""Characters of an error's message, which may list many findings; Step Functions carries 32,768 bytes of a cause."""


def assert_fit_to_show(text: str, limit: int = MAX_MESSAGE) -> None:
    """Assert that a text says something and does not flood whoever reads it."""
    assert text.strip(), "the text is blank"
    assert len(text) <= limit, f"the text has {len(text):,} characters: {text[:200]!r}"


def assert_named(error: IonfleetError) -> None:
    """Assert that an error's message can be shown to a user."""
    assert_fit_to_show(str(error), MAX_ERROR)


def assert_findings(findings: Iterable[Finding]) -> None:
    """Assert that findings are well-formed and can be shown."""
    for finding in findings:
        assert re.fullmatch(r"[a-z0-9-]+", finding.code), finding.code
        assert finding.severity in {"error", "warning"}
        assert_fit_to_show(finding.message)
        assert len(finding.where) <= MAX_MESSAGE
