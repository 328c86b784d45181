"""Computes the isotope patterns of the ions of a range of formulas."""

from __future__ import annotations

from ionfleet.plan import IsotopeTask
from ionfleet.stages.common import Report
from ionfleet.stages.isotopes import compute_isotopes
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.fleet import open_stores
from ionfleet_aws.handlers import task_handler


@task_handler("isotopes", IsotopeTask)
def handler(task: IsotopeTask) -> Report:
    """Compute one chunk."""
    return compute_isotopes(open_stores(read_environment(WorkEnvironment)), task)
