"""The errors of Ionfleet: few, named, and told apart by Step Functions through their class names.

A message has four parts: what was found, what was expected, where, and what to do about it.
"""

from __future__ import annotations


class IonfleetError(Exception):
    """Base of every error that Ionfleet raises on purpose; its message is fit for a user's eyes."""


class TransientError(IonfleetError):
    """A service did not answer properly this time; the same call may succeed later."""


class ThrottledError(IonfleetError):
    """A service asked to be called less often; the same call will succeed later."""


class InvalidInputError(IonfleetError):
    """Something a user gave is wrong; trying again cannot help."""


class InvalidDatasetError(InvalidInputError):
    """The imzML or ibd cannot be read as a dataset."""


class InvalidDatabaseError(InvalidInputError):
    """The molecular database cannot be used."""


class InvalidConfigurationError(InvalidInputError):
    """The job's configuration asks for something impossible or unknown."""


class OutOfBudgetError(IonfleetError):
    """The job cannot be cut so that it fits memory, time, a limit of a service, or the budget it was given."""


class AttemptEndedError(IonfleetError):
    """An execution goes on, or was started again, though its attempt has ended: nothing more is published for it."""


class DamagedObjectError(IonfleetError):
    """An object in the work bucket is not what was written there; removing it lets the next job make it anew."""
