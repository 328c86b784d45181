"""The environment variables of each function, as the template sets them."""

from __future__ import annotations

import os
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Json, ValidationError

from ionfleet.errors import IonfleetError
from ionfleet.estimate import Deployment

Bucket = Annotated[str, Field(min_length=3)]
Arn = Annotated[str, Field(pattern="^arn:")]
Account = Annotated[str, Field(pattern="^[0-9]{12}$")]
Megabytes = Annotated[int, Field(ge=128)]


class EnvironmentVariablesError(IonfleetError):
    """The function was deployed without a variable that it needs, or with a wrong one."""


class Environment(BaseModel):
    """What a function's environment must have: fields are the names of variables in lower case."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=str.upper)


class OwnerEnvironment(Environment):
    """Whoever uses a bucket: the account that it has to belong to."""

    bucket_owner: Account


class WorkEnvironment(Environment):
    """Functions between two stages of work."""

    work_bucket: Bucket


class LauncherEnvironment(WorkEnvironment):
    """launcher."""

    state_machine_arn: Arn


class PlannerEnvironment(WorkEnvironment):
    """planner: all buckets, and what decides how jobs are cut and what they cost."""

    input_bucket: Bucket
    results_bucket: Bucket
    deployment: Json[Deployment]


class SortEnvironment(WorkEnvironment):
    """sort: reads the dataset itself."""

    input_bucket: Bucket


class RenderEnvironment(WorkEnvironment):
    """render: writes images to where they are published."""

    results_bucket: Bucket


class StatusEnvironment(WorkEnvironment):
    """status: publishes and announces, and says where to look further: the log group of each function, by its name.

    `aws_endpoint_url` is set where this is not AWS.
    """

    results_bucket: Bucket
    topic_arn: Arn
    state_machine_arn: Arn
    log_groups: Json[dict[str, str]]
    aws_endpoint_url: str | None = None


Model = TypeVar("Model", bound=Environment)


def read_environment(model: type[Model]) -> Model:
    """Return the variables of this process.

    Raises
    ------
    EnvironmentVariablesError
        One is missing or wrong; the message names each of them.

    """
    try:
        return model.model_validate(dict(os.environ))
    except ValidationError as error:
        wrong = "; ".join(f"{details['loc'][0]}: {details['msg']}" for details in error.errors())
        raise EnvironmentVariablesError(
            f"The function's environment is not as the template sets it: {wrong}. Deploy the stack again."
        ) from None
