"""What can go wrong that a user has to hear about, and the exit code that says so."""

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes (docs/contract.md); 1 is left to what nobody foresaw."""

    DONE = 0
    UNEXPECTED = 1
    USAGE = 2
    UPLOAD_FAILED = 3
    LOCKED = 4
    RESTORE_REFUSED = 5
    CHECKPOINT_FAILED = 6


class AgentError(Exception):
    """One sentence for the user and the exit code that goes with it."""

    exit_code = ExitCode.UNEXPECTED


class UsageError(AgentError):
    """A setting, an option or an input file is not what it should be."""

    exit_code = ExitCode.USAGE


class NoProgramError(UsageError):
    """A command names a program that is not there."""


class UploadError(AgentError):
    """Something did not arrive in S3."""

    exit_code = ExitCode.UPLOAD_FAILED


class LockedError(AgentError):
    """Another process held a lock for longer than this one would wait."""

    exit_code = ExitCode.LOCKED


class RestoreRefusedError(AgentError):
    """The job has a history that could not be restored, so nothing may start over it.

    `hopeless` where waiting won't mend it: S3 denies it, or none of it verifies.
    """

    exit_code = ExitCode.RESTORE_REFUSED

    def __init__(self, message: str, *, hopeless: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless


class CheckpointError(AgentError):
    """No consistent dump could be had from the trainer."""

    exit_code = ExitCode.CHECKPOINT_FAILED


class CheckpointTimeoutError(CheckpointError):
    """The trainer did not finish its dump in the time it had."""
