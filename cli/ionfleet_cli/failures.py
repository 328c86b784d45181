"""How commands end: exit codes, the errors that carry them, and the one place that turns errors into messages."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from enum import IntEnum
from types import FrameType
from typing import NoReturn

import typer

from ionfleet.errors import InvalidInputError, IonfleetError
from ionfleet_cli import terminal


class ExitCode(IntEnum):
    """What a command's exit code says."""

    FAILURE = 1
    """It could not be done, though nothing is known to be wrong with the inputs."""
    USAGE = 2
    """The command line itself is wrong."""
    INVALID_INPUT = 3
    """A dataset, a database or a configuration is wrong."""
    INTERRUPTED = 130
    """It was stopped from outside."""


class CommandError(Exception):
    """Why a command ends without what it was asked for; the message is for the user."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class UsageError(CommandError):
    """The command line asks for something that it cannot be given."""

    def __init__(self, message: str) -> None:
        super().__init__(message, ExitCode.USAGE)


class StoppedError(BaseException):
    """A signal asks the process to end. Like KeyboardInterrupt it is nobody's business but the boundary's."""


@contextmanager
def error_boundary(*, debug: bool, stoppable: bool = True) -> Iterator[None]:
    """End the command with one message and its exit code where the block fails; with `debug`, a traceback before it.

    Unless it is `stoppable`, the block looks after signals itself.

    Raises
    ------
    typer.Exit
        With the exit code.

    """
    try:
        with _stoppable() if stoppable else nullcontext():
            yield
    except (KeyboardInterrupt, StoppedError):
        _end(ExitCode.INTERRUPTED, "Stopped.", debug=debug)
    except (typer.Exit, BrokenPipeError):
        # A command may end itself; and where the reader of the output has gone, Typer ends it without a word.
        raise
    except (CommandError, IonfleetError, OSError) as error:
        _end(exit_code_of(error), str(error), debug=debug)
    except Exception as error:  # noqa: BLE001 - the boundary: nothing of ours is above it
        message = f"This should not have happened: {type(error).__name__}: {error}"
        _end(ExitCode.FAILURE, message if debug else f"{message}\n--debug shows where.", debug=debug)


def exit_code_of(error: Exception) -> ExitCode:
    """Return the exit code that an error ends a command with."""
    if isinstance(error, CommandError):
        return error.exit_code
    return ExitCode.INVALID_INPUT if isinstance(error, InvalidInputError) else ExitCode.FAILURE


@contextmanager
def _stoppable() -> Iterator[None]:
    """Let the signals that ask a process to end raise `StoppedError`, so that everything begun is ended in order."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in before.items():
        # What is ignored on purpose, as nohup does, stays ignored.
        if handler != signal.SIG_IGN:
            signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise StoppedError


def _end(code: ExitCode, message: str, *, debug: bool) -> NoReturn:
    if debug:
        traceback.print_exc(file=sys.stderr)
    label = "" if code == ExitCode.INTERRUPTED else "Error: "
    terminal.errors().print(terminal.labelled(label, "bold red", message))
    raise typer.Exit(code)
