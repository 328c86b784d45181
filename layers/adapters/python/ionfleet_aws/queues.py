"""A decorator that makes a Lambda handler, fed by a queue, of a function that handles one message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.parser.models import SqsRecordModel

from ionfleet.errors import IonfleetError
from ionfleet.jobs import Failure, note_trouble
from ionfleet_aws import clients, redelivery
from ionfleet_aws.environment import WorkEnvironment, read_environment
from ionfleet_aws.handlers import Account, Handler, instrumented, logged_errors, public_errors
from ionfleet_aws.observability import logger, metrics

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

Record = TypeVar("Record", bound=SqsRecordModel)


def queue_handler(model: type[Record]) -> Callable[[Callable[[Record, Account], None]], Handler[dict[str, Any]]]:
    """Make a handler of a function that handles one message; those it raises on come again, the others do not.

    They come after a time that grows with how often they did; after a crash, once the function's time is over.
    The function gets an account with each message: what it uses for a job, it notes there once it knows the job.

    `model` is the message with its body; one that is none of these is handled as a failure, too, and ends as a dead
    letter.
    """

    def decorate(function: Callable[[Record, Account], None]) -> Handler[dict[str, Any]]:
        # The parameter's name is what makes Powertools give the context.
        def handle_record(record: Record, lambda_context: LambdaContext) -> None:
            account = Account(lambda_context)
            logger.remove_keys(["execution", "job"])
            with logger.append_context_keys(message_id=record.messageId), logged_errors(), public_errors():
                function(record, account)

        # Otherwise a batch whose messages all failed would be an error of the function, which says nothing more.
        processor = BatchProcessor(EventType.SQS, model=model, raise_on_entire_batch_failure=False)

        @instrumented
        def handle(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            records = event["Records"]
            metrics.add_metric("Messages", MetricUnit.Count, len(records))
            redelivery.hold(records, context)
            answer: dict[str, Any] = dict(process_partial_response(event, handle_record, processor, context))
            failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
            redelivery.put_back([record for record in records if record["messageId"] in failed])
            return answer

        return handle

    return decorate


@contextmanager
def last_words(record: SqsRecordModel) -> Iterator[None]:
    """Note what a message could not be handled for: should it become a dead letter, that is all there is to tell."""
    try:
        with public_errors():
            yield
    except Exception as error:
        failure = Failure(error=type(error).__name__, message=str(error))
        work = clients.bucket(read_environment(WorkEnvironment).work_bucket)
        try:
            note_trouble(work, record.messageId, int(record.attributes.ApproximateReceiveCount), failure)
        except IonfleetError:
            # What it is about is in the log, and raised.
            logger.exception("Trouble was not noted")
        raise
