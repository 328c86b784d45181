"""The rules of cdk-nag and cfn-lint."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations, aws_s3
from cdk_nag import AwsSolutionsChecks

from ionfleet_infrastructure.synthesis import make_app

from .conftest import TEST_DEPLOYMENT

LINT_EXCEPTIONS = [
    "W3005",  # the CDK makes a function depend on its role and its role's policy, of which the first is implied
]


def synthesize_checked(app: App) -> None:
    """Synthesize an app under the rules for solutions on AWS."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()


@pytest.mark.parametrize("removal_policy", ["retain", "destroy"])
def test_every_finding_of_cdk_nag_is_acknowledged(root: Path, tmp_path: Path, removal_policy: str) -> None:
    synthesize_checked(make_app(root, tmp_path, context={"removalPolicy": removal_policy}))
    (report,) = json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
    assert (report["pluginName"], report["violations"]) == ("AwsSolutions", [])


def test_a_finding_that_is_not_acknowledged_stops_the_synthesis(tmp_path: Path) -> None:
    app = App(outdir=str(tmp_path), analytics_reporting=False)
    aws_s3.Bucket(Stack(app, "Careless"), "OpenBucket")
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        synthesize_checked(app)
    (report,) = json.loads((tmp_path / "validation-report.json").read_text())["pluginReports"]
    assert "AwsSolutions-S10" in {violation["ruleName"] for violation in report["violations"]}


def test_cfn_lint_has_nothing_to_say(assembly: Path, assembly_of: Callable[..., Path]) -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--ignore-checks", *LINT_EXCEPTIONS]
    templates = [str(each / "Ionfleet.template.json") for each in (assembly, assembly_of(**TEST_DEPLOYMENT))]
    result = subprocess.run([*lint, "--", *templates], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "")
