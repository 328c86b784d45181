"""Logs, traces and metrics of all functions: made once here, configured by the template's environment variables."""

from __future__ import annotations

import os

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
# Without a namespace, writing the metrics down would fail, and hide the error of the invocation behind its own.
metrics = Metrics(namespace=os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "Ionfleet"))
# Only what is used is patched: patching everything would import every library that the X-Ray SDK knows.
tracer = Tracer(patch_modules=("botocore",))
