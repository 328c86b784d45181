"""Logs, traces and metrics of all functions: made once here, configured by the template's environment variables."""

from __future__ import annotations

import json
import os
from typing import Any

from aws_lambda_powertools import Logger, Metrics, Tracer

from ionfleet.text import escaped_json


def _line(entry: dict[str, Any]) -> str:
    """Return an entry of the log as a line that a terminal shows and does not obey."""
    return escaped_json(json.dumps(entry, ensure_ascii=False, separators=(",", ":"), default=str))


logger = Logger(json_serializer=_line)
# Without a namespace, writing the metrics down would fail, and hide the error of the invocation behind its own.
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Ionfleet"))
# Only what is used is patched: patching everything would import every library that the X-Ray SDK knows.
tracer = Tracer(patch_modules=("botocore",))
