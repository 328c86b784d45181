"""One function for each resource type: takes the properties it honours, creates the resource, refuses the rest.

A property is *honoured* when it is taken and used; *recorded* when `ignore` takes it, because on one machine, for the
length of one run, it changes nothing that a function could see. Whatever is left over is an error.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from ionfleet_replay.environment import AsynchronousPolicy, Function
from ionfleet_replay.errors import PatternError, TemplateError
from ionfleet_replay.events import Rule, Target
from ionfleet_replay.fields import Fields
from ionfleet_replay.iam import (
    Statement,
    identity_statements,
    key_statements,
    resource_statements,
    source_is,
    trust_statements,
)
from ionfleet_replay.patterns import compile_pattern
from ionfleet_replay.queues import API_BATCH, DEFAULT_CONCURRENCY, EventSource, Queue
from ionfleet_replay.stack import Stack, StateMachine
from ionfleet_replay.template import Created, Template

Creator: TypeAlias = Callable[[Stack, Fields], Created]

CREATORS: dict[str, Creator] = {}

QUEUE_ATTRIBUTES = (
    "VisibilityTimeout",
    "MessageRetentionPeriod",
    "DelaySeconds",
    "MaximumMessageSize",
    "ReceiveMessageWaitTimeSeconds",
)
DEFAULT_VISIBILITY = 30
DEFAULT_MEMORY_MB = 128
DEFAULT_TIMEOUT = 3


def create_all(template: Template, stack: Stack) -> None:
    """Create every resource of a template, in order.

    Raises
    ------
    TemplateError
        Naming logical id, type and property of what is not implemented.
    """
    for resource in template.resources:
        creator = CREATORS.get(resource.kind)
        if creator is None:
            raise TemplateError(resource.logical_id, resource.kind, "Type", "is not implemented by the local runtime")
        properties = template.properties(resource)
        created = creator(stack, properties)
        properties.finish()
        template.created(resource, created)


def creates(*kinds: str) -> Callable[[Creator], Creator]:
    """Register a creator for resource types."""

    def register(creator: Creator) -> Creator:
        CREATORS.update(dict.fromkeys(kinds, creator))
        return creator

    return register


def _name(stack: Stack, properties: Fields, field: str) -> str:
    return properties.of(str, field, stack.physical_name(properties.owner))


@creates("AWS::S3::Bucket")
def _bucket(stack: Stack, properties: Fields) -> Created:
    # Objects live as long as the run, behind a loopback port.
    properties.ignore("BucketEncryption", "LifecycleConfiguration", "OwnershipControls", "Tags")
    properties.ignore("PublicAccessBlockConfiguration")
    name = _name(stack, properties, "BucketName").lower()
    client = stack.account.client("s3")
    client.create_bucket(Bucket=name)
    versioning = properties.section("VersioningConfiguration")
    status = versioning.one_of("Status", (None, "Enabled", "Suspended"))
    versioning.finish()
    if status is not None:
        client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    if _sends_events(properties.section("NotificationConfiguration")):
        stack.notifying_buckets.add(name)
    return Created(name, {"Arn": f"arn:aws:s3:::{name}"})


def _sends_events(notification: Fields) -> bool:
    present = "EventBridgeConfiguration" in notification
    bridge = notification.section("EventBridgeConfiguration")
    enabled = bridge.of(bool, "EventBridgeEnabled", True)
    bridge.finish()
    notification.finish()
    return present and enabled


@creates("AWS::S3::BucketPolicy")
def _bucket_policy(stack: Stack, properties: Fields) -> Created:
    bucket = properties.of(str, "Bucket")
    stack.policies.of_resource(f"arn:aws:s3:::{bucket}", resource_statements(properties.section("PolicyDocument")))
    return Created(bucket)


@creates("AWS::SQS::Queue")
def _queue(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Tags", "SqsManagedSseEnabled", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds")
    name = _name(stack, properties, "QueueName")
    attributes = {each: str(properties.take(each)) for each in QUEUE_ATTRIBUTES if each in properties}
    redrive = properties.section("RedrivePolicy")
    max_receives = redrive.parsed("maxReceiveCount", int)
    dead_letters = _dead_letters(stack, redrive, "deadLetterTargetArn")
    if dead_letters is not None:
        policy = {"deadLetterTargetArn": dead_letters, "maxReceiveCount": max_receives}
        attributes["RedrivePolicy"] = json.dumps(policy)
    client = stack.account.client("sqs")
    url = client.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
    arn = stack.account.arn("sqs", name)
    visibility = float(attributes.get("VisibilityTimeout", DEFAULT_VISIBILITY))
    stack.queues[arn] = Queue(arn, visibility, dead_letters, max_receives)
    return Created(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


@creates("AWS::SQS::QueuePolicy")
def _queue_policy(stack: Stack, properties: Fields) -> Created:
    statements = resource_statements(properties.section("PolicyDocument"))
    for url in properties.of(list, "Queues"):
        stack.policies.of_resource(stack.account.arn("sqs", str(url).rpartition("/")[2]), statements)
    return Created(properties.owner)


@creates("AWS::SNS::Topic")
def _topic(stack: Stack, properties: Fields) -> Created:
    properties.ignore("DisplayName", "TracingConfig", "Tags")
    name = _name(stack, properties, "TopicName")
    key = properties.parsed("KmsMasterKeyId", str)
    arn = str(stack.account.client("sns").create_topic(Name=name)["TopicArn"])
    # The account's own key for SNS lets in whoever may publish.
    if key not in (None, "alias/aws/sns"):
        if key not in stack.policies.resource:
            raise properties.error("KmsMasterKeyId", f"{key!r} is not the ARN of a key of this stack")
        stack.policies.keys[arn] = key
    return Created(arn, {"TopicArn": arn, "TopicName": name})


@creates("AWS::SNS::TopicPolicy")
def _topic_policy(stack: Stack, properties: Fields) -> Created:
    statements = resource_statements(properties.section("PolicyDocument"))
    for arn in properties.of(list, "Topics"):
        stack.policies.of_resource(str(arn), statements)
    return Created(properties.owner)


@creates("AWS::KMS::Key")
def _key(stack: Stack, properties: Fields) -> Created:
    # Nothing is encrypted on one machine; who may use the key is checked all the same.
    properties.ignore("Description", "EnableKeyRotation", "RotationPeriodInDays", "PendingWindowInDays", "Tags")
    properties.one_of("Enabled", (True,), default=True)
    name = _name(stack, properties, "KeyId")
    arn = stack.account.arn("kms", f"key/{name}")
    statements = key_statements(properties.section("KeyPolicy"), stack.account.id)
    # In the policy of a key, any resource means the key itself.
    stack.policies.of_resource(arn, statements)
    return Created(name, {"Arn": arn, "KeyId": name})


@creates("AWS::IAM::Role")
def _role(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Description", "MaxSessionDuration", "Tags")
    name = _name(stack, properties, "RoleName")
    arn = stack.account.global_arn("iam", f"role/{name}")
    stack.policies.trust[arn] = trust_statements(properties.section("AssumeRolePolicyDocument"))
    for policy in properties.entries("Policies"):
        policy.ignore("PolicyName")
        stack.policies.of_role(arn, identity_statements(policy.section("PolicyDocument")))
        policy.finish()
    return Created(name, {"Arn": arn})


@creates("AWS::IAM::Policy")
def _policy(stack: Stack, properties: Fields) -> Created:
    properties.ignore("PolicyName")
    statements = identity_statements(properties.section("PolicyDocument"))
    for role in properties.of(list, "Roles"):
        stack.policies.of_role(stack.account.global_arn("iam", f"role/{role}"), statements)
    return Created(properties.owner)


@creates("AWS::Lambda::LayerVersion")
def _layer(stack: Stack, properties: Fields) -> Created:
    properties.ignore("CompatibleArchitectures", "CompatibleRuntimes", "Description", "LicenseInfo")
    folder = _asset(stack, properties.section("Content")) / "python"
    arn = stack.account.arn("lambda", f"layer:{_name(stack, properties, 'LayerName')}:1")
    stack.layers[arn] = folder if _is_source(folder) else None
    return Created(arn, {"LayerVersionArn": arn})


def _is_source(folder: Path) -> bool:
    """Tell our own packages, which run from the layer, from third-party ones.

    Those are wheels for the Lambda's Python; here the installed environment has them.
    """
    return folder.is_dir() and not any(folder.glob("*.dist-info"))


def _asset(stack: Stack, code: Fields) -> Path:
    code.ignore("S3Bucket")
    key = code.parsed("S3Key", str)
    code.finish()
    folder = stack.assets.get(key or "")
    if folder is None or not folder.is_dir():
        raise code.error("S3Key", f"{key!r} is not an asset folder of the assembly")
    return folder


@creates("AWS::Lambda::Function")
def _function(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Architectures", "Description", "Tags")
    name = _name(stack, properties, "FunctionName")
    runtime = properties.of(str, "Runtime")
    if not runtime.startswith("python3."):
        raise properties.error("Runtime", f"{runtime!r} is not implemented, only Python 3")
    function = Function(
        logical_id=properties.owner,
        name=name,
        arn=stack.account.arn("lambda", f"function:{name}"),
        runtime=runtime,
        handler=properties.of(str, "Handler"),
        code=_asset(stack, properties.section("Code")),
        layers=_layers(stack, properties),
        memory_mb=properties.of(int, "MemorySize", DEFAULT_MEMORY_MB),
        timeout=float(properties.of((int, float), "Timeout", DEFAULT_TIMEOUT)),
        variables=_only(properties.section("Environment"), "Variables", {}),
        role=properties.of(str, "Role"),
        log_group=_only(properties.section("LoggingConfig"), "LogGroup", f"/aws/lambda/{name}"),
        reserved=properties.parsed("ReservedConcurrentExecutions", int),
        asynchronous=AsynchronousPolicy(
            dead_letters=_dead_letters(stack, properties.section("DeadLetterConfig"), "TargetArn")
        ),
        traced=_only(properties.section("TracingConfig"), "Mode", "PassThrough") == "Active",
    )
    stack.functions[function.arn] = function
    return Created(name, {"Arn": function.arn})


def _only(section: Fields, field: str, default: Any) -> Any:
    """Return the one field of a section that is honoured."""
    value = section.take(field, default)
    section.finish()
    return value


def _layers(stack: Stack, properties: Fields) -> tuple[Path, ...]:
    folders = [stack.layers[str(arn)] for arn in properties.of(list, "Layers", [])]
    return tuple(folder for folder in folders if folder is not None)


def _function_arn(stack: Stack, properties: Fields) -> str:
    """Return the ARN that `FunctionName` means, with its qualifier."""
    reference = properties.of(str, "FunctionName")
    for function in stack.functions.values():
        for known in (function.arn, function.name):
            if reference == known or reference.startswith(f"{known}:"):
                return function.arn + reference.removeprefix(known)
    raise properties.error("FunctionName", f"there is no function {reference!r}")


@creates("AWS::Lambda::Version")
def _version(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Description", "CodeSha256")
    arn = _function_arn(stack, properties)
    number = stack.versions[arn] = stack.versions.get(arn, 0) + 1
    return Created(f"{arn}:{number}", {"Version": str(number), "FunctionArn": f"{arn}:{number}"})


@creates("AWS::Lambda::EventInvokeConfig")
def _event_invoke_config(stack: Stack, properties: Fields) -> Created:
    properties.one_of("Qualifier", ("$LATEST",), default="$LATEST")
    function = stack.functions[_function_arn(stack, properties)]
    policy = replace(
        function.asynchronous,
        retries=properties.of(int, "MaximumRetryAttempts", function.asynchronous.retries),
        max_age=float(properties.of(int, "MaximumEventAgeInSeconds", int(function.asynchronous.max_age))),
    )
    stack.functions[function.arn] = replace(function, asynchronous=policy)
    return Created(properties.owner)


@creates("AWS::Lambda::Permission")
def _permission(stack: Stack, properties: Fields) -> Created:
    arn = _function_arn(stack, properties)
    source = properties.parsed("SourceArn", str)
    statement = Statement(
        where=properties.owner,
        allows=True,
        actions=(properties.of(str, "Action"),),
        resources=(arn,),
        conditions=() if source is None else (source_is(source),),
        principals=(properties.of(str, "Principal"),),
    )
    stack.policies.of_resource(arn, [statement])
    return Created(properties.owner)


@creates("AWS::Lambda::EventSourceMapping")
def _event_source_mapping(stack: Stack, properties: Fields) -> Created:
    properties.one_of("Enabled", (True,), default=True)
    function = _function_arn(stack, properties)
    queue = stack.queues.get(arn := properties.of(str, "EventSourceArn"))
    if queue is None:
        raise properties.error("EventSourceArn", f"{arn!r} is not a queue of this stack")
    timeout = stack.functions[function].timeout
    if queue.visibility < timeout:
        problem = f"the queue shows messages again after {queue.visibility:g} s, before the function's {timeout:g} s"
        raise properties.error("EventSourceArn", problem)
    source = EventSource(
        queue=queue,
        function=function,
        batch=properties.of(int, "BatchSize", API_BATCH),
        window=float(properties.of((int, float), "MaximumBatchingWindowInSeconds", 0)),
        concurrency=_only(properties.section("ScalingConfig"), "MaximumConcurrency", DEFAULT_CONCURRENCY),
        partial_failures=bool(properties.one_of("FunctionResponseTypes", ([], ["ReportBatchItemFailures"]), [])),
    )
    if source.batch > API_BATCH and not source.window:
        raise properties.error("BatchSize", f"over {API_BATCH} needs MaximumBatchingWindowInSeconds")
    stack.sources.append(source)
    return Created(properties.owner)


@creates("AWS::Events::Rule")
def _rule(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Description", "Tags")
    properties.one_of("State", ("ENABLED",), default="ENABLED")
    name = _name(stack, properties, "Name")
    arn = stack.account.arn("events", f"rule/{name}")
    try:
        pattern = compile_pattern(properties.of(dict, "EventPattern"))
    except PatternError as problem:
        raise properties.error("EventPattern", str(problem)) from problem
    stack.rules.append(Rule(arn, pattern, tuple(_target(stack, entry) for entry in properties.entries("Targets"))))
    return Created(name, {"Arn": arn})


def _target(stack: Stack, fields: Fields) -> Target:
    fields.ignore("Id")
    arn = fields.of(str, "Arn")
    if arn not in stack.queues and arn not in stack.functions:
        raise fields.error("Arn", f"{arn!r} is not implemented as a target, only queues and functions of this stack")
    retry = fields.section("RetryPolicy")
    target = Target(
        arn=arn,
        retries=retry.of(int, "MaximumRetryAttempts", Target.retries),
        max_age=float(retry.of(int, "MaximumEventAgeInSeconds", int(Target.max_age))),
        dead_letters=_dead_letters(stack, fields.section("DeadLetterConfig"), "Arn"),
    )
    retry.finish()
    fields.finish()
    return target


def _dead_letters(stack: Stack, config: Fields, field: str) -> str | None:
    """Return the queue that a dead-letter configuration names."""
    arn = config.parsed(field, str)
    config.finish()
    if arn is not None and arn not in stack.queues:
        raise config.error(field, f"{arn!r} is not implemented for dead letters, only queues of this stack")
    return arn


@creates("AWS::StepFunctions::StateMachine")
def _state_machine(stack: Stack, properties: Fields) -> Created:
    properties.ignore("Tags")
    properties.one_of("StateMachineType", ("STANDARD",), default="STANDARD")
    name = _name(stack, properties, "StateMachineName")
    definition = properties.of(str, "DefinitionString")
    for placeholder, value in properties.of(dict, "DefinitionSubstitutions", {}).items():
        definition = definition.replace("${" + placeholder + "}", str(value))
    role = properties.of(str, "RoleArn")
    client = stack.account.client("stepfunctions")
    arn = client.create_state_machine(name=name, definition=definition, roleArn=role)["stateMachineArn"]
    traced = _only(properties.section("TracingConfiguration"), "Enabled", False)
    stack.machines.append(StateMachine(properties.owner, arn, name, role, definition, _logged(properties), traced))
    return Created(arn, {"Arn": arn, "Name": name})


def _logged(properties: Fields) -> bool:
    """Return whether a state machine has a log; what is in it, the cloud's observations tell here."""
    logging = properties.section("LoggingConfiguration")
    logging.ignore("Destinations", "IncludeExecutionData")
    level = logging.one_of("Level", ("OFF", "ALL", "ERROR", "FATAL"), default="OFF")
    logging.finish()
    return bool(level != "OFF")


