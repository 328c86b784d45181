"""Policies as IAM evaluates them: default deny, explicit deny first; what is not implemented is refused when loaded.

Implemented are the elements, the condition operators and the condition keys that this module lists.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeAlias

from ionfleet_replay.errors import ReplayError
from ionfleet_replay.fields import Fields
from ionfleet_replay.paths import Json

VERSION = "2012-10-17"

CONDITION_KEYS = {
    "aws:securetransport",
    "aws:sourceaccount",
    "aws:sourcearn",
    "s3:if-none-match",
    "s3:objectcreationoperation",
    "s3:prefix",
}
"""Condition keys that requests have values for, where they apply; IAM ignores their case."""

IF_EXISTS = "IfExists"
NULL = "Null"
EVERYONE = "*"
ARN_PARTS = 6


@dataclass(frozen=True)
class Access:
    """Someone's wish to do something: `principal` is a role's ARN or a service, `context` the condition keys' values.

    The context's keys are in lower case.
    """

    principal: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)


class AccessDeniedError(ReplayError):
    """A principal may not do something; the message is AWS's, and names principal, action and resource."""

    def __init__(self, access: Access, reason: str) -> None:
        super().__init__(
            f"User: {access.principal} is not authorized to perform: {access.action} "
            f"on resource: {access.resource} {reason}"
        )


@lru_cache(maxsize=4096)
def _glob(pattern: str) -> re.Pattern[str]:
    """Return what `*` (any text) and `?` (any character) stand for."""
    return re.compile("".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern), re.DOTALL)


def _like(value: str, pattern: str) -> bool:
    return _glob(pattern).fullmatch(value) is not None


def _arn_like(value: str, pattern: str) -> bool:
    """Compare ARNs part by part: a wildcard does not reach over a colon, but in the last part."""
    values, patterns = value.split(":", ARN_PARTS - 1), pattern.split(":", ARN_PARTS - 1)
    return len(values) == len(patterns) and all(map(_like, values, patterns))


def _same_truth(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


Compare: TypeAlias = Callable[[str, str], bool]

OPERATORS: Mapping[str, Compare] = {
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _same_truth,
    "StringEquals": str.__eq__,
    "StringLike": _like,
}
"""Condition operators, each of which may also end with `IfExists`. IAM has ArnEquals behave like ArnLike."""


@dataclass(frozen=True)
class Condition:
    """A condition on one key: any of the values has to compare."""

    key: str
    compare: Compare
    values: tuple[str, ...]
    if_exists: bool

    def holds(self, context: Mapping[str, str]) -> bool:
        """Return whether a request with this context meets the condition."""
        if self.key not in context:
            return self.if_exists
        return any(self.compare(context[self.key], value) for value in self.values)


@dataclass(frozen=True)
class Presence:
    """A condition on whether a request has a value for a key at all."""

    key: str
    expected: bool

    def holds(self, context: Mapping[str, str]) -> bool:
        """Return whether a request with this context meets the condition."""
        return (self.key in context) == self.expected


def source_is(arn: str) -> Condition:
    """Return the condition that a request is made on behalf of a resource."""
    return Condition("aws:sourcearn", _arn_like, (arn,), if_exists=False)


@dataclass(frozen=True)
class Statement:
    """One statement; `where` says where in the template it stands, `principals` are None in the policies of roles.

    It is about `resources` but for those that are `spared`.
    """

    where: str
    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition | Presence, ...] = ()
    principals: tuple[str, ...] | None = None
    spared: tuple[str, ...] = ()

    def applies(self, access: Access) -> bool:
        """Return whether the statement is about an access."""
        return (
            (self.principals is None or bool({EVERYONE, access.principal} & set(self.principals)))
            and any(_like(access.action.lower(), action.lower()) for action in self.actions)
            and any(_like(access.resource, resource) for resource in self.resources)
            and not any(_like(access.resource, resource) for resource in self.spared)
            and all(condition.holds(access.context) for condition in self.conditions)
        )


@dataclass
class Policies:
    """The statements of a template: of roles by ARN, of resources by ARN, and on who may assume roles.

    `keys` has the ARN of the key that a resource is encrypted with, where that is one of the template's.
    """

    identity: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    trust: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    resource: dict[str, tuple[Statement, ...]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)

    def of_role(self, role: str, statements: Sequence[Statement]) -> None:
        """Add a policy to a role."""
        self.identity[role] = (*self.identity.get(role, ()), *statements)

    def of_resource(self, arn: str, statements: Sequence[Statement]) -> None:
        """Add a policy to a resource."""
        self.resource[arn] = (*self.resource.get(arn, ()), *statements)

    def grants(self) -> Iterator[tuple[Statement, str]]:
        """Yield each action of each statement that allows something: those of roles, of resources, and on roles."""
        for policies in (self.identity, self.resource, self.trust):
            for statements in policies.values():
                yield from ((each, action) for each in statements if each.allows for action in each.actions)

    def without(self, statement: Statement, action: str) -> Policies:
        """Return the policies as they are when one action is taken out of one statement."""
        rest = replace(statement, actions=tuple(each for each in statement.actions if each != action))

        def kept(policies: Mapping[str, tuple[Statement, ...]]) -> dict[str, tuple[Statement, ...]]:
            return {arn: tuple(rest if each is statement else each for each in own) for arn, own in policies.items()}

        return Policies(kept(self.identity), kept(self.trust), kept(self.resource), self.keys)

    def denial(self, access: Access) -> str | None:
        """Return why an access is denied, in AWS's words; None where it is allowed."""
        policies = {
            "identity": self.identity.get(access.principal, ()) if self._delegated(access) else (),
            "resource": self.resource.get(_owner(access.resource), ()),
        }
        found = {kind: [each for each in policies[kind] if each.applies(access)] for kind in policies}
        for kind, statements in found.items():
            if not all(statement.allows for statement in statements):
                return f"with an explicit deny in {'an identity' if kind == 'identity' else 'a resource'}-based policy"
        if any(found.values()):
            return None
        kind = "identity" if access.principal.startswith("arn:") else "resource"
        return f"because no {kind}-based policy allows the {access.action} action"

    def _delegated(self, access: Access) -> bool:
        """Return whether the policies of roles count: a key has to leave the decision to its account for that."""
        if not access.resource.startswith("arn:aws:kms:"):
            return True
        owner = replace(access, principal=account_root(access.resource.split(":")[4]))
        return any(each.allows and each.applies(owner) for each in self.resource.get(access.resource, ()))

    def assumable(self, role: str, service: str, context: Mapping[str, str]) -> bool:
        """Return whether a service may act in a role; `context` says on whose behalf it would."""
        access = Access(service, "sts:AssumeRole", role, context)
        found = [statement for statement in self.trust.get(role, ()) if statement.applies(access)]
        return bool(found) and all(statement.allows for statement in found)


