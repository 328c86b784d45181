"""Imports point one way: handlers → adapters → domain → nothing of ours."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import ionfleet_replay

ROOT = Path(__file__).resolve().parents[2]
OURS = {"ionfleet", "ionfleet_aws", "ionfleet_infrastructure", "ionfleet_replay", "ionfleet_cli", "ionfleet_simulate"}
AWS = {"boto3", "botocore", "aws_lambda_powertools", "aws_xray_sdk", "aws_cdk", "moto"}
ALLOWED = {
    "layers/engine/python/ionfleet": {"ionfleet"},
    "layers/engine/python/ionfleet/client": {"ionfleet", "botocore"},
    "layers/adapters/python/ionfleet_aws": {"ionfleet", "ionfleet_aws", "boto3", "botocore", "aws_lambda_powertools"},
    "functions": {"ionfleet", "ionfleet_aws", "aws_lambda_powertools"},
    "infrastructure/ionfleet_infrastructure": {"ionfleet_infrastructure", "aws_cdk"},
    "replay/ionfleet_replay": {"ionfleet_replay", "boto3", "botocore", "moto"},
    "simulate/ionfleet_simulate": {"ionfleet", "ionfleet_simulate"},
    "cli/ionfleet_cli": {
        "ionfleet",
        "ionfleet_aws",
        "ionfleet_replay",
        "ionfleet_simulate",
        "ionfleet_cli",
        "boto3",
        "botocore",
    },
}


def imported(file: Path) -> Iterator[str]:
    """Yield the packages that a file imports."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


CLIENT = ROOT / "layers/engine/python/ionfleet/client"


def modules(file: Path) -> set[str]:
    """Return the dotted names that a file imports."""
    nodes = list(ast.walk(ast.parse(file.read_text(encoding="utf-8"))))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}


def test_what_needs_no_cloud_of_this_machine_does_not_wait_for_its_imports() -> None:
    program = "import sys, ionfleet_cli.image, ionfleet_cli.following; sys.exit('moto' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_every_name_of_the_local_runtime_is_there() -> None:
    assert all(
        getattr(ionfleet_replay, name).__module__.startswith("ionfleet_replay")
        for name in ionfleet_replay.__all__
        if name != "Observation"
    )
    with pytest.raises(AttributeError, match="has no attribute 'Clouds'"):
        ionfleet_replay.Clouds  # noqa: B018


def test_what_is_in_the_layers_does_not_know_the_client_that_is_not() -> None:
    files = [file for file in (ROOT / "layers").rglob("python/ionfleet*/**/*.py") if CLIENT not in file.parents]
    assert len(files) > 50
    assert not [file for file in files if any(name.startswith("ionfleet.client") for name in modules(file))]


@pytest.mark.parametrize("folder", ALLOWED)
def test_a_part_imports_only_what_it_may_know(folder: str) -> None:
    own = {ROOT / other for other in ALLOWED if other.startswith(f"{folder}/")}
    files = [file for file in sorted((ROOT / folder).rglob("*.py")) if not own & {*file.parents}]
    assert files
    wrong = {
        f"{file.relative_to(ROOT)}: {name}"
        for file in files
        for name in imported(file)
        if name in (OURS | AWS) - ALLOWED[folder]
    }
    assert not wrong
