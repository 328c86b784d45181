"""One page of figures for who runs a deployment: jobs, queues, functions, alarms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from aws_cdk import Aws, Duration, aws_cloudwatch, aws_sqs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from ionfleet_infrastructure.functions import FleetFunction

PERIOD = Duration.minutes(5)
FULL_WIDTH = 24
HEIGHT = 6
ENDS = ("Succeeded", "Failed", "Aborted", "TimedOut")


class Dashboard(Construct):
    """The dashboard; its name is CloudFormation's choice, since dashboards of all regions share one list of names."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        state_machine: sfn.StateMachine,
        queues: Mapping[str, aws_sqs.IQueue],
        functions: Mapping[str, FleetFunction],
        alarms: Sequence[aws_cloudwatch.IAlarm],
    ) -> None:
        super().__init__(scope, id)
        self._dashboard = aws_cloudwatch.Dashboard(
            self, "Dashboard", default_interval=Duration.days(1), period_override=aws_cloudwatch.PeriodOverride.INHERIT
        )
        self._dashboard.add_widgets(
            aws_cloudwatch.AlarmStatusWidget(title="Alarms", alarms=list(alarms), width=FULL_WIDTH, height=3)
        )
        self._dashboard.add_widgets(_jobs(), _executions(state_machine), _waiting(queues))
        self._dashboard.add_widgets(
            _of_functions("Functions at work", functions, "ConcurrentExecutions", "Maximum"),
            _of_functions("Throttled: no concurrency was free", functions, "Throttles", "Sum"),
            _of_functions("Failed invocations", functions, "Errors", "Sum"),
        )
        self._dashboard.add_widgets(
            _of_functions("Duration of invocations, 95th percentile (ms)", functions, "Duration", "p95"),
            _of_functions("Invocations", functions, "Invocations", "Sum"),
        )

    @property
    def name(self) -> str:
        """The dashboard's name."""
        return self._dashboard.dashboard_name


def _graph(title: str, metrics: Sequence[aws_cloudwatch.IMetric], columns: int) -> aws_cloudwatch.GraphWidget:
    axis = aws_cloudwatch.YAxisProps(min=0, show_units=False)
    return aws_cloudwatch.GraphWidget(
        title=title, left=list(metrics), left_y_axis=axis, width=FULL_WIDTH // columns, height=HEIGHT
    )


def _jobs() -> aws_cloudwatch.GraphWidget:
    """Show how many jobs ended how, as the status function counts them."""
    metrics = [
        aws_cloudwatch.Metric(
            namespace=Aws.STACK_NAME,
            metric_name=f"Jobs{end}",
            dimensions_map={"service": "status"},
            statistic="Sum",
            period=PERIOD,
            label=end,
        )
        for end in ENDS
    ]
    return _graph("Jobs that ended", metrics, 3)


def _executions(state_machine: sfn.StateMachine) -> aws_cloudwatch.GraphWidget:
    started = state_machine.metric_started(statistic="Sum", period=PERIOD, label="started")
    longest = state_machine.metric_time(statistic="Maximum", period=PERIOD, label="longest that ended (ms)")
    axis = aws_cloudwatch.YAxisProps(min=0, show_units=False)
    return aws_cloudwatch.GraphWidget(
        title="Executions",
        left=[started],
        right=[longest],
        left_y_axis=axis,
        right_y_axis=axis,
        width=FULL_WIDTH // 3,
        height=HEIGHT,
    )


def _waiting(queues: Mapping[str, aws_sqs.IQueue]) -> aws_cloudwatch.GraphWidget:
    metrics = [
        queue.metric_approximate_age_of_oldest_message(statistic="Maximum", period=PERIOD, label=name)
        for name, queue in queues.items()
    ]
    return _graph("Oldest message (s)", metrics, 3)


def _of_functions(
    title: str, functions: Mapping[str, FleetFunction], metric: str, statistic: str
) -> aws_cloudwatch.GraphWidget:
    metrics = [
        function.metric(metric, statistic=statistic, period=PERIOD, label=_label(name, memory_mb, each))
        for name, each in functions.items()
        for memory_mb, function in each.sizes.items()
    ]
    return _graph(title, metrics, 2 if metric in ("Duration", "Invocations") else 3)


def _label(name: str, memory_mb: int, function: FleetFunction) -> str:
    return name if len(function.sizes) == 1 else f"{name}, {memory_mb:,} MB"
