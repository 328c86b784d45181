"""Cuts the m/z axis of a job into segments."""

from __future__ import annotations

from ionfleet.plan import StageTasks
from ionfleet.stages.partition import partition
from ionfleet_aws.environment import PartitionEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import StageTask, task_handler


@task_handler("partition", StageTask)
def handler(task: StageTask) -> StageTasks:
    """Cut one job into segments that fit the annotate functions."""
    environment = read_environment(PartitionEnvironment)
    return partition(open_stores(environment), task.plan, environment.annotate_memory_mb)
