"""Logs, traces and metrics of all functions: made once here, configured by the template's environment variables."""

from __future__ import annotations

from aws_lambda_powertools import Logger, Metrics, Tracer

logger = Logger()
metrics = Metrics()
# Only what is used is patched: patching everything would import every library that the X-Ray SDK knows.
tracer = Tracer(patch_modules=("botocore",))
