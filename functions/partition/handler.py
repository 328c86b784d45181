"""Cuts the m/z axis of a job into segments."""

from __future__ import annotations

from ionfleet.plan import StageTasks
from ionfleet.planning import Budgets
from ionfleet.stages.partition import partition
from ionfleet_aws.environment import PartitionEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import StageTask, task_handler


@task_handler("partition", StageTask)
def handler(task: StageTask) -> StageTasks:
    """Cut one job; the segments are for annotate, whose memory alone counts here."""
    environment = read_environment(PartitionEnvironment)
    budgets = Budgets(sort_mb=0, isotopes_mb=0, annotate_mb=environment.annotate_memory_mb, render_mb=0)
    return partition(open_stores(environment), task.plan, budgets)
