"""Sorts the peaks of a range of spectra into one run."""

from __future__ import annotations

from ionfleet.plan import SortTask
from ionfleet.stages.common import Report
from ionfleet.stages.sort import sort_spectra
from ionfleet_aws.environment import SortEnvironment, read_environment
from ionfleet_aws.fleet import open_pinned_stores
from ionfleet_aws.handlers import task_handler


@task_handler("sort", SortTask)
def handler(task: SortTask) -> Report:
    """Sort one range."""
    return sort_spectra(open_pinned_stores(read_environment(SortEnvironment), task.plan), task)
