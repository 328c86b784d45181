"""Renders the ion images of a range of annotations."""

from __future__ import annotations

from ionfleet.plan import RenderTask
from ionfleet.stages.common import Report
from ionfleet.stages.render import render
from ionfleet_aws.environment import RenderEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import task_handler


@task_handler("render", RenderTask)
def handler(task: RenderTask) -> Report:
    """Render one range."""
    return render(open_stores(read_environment(RenderEnvironment)), task)
