"""One synthesis for all tests of the template, and ways to read it."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from ionfleet_infrastructure.node import use_installed_node

use_installed_node()

from ionfleet_infrastructure.synthesis import make_app  # noqa: E402  (the CDK starts its Node when imported)

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a synthesized assembly."""
    folder = tmp_path_factory.mktemp("assembly")
    make_app(ROOT, folder).synth()
    return folder


@pytest.fixture(scope="session")
def template(assembly: Path) -> Template:
    """The synthesized template."""
    return Template(json.loads((assembly / "Ionfleet.template.json").read_text()))


@pytest.fixture(scope="session")
def definition(template: Template) -> dict[str, Any]:
    """The state machine as Step Functions gets it, each reference spelled `<LogicalId>`."""
    definition: dict[str, Any] = json.loads(spell(template["WorkflowStateMachine"]["DefinitionString"]))
    return definition


@pytest.fixture(scope="session")
def python_3_13() -> Path:
    """An interpreter like the Lambda's."""
    candidates = [Path(sys.executable), *Path.home().glob(".pyenv/versions/3.13*/bin/python"), Path("/usr/bin/python3.13")]
    for candidate in candidates:
        if candidate.exists() and "3.13" in (candidate.name, *candidate.resolve().parts[-1:]):
            return candidate
    pytest.skip("There is no Python 3.13 here.")


@dataclass(frozen=True)
class Template:
    """A synthesized template."""

    body: dict[str, Any]

    def __getitem__(self, logical_id: str) -> dict[str, Any]:
        """Return a resource's properties."""
        properties: dict[str, Any] = self.body["Resources"][logical_id]["Properties"]
        return properties

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
            and action in as_list(statement["Action"])
            and any(fnmatchcase(resource, spell(pattern)) for pattern in as_list(statement["Resource"]))
            and _meets(statement.get("Condition", {}), request)
            for statement in self._statements(role)
        )

    def _statements(self, role: str) -> Iterator[dict[str, Any]]:
        for policy in self.of_type("AWS::IAM::Policy").values():
            if {"Ref": role} in policy["Roles"]:
                yield from policy["PolicyDocument"]["Statement"]


def as_list(value: Any) -> list[Any]:
    """Return a value that may stand alone as a list."""
    return value if isinstance(value, list) else [value]


def spell(value: Any) -> str:
    """Write a string with references in it."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::Join": ["", parts]}:
            return "".join(map(spell, parts))
    raise AssertionError(f"The template has a string that tests cannot read: {value}")


def _meets(conditions: dict[str, dict[str, list[str]]], request: dict[str, str]) -> bool:
    """Evaluate the one condition that our roles use."""
    assert conditions.keys() <= {"StringLikeIfExists"}
    prefixes = conditions.get("StringLikeIfExists", {}).get("s3:prefix", ["*"])
    return "prefix" not in request or any(fnmatchcase(request["prefix"], pattern) for pattern in prefixes)
