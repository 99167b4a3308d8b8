"""Every error smplan raises on purpose, in one tree, split by what the reader has to do next.

::

    SmplanError                    exit 1   something went wrong, nothing was lost
      BlueprintInvalid             exit 3   mend the blueprint (all its faults at once)
      Stale                        exit 4   plan again: the state or reality moved on
      GuardRefused                 exit 6   lift the guard on purpose, or leave it be
      Locked                       exit 7   wait for whoever holds the lock
      Partial                      exit 8   some steps failed; mend the cause and apply again
      Interrupted                  exit 9   run again to go on
      TimedOut                     exit 10  look at what was waited for, then apply again
      StoreError                   exit 1   the place where state lives cannot be used
      DriverError                  exit 1   AWS or Stream Manager said no
        NotFound                            it is gone
        Conflict                            it exists already, and differs
        NotOurs                             it exists, and belongs to somebody else
        Throttled                           retry later
        Denied                              the credentials lack a permission
        Expired                    exit 9   the credentials do not count any more; renew them and run again
        InUse                               something still holds it
        Invalid                             the request was wrong: mend the blueprint
        Unreachable                         no answer: network, endpoint, or nothing in service
        LostAnswer                          it was sent, and nobody knows whether it was done: look
      Bug                          exit 1   smplan is wrong: report it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SmplanError(Exception):
    """Something a person can act on: ``str(error)`` says what, ``error.hint`` says what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", address: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.address = address


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One mistake in a blueprint: where it stands (1-based line and column), what is wrong, how to mend it."""

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    path: tuple[str | int, ...] = ()

    @property
    def place(self) -> str:
        """``file:line:column``, as editors and terminals link it; without a line, only the file."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class BlueprintInvalid(SmplanError):
    """The blueprint has faults; all of them are in ``faults``, in the order of the file."""

    exit_code = 3

    def __init__(self, faults: Sequence[Diagnostic]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column, fault.message)))
        count = len(self.faults)
        super().__init__(f"the blueprint has {count} fault{'s' if count != 1 else ''}")


class Stale(SmplanError):
    """The plan no longer fits: its file, the state, or reality changed since it was made."""

    exit_code = 4


class GuardRefused(SmplanError):
    """A guard stands in the way (``prevent_destroy``, an account mismatch, something unreadable)."""

    exit_code = 6


class Locked(SmplanError):
    """Somebody else holds the lock on this state."""

    exit_code = 7


class Partial(SmplanError):
    """Some steps failed, what was done is saved, and the next apply carries on."""

    exit_code = 8


class Interrupted(SmplanError):
    """Stopped on request; everything is saved, and the next apply carries on."""

    exit_code = 9


class TimedOut(SmplanError):
    """A wait ran past its deadline; what was last seen is in the message."""

    exit_code = 10


class StoreError(SmplanError):
    """State, journal or lock could not be read or written."""


class DriverError(SmplanError):
    """What AWS or Stream Manager answered. ``code`` is its own error code, ``action`` the call: ``ec2:CreateImage``."""

    def __init__(self, message: str, *, hint: str = "", address: str = "", code: str = "", action: str = "") -> None:
        super().__init__(message, hint=hint, address=address)
        self.code = code
        self.action = action


class NotFound(DriverError):
    """The thing named does not exist (any more)."""


class Conflict(DriverError):
    """Something of that name exists already and differs."""


class NotOurs(DriverError):
    """Something of that name exists and is not owned by this state."""


class Throttled(DriverError):
    """Too many requests; worth trying again later."""


class Denied(DriverError):
    """The credentials do not allow this call."""


class Expired(DriverError):
    """The credentials have run out, or AWS does not know them: nothing more can be done with them."""

    exit_code = 9


class InUse(DriverError):
    """Something else still holds it, so it cannot be deleted or changed yet."""


class Invalid(DriverError):
    """The request was refused as wrong; trying again will not help."""


class Unreachable(DriverError):
    """Nobody answered."""


class LostAnswer(DriverError):
    """A mutating request was sent and no answer came back: it may or may not have been done."""


class Bug(SmplanError):
    """smplan itself is wrong."""
