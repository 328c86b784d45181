"""The one stack."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aws_cdk import CfnElement, CfnOutput, DefaultStackSynthesizer, Duration, Stack, aws_sqs
from constructs import Construct

from ionfleet_infrastructure import specification as functions
from ionfleet_infrastructure.dashboard import Dashboard
from ionfleet_infrastructure.events import Rules
from ionfleet_infrastructure.functions import FleetFunction, sizes_of
from ionfleet_infrastructure.layers import Layers
from ionfleet_infrastructure.observability import PUBLISHERS_USE_OF_KEY, Alarms, completion_topic, subscribe, topic_key
from ionfleet_infrastructure.queues import EventQueue, dead_letter_queue, visibility_for
from ionfleet_infrastructure.settings import Settings
from ionfleet_infrastructure.specification import Specification
from ionfleet_infrastructure.storage import Storage
from ionfleet_infrastructure.workflow import Workflow, state_machine_arn

MAX_RECEIVES = 6
"""Deliveries of a message that fail before it is a dead letter. Readers put off what they failed on by half a minute at
first and an hour at last, so that troubles of up to an hour or so pass by unnoticed."""


class IonfleetStack(Stack):
    """Buckets, queues, functions, state machine, alarms: all of Ionfleet, for any account and region."""

    def __init__(self, scope: Construct, id: str, *, root: Path, settings: Settings, deployable: bool) -> None:
        super().__init__(
            scope,
            id,
            stack_name=settings.stack_name,
            termination_protection=settings.termination_protection,
            description="Ionfleet: annotation of imaging mass spectrometry datasets",
            synthesizer=DefaultStackSynthesizer(generate_bootstrap_version_rule=False),
        )
        self._code = root / "functions"
        self._settings = settings
        self._storage = Storage(self, "Storage", self._settings)
        self._layers = Layers(self, "Layers", root / "layers", deployable=deployable)
        self._uploads = self._queue("Uploads", functions.PLANNER)
        self._manifests = self._queue("Manifests", functions.LAUNCHER)
        self._undelivered = dead_letter_queue(
            self,
            "EndsDeadLetterQueue",
            visibility=_visibility(functions.STATUS),
            removal_policy=settings.removal_policy,
        )
        self._topic_key = topic_key(self, settings)
        self._topic = completion_topic(self, self._topic_key)
        self._functions: dict[str, FleetFunction] = {}
        self._planner = self._make_planner()
        self._status = self._make_status()
        self._workflow = self._make_workflow()
        self._launcher = self._make_launcher()
        self._show_logs()
        self._connect()
        self._watch()
        self._output()

    def _allocate_logical_id(self, cfn_element: CfnElement) -> str:
        """Name resources by their path alone: `PlannerFunction` rather than `PlannerFunction1A2B3C4D`."""
        path = cfn_element.node.path.split("/")[1:]
        return "".join(re.sub("[^A-Za-z0-9]", "", part) for part in path if part not in ("Resource", "Default"))

    def _queue(self, id: str, reader: Specification) -> EventQueue:
        """Make the queue of one reader; the status function reads what its reader could not handle."""
        return EventQueue(
            self,
            id,
            reader_timeout=Duration.seconds(reader.timeout_seconds),
            dead_letters_reader_timeout=Duration.seconds(functions.STATUS.timeout_seconds),
            max_receive_count=MAX_RECEIVES,
            removal_policy=self._settings.removal_policy,
        )

    def _function(
        self,
        specification: Specification,
        environment: Mapping[str, str] | None = None,
        dead_letter_queue: aws_sqs.IQueue | None = None,
    ) -> FleetFunction:
        function = FleetFunction(
            self,
            specification,
            code=self._code,
            layers=self._layers,
            storage=self._storage,
            settings=self._settings,
            environment=environment,
            dead_letter_queue=dead_letter_queue,
        )
        self._functions[specification.name] = function
        return function

    def _make_planner(self) -> FleetFunction:
        planner = self._function(functions.PLANNER, {"DEPLOYMENT": json.dumps(_deployment(self._settings))})
        planner.read_queue(self._uploads.queue, "UploadsMapping", batch_size=1, max_concurrency=planner.concurrency)
        return planner

    def _make_status(self) -> FleetFunction:
        environment = {"TOPIC_ARN": self._topic.topic_arn, "STATE_MACHINE_ARN": state_machine_arn(self)}
        status = self._function(functions.STATUS, environment, self._undelivered)
        status.allow(["sns:Publish"], [self._topic.topic_arn])
        status.allow(PUBLISHERS_USE_OF_KEY, [self._topic_key.key_arn])
        for source, id in ((self._uploads, "UploadsMapping"), (self._manifests, "ManifestsMapping")):
            status.read_queue(source.dead_letters, id, batch_size=10, max_concurrency=2)
        # What it failed on itself comes again until it succeeds: an end is reported late rather than never.
        status.read_queue(self._undelivered, "EndsMapping", batch_size=10, max_concurrency=2)
        return status

    def _make_workflow(self) -> Workflow:
        stages = (functions.SORT, functions.ISOTOPES, functions.PARTITION, functions.ANNOTATE, functions.MERGE)
        for specification in (*stages, functions.RENDER):
            self._function(specification)
        called = {name: function for name, function in self._functions.items() if name != functions.PLANNER.name}
        return Workflow(self, "Workflow", functions=called, storage=self._storage, settings=self._settings)

    def _make_launcher(self) -> FleetFunction:
        arn = self._workflow.state_machine.state_machine_arn
        launcher = self._function(functions.LAUNCHER, {"STATE_MACHINE_ARN": arn})
        launcher.allow(["states:StartExecution"], [arn])
        launcher.read_queue(
            self._manifests.queue, "ManifestsMapping", batch_size=10, max_concurrency=launcher.concurrency
        )
        return launcher

    def _show_logs(self) -> None:
        """Tell the status function where all functions log, so that it can say so."""
        groups = {name: function.log_group.log_group_name for name, function in self._functions.items()}
        self._status.function.add_environment("LOG_GROUPS", self.to_json_string(groups))

    def _connect(self) -> None:
        rules = Rules(self, "Rules")
        rules.uploads(self._storage.input, self._uploads)
        rules.manifests(self._storage.work, self._manifests)
        rules.ends(self._workflow.state_machine, self._status, self._undelivered)

    def _watch(self) -> None:
        alarms = self._alarms = Alarms(self, "Alarms", self._topic_key)
        alarms.watch_dead_letters("UploadsDeadLetters", self._uploads.dead_letters)
        alarms.watch_dead_letters("ManifestsDeadLetters", self._manifests.dead_letters)
        alarms.watch_dead_letters("EndsDeadLetters", self._undelivered)
        alarms.watch_executions(self._workflow.state_machine)
        subscribe(alarms.topic, self._settings.alarm_email)
        subscribe(self._topic, self._settings.notify_email, self._settings.notify_webhook)
        self._dashboard = Dashboard(
            self,
            "Dashboard",
            state_machine=self._workflow.state_machine,
            queues={"uploads": self._uploads.queue, "manifests": self._manifests.queue},
            functions=self._functions,
            alarms=alarms.all,
        )

    def _output(self) -> None:
        outputs = {
            "InputBucket": self._storage.input.bucket_name,
            "WorkBucket": self._storage.work.bucket_name,
            "ResultsBucket": self._storage.results.bucket_name,
            "StateMachineArn": self._workflow.state_machine.state_machine_arn,
            "CompletionTopicArn": self._topic.topic_arn,
            "AlarmsTopicArn": self._alarms.topic.topic_arn,
            "DashboardName": self._dashboard.name,
            "UploadsDeadLetterQueueUrl": self._uploads.dead_letters.queue_url,
            "ManifestsDeadLetterQueueUrl": self._manifests.dead_letters.queue_url,
        }
        for key, value in outputs.items():
            CfnOutput(self, key, value=value)


def _visibility(reader: Specification) -> Duration:
    return visibility_for(Duration.seconds(reader.timeout_seconds))


def _deployment(settings: Settings) -> dict[str, Any]:
    """Return what the planner plans and estimates jobs for: `ionfleet.estimate.Deployment`."""
    sizes = {each.name: list(sizes_of(each, settings).items()) for each in functions.FUNCTIONS}
    return {
        "memory_mb": {name: each[0][0] for name, each in sizes.items()},
        "concurrency": {name: each[0][1] for name, each in sizes.items()},
        "larger": {
            name: [{"memory_mb": memory_mb, "concurrency": concurrency} for memory_mb, concurrency in each[1:]]
            for name, each in sizes.items()
            if len(each) > 1
        },
        "retention_days": settings.work_retention_days,
        "max_job_usd": settings.max_job_cost_usd,
    }
