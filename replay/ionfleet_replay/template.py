"""CloudFormation templates: their sections, their intrinsic functions, the order of their resources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from graphlib import CycleError, TopologicalSorter

from ionfleet_replay.errors import ReplayError, TemplateError
from ionfleet_replay.fields import Fields
from ionfleet_replay.paths import Json

SECTIONS = frozenset(
    {"AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules",
     "Resources", "Outputs"}
)  # fmt: skip
RESOURCE_ATTRIBUTES = frozenset(
    {"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
)
BOOTSTRAP_RULE = "CheckBootstrapVersion"
"""A rule that the CDK adds, about the account that is deployed to."""

_NOTHING = object()
"""The value of AWS::NoValue: what has it is left out."""

_PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


@dataclass(frozen=True)
class Resource:
    """One resource, its properties not yet resolved."""

    logical_id: str
    kind: str
    properties: Mapping[str, Json]
    needs: frozenset[str]

    def fields(self, properties: Json) -> Fields:
        """Return its resolved properties for taking."""
        return Fields(self.logical_id, properties, partial(TemplateError, self.logical_id, self.kind))


@dataclass(frozen=True)
class Created:
    """What a created resource is to others: the value of Ref, and of each attribute."""

    ref: str
    attributes: Mapping[str, str] = field(default_factory=dict)


class Template:
    """A template whose references are resolved as its resources are created."""

    def __init__(self, template: Mapping[str, Json], pseudo: Mapping[str, str]) -> None:
        """Take a parsed template and the values of the pseudo parameters, such as `AWS::Region`."""
        for section in template:
            if section not in SECTIONS:
                raise ReplayError(f"The template's section {section!r} is not implemented by the local runtime.")
        for rule in template.get("Rules", {}):
            if rule != BOOTSTRAP_RULE:
                raise ReplayError(f"The template's rule {rule!r} is not implemented by the local runtime.")
        self._mappings = template.get("Mappings", {})
        self._conditions = template.get("Conditions", {})
        self._outputs = template.get("Outputs", {})
        self._values = {**_parameters(template.get("Parameters", {})), **pseudo}
        self._created: dict[str, Created] = {}
        self.resources = self._ordered(template["Resources"])

    def _ordered(self, entries: Mapping[str, Json]) -> list[Resource]:
        """Return the resources whose conditions hold, each after those it needs."""
        resources = {name: _resource(name, entry) for name, entry in entries.items() if self._wanted(name, entry)}
        graph = {name: resource.needs & set(resources) for name, resource in resources.items()}
        try:
            return [resources[name] for name in TopologicalSorter(graph).static_order()]
        except CycleError as problem:
            raise ReplayError(f"The template's resources need each other: {' → '.join(problem.args[1])}.") from problem

    def _wanted(self, name: str, entry: Mapping[str, Json]) -> bool:
        condition = entry.get("Condition")
        return condition is None or self._holds(condition, f"resource {name!r}")

    def created(self, resource: Resource, as_: Created) -> None:
        """Make a resource known to those that refer to it."""
        self._created[resource.logical_id] = as_

    def properties(self, resource: Resource) -> Fields:
        """Return a resource's properties with every function resolved."""
        return resource.fields(self.resolve(resource.properties, f"{resource.logical_id!r} of type {resource.kind}"))

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs, once all resources are created."""
        return {
            name: str(self.resolve(entry["Value"], f"output {name!r}"))
            for name, entry in self._outputs.items()
            if "Condition" not in entry or self._holds(entry["Condition"], f"output {name!r}")
        }

    def resolve(self, value: Json, where: str) -> Json:
        """Return `value` without intrinsic functions; errors name `where` it stands."""
        if isinstance(value, list):
            items = (self.resolve(entry, f"{where}[{index}]") for index, entry in enumerate(value))
            return [item for item in items if item is not _NOTHING]
        if isinstance(value, str):
            if "{{resolve:" in value:
                raise ReplayError(f"In {where}: the dynamic reference {value!r} is not implemented.")
            return value
        if not isinstance(value, dict):
            return value
        name = function_name(value)
        if name is not None:
            return self._call(name, value[name], where)
        entries = {key: self.resolve(entry, f"{where}.{key}") for key, entry in value.items()}
        return {key: entry for key, entry in entries.items() if entry is not _NOTHING}

    def _call(self, name: str, argument: Json, where: str) -> Json:
        functions: Mapping[str, Callable[[Json, str], Json]] = {
            "Ref": self._ref,
            "Fn::GetAtt": self._get_att,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::If": self._if,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
        }
        if name not in functions:
            raise ReplayError(f"In {where}: the function {name} is not implemented; known: {', '.join(functions)}.")
        return functions[name](argument, where)

    def _ref(self, name: str, where: str) -> Json:
        if name == "AWS::NoValue":
            return _NOTHING
        if name in self._created:
            return self._created[name].ref
        if name in self._values:
            return self._values[name]
        raise ReplayError(f"In {where}: Ref to {name!r}, which is neither a resource nor a parameter with a default.")

    def _get_att(self, argument: Json, where: str) -> Json:
        name, attribute = argument.split(".", 1) if isinstance(argument, str) else argument
        created = self._created.get(name)
        if created is None or attribute not in created.attributes:
            known = "no such resource" if created is None else f"known: {', '.join(created.attributes) or 'none'}"
            raise ReplayError(f"In {where}: attribute {attribute!r} of {name!r} is not implemented; {known}.")
        return created.attributes[attribute]

    def _sub(self, argument: Json, where: str) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else argument

        def value(match: re.Match[str]) -> str:
            name = match[1]
            if name.startswith("!"):
                return "${" + name[1:] + "}"
            if name in local:
                return str(self.resolve(local[name], where))
            return str(self._get_att(name, where) if "." in name else self._ref(name, where))

        return _PLACEHOLDER.sub(value, text)

    def _join(self, argument: Json, where: str) -> str:
        separator, values = argument
        return str(separator).join(str(value) for value in self.resolve(values, where))

    def _if(self, argument: Json, where: str) -> Json:
        condition, yes, no = argument
        return self.resolve(yes if self._holds(condition, where) else no, where)

    def _select(self, argument: Json, where: str) -> Json:
        index, values = argument
        return self.resolve(values, where)[int(self.resolve(index, where))]

    def _split(self, argument: Json, where: str) -> list[str]:
        separator, text = argument
        return str(self.resolve(text, where)).split(separator)

    def _find_in_map(self, argument: Json, where: str) -> Json:
        name, first, second = self.resolve(argument, where)
        return self._mappings[name][first][second]

    def _holds(self, condition: str, where: str) -> bool:
        if condition not in self._conditions:
            raise ReplayError(f"In {where}: there is no condition {condition!r}.")
        return self._true(self._conditions[condition], f"condition {condition!r}")

    def _true(self, expression: Json, where: str) -> bool:
        ((name, argument),) = expression.items()
        match name:
            case "Condition":
                return self._holds(argument, where)
            case "Fn::Equals":
                left, right = self.resolve(argument, where)
                return bool(left == right)
            case "Fn::Not":
                return not self._true(argument[0], where)
            case "Fn::And":
                return all(self._true(entry, where) for entry in argument)
            case "Fn::Or":
                return any(self._true(entry, where) for entry in argument)
        raise ReplayError(f"In {where}: the function {name} is not implemented.")


def function_name(value: Mapping[str, Json]) -> str | None:
    """Return the name of the intrinsic function that an object stands for, None where it is just an object."""
    if len(value) != 1:
        return None
    (name,) = value
    return name if name == "Ref" or name.startswith("Fn::") else None


def _parameters(parameters: Mapping[str, Json]) -> dict[str, str]:
    """Return the defaults; parameters of SSM are left out, so that a reference to one is an error."""
    return {
        name: entry["Default"]
        for name, entry in parameters.items()
        if "Default" in entry and not entry["Type"].startswith("AWS::SSM::")
    }


def _resource(name: str, entry: Mapping[str, Json]) -> Resource:
    for attribute in entry:
        if attribute not in RESOURCE_ATTRIBUTES:
            raise TemplateError(name, entry["Type"], attribute, "is not implemented by the local runtime")
    properties = entry.get("Properties", {})
    after = entry.get("DependsOn", [])
    needs = {after} if isinstance(after, str) else set(after)
    return Resource(name, entry["Type"], properties, frozenset(needs | set(_references(properties))))


def _references(value: Json) -> Iterator[str]:
    """Yield the logical ids (and parameters) that a value refers to."""
    if isinstance(value, list):
        for entry in value:
            yield from _references(entry)
    elif isinstance(value, dict):
        name = function_name(value)
        if name == "Ref":
            yield value[name]
        elif name == "Fn::GetAtt":
            yield value[name].split(".")[0] if isinstance(value[name], str) else value[name][0]
        elif name == "Fn::Sub":
            text = value[name] if isinstance(value[name], str) else value[name][0]
            yield from (match.split(".")[0] for match in _PLACEHOLDER.findall(text))
        for entry in value.values():
            yield from _references(entry)
