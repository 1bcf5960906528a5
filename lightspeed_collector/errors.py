"""What can end a run, one class for each thing that an operator can do about it.

The message is one line for people; `status` is the exit status (sysexits.h) that it leads to.
"""

from __future__ import annotations

from lightspeed_stack.daemon import exits


class Error(Exception):
    """The root: a message for people and an exit status."""

    status = exits.IOERR


class SpoolError(Error):
    """A storage folder can't be read, or something in it can't be read or removed."""

    status = exits.IOERR


class StateError(Error):
    """The state directory can't be written."""

    status = exits.CANTCREAT


class StateFull(StateError):
    """The state directory has no room for a batch of so many records; a smaller one may fit."""

    def __init__(self, message: str, records: int) -> None:
        super().__init__(message)
        self.records = records


class LedgerCorrupt(Error):
    """The ledger's file is no sound database; it has to be set aside."""

    status = exits.IOERR


class Refused(Error):
    """The ingress answers, and won't take anything as we are configured."""

    status = exits.UNAVAILABLE


class Busy(Error):
    """The ingress can't be reached or has no time for us, or another command holds what we need."""

    status = exits.TEMPFAIL


class Misconfigured(Error):
    """Something that the configuration points at is missing or unfit."""

    status = exits.CONFIG


class Stopped(Error):
    """A signal asked us to stop."""

    status = exits.TEMPFAIL


class Locked(Error):
    """Another run is under way."""

    status = exits.OK