@creates("AWS::Logs::LogGroup")
def _log_group(stack: Stack, properties: Fields) -> Created:
    # Logs are files in the cloud's folder.
    properties.ignore("RetentionInDays", "KmsKeyId", "LogGroupClass", "Tags")
    name = _name(stack, properties, "LogGroupName")
    return Created(name, {"Arn": stack.account.arn("logs", f"log-group:{name}:*")})


@creates("AWS::SNS::Subscription")
def _subscription(stack: Stack, properties: Fields) -> Created:
    """Accept somebody outside who wants to be told of what a topic carries; from here nobody outside is told."""
    properties.of(str, "TopicArn")
    properties.one_of("Protocol", ("email", "https"))
    properties.of(str, "Endpoint")
    return Created(stack.account.arn("sns", stack.physical_name(properties.owner)))


@creates("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm")
def _alarm(stack: Stack, properties: Fields) -> Created:
    """Accept an alarm, which is never raised here; that it could be told of is checked."""
    topics = [each for each in properties.of(list, "AlarmActions", []) if ":sns:" in each]
    created = _recorded(stack, properties)
    stack.alarms[created.attributes["Arn"]] = topics
    return created


@creates("AWS::CloudWatch::Dashboard", "AWS::CDK::Metadata")
def _recorded(stack: Stack, properties: Fields) -> Created:
    """Accept what only watches, with all its properties."""
    properties.ignore(*properties.names())
    name = stack.physical_name(properties.owner)
    return Created(name, {"Arn": stack.account.arn("cloudwatch", f"alarm:{name}")})
