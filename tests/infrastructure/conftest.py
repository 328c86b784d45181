"""One synthesis for all tests of the template, and ways to read it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ionfleet_infrastructure.node import use_installed_node

from ..conftest import Once

use_installed_node()

from ionfleet_infrastructure.synthesis import make_app  # noqa: E402  (the CDK starts its Node when imported)

ROOT = Path(__file__).resolve().parents[2]
TEST_DEPLOYMENT = {"stackName": "IonfleetTest", "removalPolicy": "destroy", "maxConcurrency": "40"}


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def assembly(assembly_of: Callable[..., Path]) -> Path:
    """The folder of a synthesized assembly."""
    return assembly_of()


@pytest.fixture(scope="session")
def template(assembly: Path) -> Template:
    """The synthesized template."""
    return read_template(assembly)


@pytest.fixture(scope="session")
def assembly_of(once: Once) -> Callable[..., Path]:
    """A maker of assemblies of deployments with other settings; each is synthesized once."""

    def make(**context: str) -> Path:
        digest = hashlib.sha256(json.dumps(context, sort_keys=True).encode()).hexdigest()
        return once(f"assembly-{digest}", lambda folder: make_app(ROOT, folder, context=context).synth())

    return make


@pytest.fixture(scope="session")
def read() -> Callable[[Path], Template]:
    """A reader of assemblies' templates."""
    return read_template


@pytest.fixture(scope="session")
def disposable(assembly_of: Callable[..., Path]) -> Template:
    """The template of a small deployment that leaves nothing."""
    return read_template(assembly_of(**TEST_DEPLOYMENT))


@pytest.fixture(scope="session")
def definition(template: Template) -> dict[str, Any]:
    """The state machine as Step Functions gets it, each reference spelled `<LogicalId>`."""
    return template.definition


@pytest.fixture(scope="session")
def python_3_13() -> Path:
    """An interpreter like the Lambda's, where there is one."""
    candidates = [
        sys.executable,
        *map(str, Path.home().glob(".pyenv/versions/3.13*/bin/python")),
        "/usr/bin/python3.13",
    ]
    for candidate in filter(os.path.exists, candidates):
        version = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=True).stdout
        if version.startswith("Python 3.13."):
            return Path(candidate)
    pytest.skip("There is no Python 3.13 here.")


def read_template(assembly: Path) -> Template:
    """Return the template of an assembly."""
    return Template(json.loads((assembly / "Ionfleet.template.json").read_text()))


@dataclass(frozen=True)
class Template:
    """A synthesized template."""

    body: dict[str, Any]

    def __getitem__(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's properties."""
        properties: dict[str, Any] = self.body["Resources"][logical_id].get("Properties", {})
        return properties

    @property
    def definition(self) -> dict[str, Any]:
        """The state machine as Step Functions gets it, each reference spelled `<LogicalId>`."""
        definition: dict[str, Any] = json.loads(self.spell(self["WorkflowStateMachine"]["DefinitionString"]))
        return definition

    def of_type(self, resource_type: str) -> dict[str, dict[str, Any]]:
        """Return the properties of every resource of a type, by logical id."""
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.body["Resources"].items()
            if resource["Type"] == resource_type
        }

    def allows(self, role: str, action: str, resource: str, **request: str) -> bool:
        """Tell whether a role's policies allow an action on a resource, spelled `<LogicalId.Arn>/key`."""
        return any(
            statement["Effect"] == "Allow"
            and action in _as_list(statement["Action"])
            and any(fnmatchcase(resource, self.spell(pattern)) for pattern in _as_list(statement["Resource"]))
            and _meets(statement.get("Condition", {}), request)
            for statement in self._statements(role)
        )

    def spell(self, value: Any) -> str:
        """Write a string with references in it: `<LogicalId>`, `<LogicalId.Attribute>`."""
        match value:
            case str():
                return value
            case {"Ref": name}:
                return f"<{name}>"
            case {"Fn::GetAtt": [name, attribute]}:
                return f"<{name}.{attribute}>"
            case {"Fn::Join": ["", parts]}:
                return "".join(map(self.spell, parts))
        raise AssertionError(f"The template has a string that tests cannot read: {value}")

    def _statements(self, role: str) -> Iterator[dict[str, Any]]:
        for policy in self.of_type("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Roles"]:
                yield from policy["PolicyDocument"]["Statement"]


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _meets(conditions: dict[str, dict[str, list[str]]], request: dict[str, str]) -> bool:
    """Evaluate the one condition that our roles use."""
    assert conditions.keys() <= {"StringLikeIfExists"}
    prefixes = conditions.get("StringLikeIfExists", {}).get("s3:prefix", ["*"])
    return "prefix" not in request or any(fnmatchcase(request["prefix"], pattern) for pattern in prefixes)
