"""Measures the ions of one m/z segment."""

from __future__ import annotations

from ionfleet.plan import SegmentTask
from ionfleet.stages.annotate import annotate
from ionfleet.stages.common import Report
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import task_handler


@task_handler("annotate", SegmentTask)
def handler(task: SegmentTask) -> Report:
    """Measure one segment."""
    return annotate(open_stores(read_environment(WorkEnvironment)), task)