def account_root(account: str) -> str:
    """Return the principal that means an account: what it is granted, the account's own policies may pass on."""
    return f"arn:aws:iam::{account}:root"


def _owner(resource: str) -> str:
    """Return the ARN that a resource's policies are kept by: an object's are those of its bucket."""
    return resource.partition("/")[0] if resource.startswith("arn:aws:s3:::") else resource


def identity_statements(document: Fields) -> tuple[Statement, ...]:
    """Parse a policy of a role; errors are those of the fields."""
    return tuple(
        _statement(entry, resources=_texts(entry, "Resource"), principals=None) for entry in _entries(document)
    )


def resource_statements(document: Fields) -> tuple[Statement, ...]:
    """Parse a policy of a resource; errors are those of the fields."""
    return tuple(_resource_statement(entry) for entry in _entries(document))


def _resource_statement(entry: Fields) -> Statement:
    principals = _principals(entry)
    if "NotResource" in entry:
        spared = _texts(entry, "NotResource")
        return replace(_statement(entry, resources=(EVERYONE,), principals=principals), spared=spared)
    return _statement(entry, resources=_texts(entry, "Resource"), principals=principals)


def key_statements(document: Fields, account: str) -> tuple[Statement, ...]:
    """Parse the policy of a key, which may grant something to its whole account; errors are those of the fields."""
    return tuple(
        _statement(entry, _texts(entry, "Resource"), _principals(entry, account_root(account)))
        for entry in _entries(document)
    )


def trust_statements(document: Fields) -> tuple[Statement, ...]:
    """Parse the policy on who may assume a role; errors are those of the fields."""
    return tuple(
        _statement(entry, resources=(EVERYONE,), principals=_principals(entry)) for entry in _entries(document)
    )


def _entries(document: Fields) -> list[Fields]:
    document.one_of("Version", (VERSION,), default=VERSION)
    document.ignore("Id")
    entries = document.entries("Statement")
    document.finish()
    return entries


def _statement(fields: Fields, resources: tuple[str, ...], principals: tuple[str, ...] | None) -> Statement:
    fields.ignore("Sid")
    statement = Statement(
        where=f"{fields.owner}.{fields.where}",
        allows=fields.one_of("Effect", ("Allow", "Deny")) == "Allow",
        actions=_texts(fields, "Action"),
        resources=resources,
        conditions=_conditions(fields.section("Condition")),
        principals=principals,
    )
    fields.finish()
    return statement


def _principals(fields: Fields, *others: str) -> tuple[str, ...]:
    """Return services, ARNs of roles, `EVERYONE`, or what else is known."""
    value = fields.take("Principal")
    if value == EVERYONE:
        return (EVERYONE,)
    section = Fields(fields.owner, value, fields.fail, f"{fields.where}.Principal")
    names = [*_texts(section, "Service", required=False), *(arns := _texts(section, "AWS", required=False))]
    section.finish()
    for arn in arns:
        if arn not in (EVERYONE, *others) and ":role/" not in arn:
            raise fields.error("Principal", f"{arn!r} is not implemented, only roles and '*'")
    return tuple(names)


def _conditions(section: Fields) -> tuple[Condition | Presence, ...]:
    conditions: list[Condition | Presence] = []
    for operator in section.names():
        compare = OPERATORS.get(operator.removesuffix(IF_EXISTS))
        if compare is None and operator != NULL:
            known = " or ".join(OPERATORS)
            raise section.error(operator, f"is not implemented, only {NULL} or {known}, these also with {IF_EXISTS}")
        keys = section.section(operator)
        for key in keys.names():
            if key.lower() not in CONDITION_KEYS:
                raise keys.error(key, f"is not implemented, only {' or '.join(sorted(CONDITION_KEYS))}")
            if compare is None:
                conditions.append(Presence(key.lower(), keys.one_of(key, ("true", "false")) == "false"))
            else:
                conditions.append(Condition(key.lower(), compare, _texts(keys, key), operator.endswith(IF_EXISTS)))
    return tuple(conditions)


def _texts(fields: Fields, name: str, *, required: bool = True) -> tuple[str, ...]:
    """Return a field that is one text or an array of them; policy variables are not implemented."""
    value: Json = fields.take(name, [])
    values = value if isinstance(value, list) else [value]
    if required and not values:
        raise fields.error(name, "missing")
    for text in values:
        if not isinstance(text, str) or "${" in text:
            raise fields.error(name, f"found {text!r}, expected text without policy variables")
    return tuple(values)
