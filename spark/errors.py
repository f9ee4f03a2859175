"""
Every operating error, as one tree.

A refusal is a value (guards/verdict.py), a bug is an assert; what is left is
here, and the class says what the caller does about it:

    SparkError
    ├── RetryError          the same call may go through later
    │   ├── BusUnavailable      Kafka did not answer in time
    │   ├── DatabaseUnavailable PostgreSQL did not answer in time, or takes no writes now
    │   ├── CalendarUnavailable the calendar of a venue that closes was not to be had
    │   ├── EmbeddedUnavailable a part of the embedded stack cannot be fetched or started
    │   ├── VenueUnavailable    an exchange did not answer, on an idempotent call
    │   └── WitnessUnavailable  the witness of the audit trail gave no answer that counts
    ├── QuarantineError     this one input is bad; dead-letter it and go on
    │   ├── MalformedError      not a canonical event of a known type and version
    │   │   └── UnknownVersionError a known type in a version that we cannot read
    │   ├── TagError            the tag is missing or does not verify
    │   └── WireError           bytes from an exchange that its documents do not allow
    ├── HaltError           going on would be wrong; exit and let a person look
    │   ├── GapError            a record is missing between two that were read
    │   ├── PositionError       a stored position does not match the log
    │   ├── PartitionError      a topic's partition count is not the table's
    │   ├── AuthorisationError  Kafka or PostgreSQL says no, or says more than the table
    │   ├── IntegrityError      a hash, chain or signature does not verify
    │   └── SettingError        a setting is missing, wrong or contradicts another
    ├── ExitError           this process must end; a restart is the recovery
    │   ├── FencedError         another instance took the partition
    │   └── WriteError          a produce failed, so what the log holds is unsure
    ├── RefusedError        a command was understood and refused; the reason says why
    ├── NotRunningError     there is nothing to attach to, or no such thing
    ├── AlreadyRunningError a second one of something that exists once
    └── GateError           a check that must be green is red
"""

from typing import TypeVar

_E = TypeVar("_E", bound=BaseException)


class SparkError(Exception):
    """Any failure that Spark foresees; its text is one line for a person."""

    #: Process exit code when nobody handles it (cli/exit_codes.py).
    exit_code = 1


class RetryError(SparkError):
    """The same call may go through later."""

    exit_code = 5


class BusUnavailable(RetryError):  # noqa: N818  (reads as the state it names)
    """Kafka did not answer in time."""


class DatabaseUnavailable(RetryError):  # noqa: N818
    """PostgreSQL did not answer in time, or takes no writes now."""


class CalendarUnavailable(RetryError):  # noqa: N818
    """The calendar of a venue that closes did not answer."""


class EmbeddedUnavailable(RetryError):  # noqa: N818
    """A part of the embedded stack cannot be fetched or started now."""


class VenueUnavailable(RetryError):  # noqa: N818
    """
    An exchange did not answer a call that may be repeated.

    `retry_after_s` is what it asks for, rounded up, 0 for nothing; it may concern the address.
    `is_key_refused` says that it did answer: the key that the call was signed with is no good.
    """

    def __init__(
        self,
        message: str,
        *,
        retry_after_s: int = 0,
        is_address_limited: bool = False,
        is_key_refused: bool = False,
    ) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.is_address_limited = is_address_limited
        self.is_key_refused = is_key_refused


class WitnessUnavailable(RetryError):  # noqa: N818
    """The witness of the audit trail gave no answer that counts."""


class QuarantineError(SparkError):
    """One input is bad; it is dead-lettered with this text and the next is served."""


class MalformedError(QuarantineError):
    """The bytes are not a canonical event of a known type and version."""


class UnknownVersionError(MalformedError):
    """A known type in a version that this build does not read."""


class TagError(QuarantineError):
    """The record's tag for this reader is missing or does not verify."""


class WireError(QuarantineError):
    """An exchange sent what its documents do not allow."""


class HaltError(SparkError):
    """Going on would be wrong; a person has to look."""

    exit_code = 7


class GapError(HaltError):
    """A record is missing between two that were read."""


class PositionError(HaltError):
    """A stored position does not match the log: a topic re-created or cut."""


class PartitionError(HaltError):
    """A topic does not have the partitions of the table."""


class AuthorisationError(HaltError):
    """Kafka or PostgreSQL refused, or grants more than the table."""

    exit_code = 4


class IntegrityError(HaltError):
    """A hash, a chain or a signature does not verify."""


class SettingError(HaltError):
    """A setting is missing, wrong, or contradicts another."""

    exit_code = 4


class ExitError(SparkError):
    """The process must end; starting again is the recovery."""


class FencedError(ExitError):
    """Another instance of this role took the partition."""

    exit_code = 10


class WriteError(ExitError):
    """A produce failed, so what the log holds is unsure until it is read."""


class RefusedError(SparkError):
    """A command was understood and refused."""

    exit_code = 6


class NotRunningError(SparkError):
    """There is no running stack to attach to."""

    exit_code = 3


class AlreadyRunningError(SparkError):
    """Another supervisor holds the home."""


class GateError(SparkError):
    """A check that must be green is red."""

    exit_code = 8


def first_of(group: BaseExceptionGroup[_E]) -> _E:
    """Give the first error of a group, however deep it lies: of several, what began it."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
