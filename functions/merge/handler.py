"""Merges the metrics of all segments into the result tables."""

from __future__ import annotations

from ionfleet.plan import StageTasks
from ionfleet.stages.merge import merge
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import StageTask, task_handler


@task_handler("merge", StageTask)
def handler(task: StageTask) -> StageTasks:
    """Merge the job."""
    return merge(open_stores(read_environment(WorkEnvironment)), task.plan)
