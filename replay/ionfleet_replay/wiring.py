"""Checks of what AWS would only find out when the first event comes, or find out when it creates the resources."""

from __future__ import annotations

from collections.abc import Iterator

from ionfleet_replay import definition
from ionfleet_replay.authority import Authority
from ionfleet_replay.environment import Function
from ionfleet_replay.errors import ReplayError
from ionfleet_replay.iam import EVERYONE, AccessDeniedError
from ionfleet_replay.stack import Stack, StateMachine

POLLING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""What Lambda does with a queue in the role of the function that gets its messages."""

LOGGING = ("logs:CreateLogStream", "logs:PutLogEvents")
"""What Lambda does with a function's log group, in the function's role."""

DELIVERY = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)
"""What Step Functions needs to write the log of a state machine; the actions know no resources."""

TRACING = ("xray:PutTelemetryRecords", "xray:PutTraceSegments")
SAMPLING = ("xray:GetSamplingRules", "xray:GetSamplingTargets")
"""What X-Ray's traces need, and those of Step Functions besides; the actions know no resources."""

CHILD = "any:child"
"""Stands for the label of a map and the name that Step Functions gives to an execution that it starts for it."""

Requirement = tuple[str, str, str, str]
"""What would not work, and the principal, action and resource of the access that it needs."""


def check(stack: Stack, authority: Authority) -> None:
    """Check that services can assume the roles they are given, and reach what they are connected to.

    Raises
    ------
    ReplayError
        A grant is missing: says what would not work, and names principal, action and resource.
    """
    for service, role, source in _assumed(stack):
        context = {"aws:sourcearn": source, "aws:sourceaccount": stack.account.id}
        if not stack.policies.assumable(role, service, context):
            problem = f"{service} is not authorized to perform: sts:AssumeRole on resource: {role}"
            raise ReplayError(f"A role cannot be assumed: {problem}. Allow it in its AssumeRolePolicyDocument.")
    for what, principal, action, resource in _requirements(stack):
        try:
            authority.require(principal, action, resource)
        except AccessDeniedError as denied:
            raise ReplayError(f"{what}: {denied}. Add the grant to the template.") from denied


def _requirements(stack: Stack) -> Iterator[Requirement]:
    yield from _rules(stack)
    yield from _sources(stack)
    yield from _alarms(stack)
    for function in stack.functions.values():
        yield from _function(stack, function)
    for machine in stack.machines:
        yield from _machine(machine)
        if definition.has_map(definition.load(machine.definition)):
            yield from _map(stack, machine)


def _assumed(stack: Stack) -> Iterator[tuple[str, str, str]]:
    """Yield every service, the role that it acts in, and on whose behalf."""
    for function in stack.functions.values():
        yield "lambda.amazonaws.com", function.role, function.arn
    for machine in stack.machines:
        yield "states.amazonaws.com", machine.role, machine.arn


def _rules(stack: Stack) -> Iterator[Requirement]:
    """Yield what EventBridge needs; on AWS an event that it may not deliver is lost in silence."""
    for rule in stack.rules:
        for target in rule.targets:
            if target.arn in stack.queues:
                yield "A rule cannot send to its queue", rule.arn, "sqs:SendMessage", target.arn
            else:
                yield "A rule cannot invoke its function", rule.arn, "lambda:InvokeFunction", target.arn
            if target.dead_letters is not None:
                yield "A rule cannot send to its dead-letter queue", rule.arn, "sqs:SendMessage", target.dead_letters


def _sources(stack: Stack) -> Iterator[Requirement]:
    for source in stack.sources:
        role = _function_role(stack, source.function)
        for action in POLLING:
            yield "Lambda cannot poll a queue for its function", role, action, source.queue.arn


def _function_role(stack: Stack, reference: str) -> str:
    return next(
        function.role
        for function in stack.functions.values()
        if reference == function.arn or reference.startswith(f"{function.arn}:")
    )


def _function(stack: Stack, function: Function) -> Iterator[Requirement]:
    """Yield what a function needs beyond what it asks for itself; on AWS what it logs or traces is lost in silence."""
    stream = stack.account.arn("logs", f"log-group:{function.log_group}:log-stream:any")
    for action in LOGGING:
        yield "A function cannot write its log", function.role, action, stream
    for action in TRACING if function.traced else ():
        yield "A function cannot be traced", function.role, action, EVERYONE
    dead_letters = function.asynchronous.dead_letters
    if dead_letters is not None:
        yield "A function has no way to its dead-letter queue", function.role, "sqs:SendMessage", dead_letters


def _machine(machine: StateMachine) -> Iterator[Requirement]:
    for action in DELIVERY if machine.logged else ():
        yield "A state machine cannot write its log", machine.role, action, EVERYONE
    for action in (*TRACING, *SAMPLING) if machine.traced else ():
        yield "A state machine cannot be traced", machine.role, action, EVERYONE


def _map(stack: Stack, machine: StateMachine) -> Iterator[Requirement]:
    """Yield what a distributed map needs: each child is an execution of the state machine itself."""
    yield "A map cannot start its children", machine.role, "states:StartExecution", machine.arn
    child = stack.account.arn("states", f"execution:{machine.name}/{CHILD}")
    for action in ("states:DescribeExecution", "states:StopExecution"):
        yield "A map cannot follow and end its children", machine.role, action, child


def _alarms(stack: Stack) -> Iterator[Requirement]:
    """Yield what CloudWatch needs: an alarm that may not be told of is raised in silence."""
    for alarm, topics in stack.alarms.items():
        for topic in topics:
            yield "An alarm cannot be sent to its topic", alarm, "sns:Publish", topic
