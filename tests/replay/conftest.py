"""Small stacks, written as the CDK would write them, and clouds that run them."""

from __future__ import annotations

import json
import signal
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ionfleet_cli.local_cloud import HANDLERS_NEED
from ionfleet_replay import Cloud, Nursery, Observation

TRUST = {
    "Statement": [
        {
            "Action": "sts:AssumeRole",
            "Effect": "Allow",
            "Principal": {"Service": ["lambda.amazonaws.com", "states.amazonaws.com"]},
        }
    ]
}
EVERYTHING = {
    "PolicyName": "Everything",
    "PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]},
}


class StackBuilder:
    """Puts a cloud assembly together, resource by resource; every resource's Ref is an output of the same name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.resources: dict[str, Any] = {}
        self.add("Role", "AWS::IAM::Role", AssumeRolePolicyDocument=TRUST, Policies=[EVERYTHING])
        self.sections: dict[str, Any] = {}
        self._assets: dict[str, str] = {}

    @staticmethod
    def _resource(kind: str, **properties: Any) -> dict[str, Any]:
        return {"Type": kind, "Properties": properties}

    def add(self, name: str, kind: str, **properties: Any) -> StackBuilder:
        self.resources[name] = self._resource(kind, **properties)
        return self

    def bucket(self, name: str, *, events: bool = True, **properties: Any) -> StackBuilder:
        if events:
            properties["NotificationConfiguration"] = {"EventBridgeConfiguration": {"EventBridgeEnabled": True}}
        return self.add(name, "AWS::S3::Bucket", **properties)

    def queue(self, name: str, **properties: Any) -> StackBuilder:
        return self.add(name, "AWS::SQS::Queue", **properties)

    def rule(self, name: str, pattern: Any, *targets: str, **target_properties: Any) -> StackBuilder:
        """Add a rule that may send to its targets and its dead-letter queue, all added before."""
        entries = [{"Id": target, "Arn": arn(target), **target_properties} for target in targets]
        dead = target_properties.get("DeadLetterConfig", {}).get("Arn", {}).get("Fn::GetAtt", [])[:1]
        for target in (*targets, *dead):
            self._let_events_in(name, target)
        return self.add(name, "AWS::Events::Rule", EventPattern=pattern, State="ENABLED", Targets=entries)

    def _let_events_in(self, rule: str, target: str) -> None:
        grant = f"{rule}To{target}"
        if self.resources[target]["Type"] == "AWS::Lambda::Function":
            self.add(
                grant, "AWS::Lambda::Permission", FunctionName=arn(target), Principal="events.amazonaws.com",
                Action="lambda:InvokeFunction", SourceArn=arn(rule),
            )  # fmt: skip
            return
        statement = {
            "Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn(target),
            "Principal": {"Service": "events.amazonaws.com"}, "Condition": {"ArnEquals": {"aws:SourceArn": arn(rule)}},
        }  # fmt: skip
        self.add(grant, "AWS::SQS::QueuePolicy", Queues=[{"Ref": target}], PolicyDocument={"Statement": [statement]})

    def function(
        self, name: str, source: str, variables: dict[str, Any] | None = None, **properties: Any
    ) -> StackBuilder:
        """Add a function whose handler.py is `source`, and a published version of it, `<name>Version`."""
        code = self.asset(name, {"handler.py": source})
        properties = {"MemorySize": 512, "Timeout": 10, **properties}
        environment = {"Variables": variables or {}}
        self.add(
            name, "AWS::Lambda::Function", Runtime="python3.13", Handler="handler.handler", Role=arn("Role"), Code=code,
            Environment=environment, **properties,
        )  # fmt: skip
        return self.add(f"{name}Version", "AWS::Lambda::Version", FunctionName={"Ref": name})

    def mapping(self, name: str, queue: str, function: str, **properties: Any) -> StackBuilder:
        properties = {"EventSourceArn": arn(queue), "FunctionName": {"Ref": function}, **properties}
        return self.add(name, "AWS::Lambda::EventSourceMapping", **properties)

    def machine(self, name: str, definition: Any, **substitutions: Any) -> StackBuilder:
        return self.add(
            name, "AWS::StepFunctions::StateMachine", DefinitionString=json.dumps(definition), RoleArn=arn("Role"),
            DefinitionSubstitutions=substitutions, StateMachineType="STANDARD",
        )  # fmt: skip

    def asset(self, name: str, files: dict[str, str]) -> dict[str, Any]:
        """Write an asset folder and return the template's reference to it."""
        folder = self.folder / f"asset.{name}"
        for file, content in files.items():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_text(textwrap.dedent(content))
        self._assets[f"{name}.zip"] = folder.name
        return {"S3Bucket": {"Fn::Sub": "assets-${AWS::AccountId}-${AWS::Region}"}, "S3Key": f"{name}.zip"}

    def write(self) -> Path:
        """Write the assembly and return its folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        outputs = {name: {"Value": {"Ref": name}} for name in self.resources}
        template = {"Resources": self.resources, "Outputs": outputs, **self.sections}
        stack = {"type": "aws:cloudformation:stack", "properties": {"templateFile": "Test.template.json"}}
        assets = {"type": "cdk:asset-manifest", "properties": {"file": "Test.assets.json"}}
        files = {
            key: {"source": {"path": path, "packaging": "zip"}, "destinations": {"here": {"objectKey": key}}}
            for key, path in self._assets.items()
        }
        self._json("manifest.json", {"artifacts": {"Test": stack, "Test.assets": assets}})
        self._json("Test.template.json", template)
        self._json("Test.assets.json", {"files": files})
        return self.folder

    def _json(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(json.dumps(content))


def arn(name: str) -> dict[str, Any]:
    return {"Fn::GetAtt": [name, "Arn"]}


class CloudMaker:
    """Starts clouds that end with the test."""

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self._folder = folder
        self._nursery = nursery
        self.clouds: list[Cloud] = []
        self.seen: list[Observation] = []

    def __call__(self, stack: StackBuilder, **options: Any) -> Cloud:
        options = {"nursery": self._nursery, "observer": self.seen.append, "workers": 2, **options}
        cloud = Cloud(stack.write(), self._folder / f"cloud{len(self.clouds)}", **options)
        self.clouds.append(cloud)
        cloud.start()
        return cloud

    def observed(self, kind: type[Any]) -> list[Any]:
        """Return what the clouds told of one kind."""
        return [observation for observation in self.seen if isinstance(observation, kind)]


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Heed Ctrl-C: a shell's background jobs ignore it, and so would everything that these tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One without any modules, for functions of a few lines."""
    with Nursery(tmp_path_factory.mktemp("nursery"), preload=()) as nursery:
        yield nursery


@pytest.fixture(scope="session")
def warm_nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    """One for clouds of the real template."""
    with Nursery(tmp_path_factory.mktemp("nursery"), preload=HANDLERS_NEED) as nursery:
        yield nursery


@pytest.fixture
def stack(tmp_path: Path) -> StackBuilder:
    return StackBuilder(tmp_path / "cdk.out")


@pytest.fixture
def start(tmp_path: Path, nursery: Nursery) -> Iterator[CloudMaker]:
    """A function that starts a cloud from a stack."""
    maker = CloudMaker(tmp_path, nursery)
    yield maker
    for cloud in maker.clouds:
        cloud.stop()
