"""Cuts the m/z axis of a job into segments."""

from __future__ import annotations

from ionfleet.plan import SizedTasks
from ionfleet.stages.partition import partition
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import StageTask, task_handler


@task_handler("partition", StageTask)
def handler(task: StageTask) -> SizedTasks:
    """Cut one job into segments that fit the annotate functions."""
    return partition(open_stores(read_environment(WorkEnvironment)), task.plan)
