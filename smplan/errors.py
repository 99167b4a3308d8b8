"""The exception hierarchy, split by what the user has to do next.

::

    SmplanError                    exit 1   something went wrong, nothing was lost
      BlueprintInvalid             exit 3   fix the blueprint (all its errors are listed)
      Stale                        exit 4   plan again: the state or what exists changed
      Untrusted                    exit 5   have the plan derived again, or approved: nothing vouches for it
      GuardRefused                 exit 6   lift the guard on purpose, or keep it
      Locked                       exit 7   wait for the holder of the lock
      Partial                      exit 8   some steps failed; fix the cause and apply again
      Interrupted                  exit 9   run again to resume
      TimedOut                     exit 10  check what was waited for, then apply again
      StoreError                   exit 1   the state backend cannot be used
      DriverError                  exit 1   AWS or Stream Manager refused a request
        NotFound                            it does not exist
        Conflict                            it exists already, and differs
        NotOurs                             it exists and is not owned by this state
        Throttled                           retry later
        Denied                              the credentials lack a permission
        Expired                    exit 9   the credentials expired; renew them and run again
        InUse                               something still uses it
        Invalid                             the request was rejected: fix the blueprint
        Unreachable                         no response: network, endpoint, or nothing in service
        LostAnswer                          it was sent, and its outcome is unknown: check
      Bug                          exit 1   an error in smplan: report it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from smplan.redaction import redacted

Severity = Literal["error", "warning"]


class SmplanError(Exception):
    """An error the user can act on: ``str(error)`` is the message, ``hint`` what to do, ``address`` the resource.

    Neither message nor hint contains a secret that this process knows.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "", address: str = "") -> None:
        self.message = redacted(message)
        self.hint = redacted(hint)
        self.address = address
        super().__init__(self.message)


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One error or warning in a blueprint, without known secrets: message, hint and position (1-based line, column)."""

    message: str
    hint: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    source: str = ""
    path: tuple[str | int, ...] = ()
    severity: Severity = "error"

    def __post_init__(self) -> None:
        for name in ("message", "hint", "source"):
            object.__setattr__(self, name, redacted(getattr(self, name)))

    @property
    def place(self) -> str:
        """``file:line:column``, or only the file if there is no line."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class BlueprintInvalid(SmplanError):
    """The blueprint is invalid; ``diagnostics`` holds all its errors and warnings, in the order of the file."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(
            sorted(diagnostics, key=lambda each: (each.file, each.line, each.column, each.message))
        )
        count = sum(each.severity == "error" for each in self.diagnostics)
        super().__init__(f"the blueprint has {count} error{'s' if count != 1 else ''}")


class Stale(SmplanError):
    """The plan is out of date: its file, the state, or what exists changed since it was made."""

    exit_code = 4


class Untrusted(SmplanError):
    """The plan must not be applied: nothing shows who made it, or it is not what smplan makes of the blueprint."""

    exit_code = 5


class GuardRefused(SmplanError):
    """A guard refused (``prevent_destroy``, an account mismatch, something unreadable)."""

    exit_code = 6


class Locked(SmplanError):
    """Another process holds the lock on this state."""

    exit_code = 7


class Partial(SmplanError):
    """Some steps failed; the rest is saved, and the next apply resumes."""

    exit_code = 8


class Interrupted(SmplanError):
    """Stopped on request; everything is saved, and the next apply resumes."""

    exit_code = 9


class TimedOut(SmplanError):
    """A wait exceeded its deadline; the message holds the last status."""

    exit_code = 10


class StoreError(SmplanError):
    """State, journal or lock could not be read or written."""


class DriverError(SmplanError):
    """An error from AWS or Stream Manager: its ``code``, and the failed ``action``, such as ``ec2:CreateImage``."""

    def __init__(self, message: str, *, hint: str = "", address: str = "", code: str = "", action: str = "") -> None:
        super().__init__(message, hint=hint, address=address)
        self.code = code
        self.action = action


class NotFound(DriverError):
    """The resource does not exist (any more)."""


class Conflict(DriverError):
    """A resource of that name exists already and differs."""


class NotOurs(DriverError):
    """A resource of that name exists and is not owned by this state."""


class Throttled(DriverError):
    """Too many requests; retry later."""


class Denied(DriverError):
    """The credentials do not allow this call."""


class Expired(DriverError):
    """The credentials have expired or are unknown to AWS; every further request would fail."""

    exit_code = 9


class InUse(DriverError):
    """Another resource still uses it, so it cannot be deleted or changed yet."""


class Invalid(DriverError):
    """The request was rejected as invalid; a retry will not help."""


class Unreachable(DriverError):
    """There was no response."""


class LostAnswer(DriverError):
    """A mutating request was sent and its response was lost: it may or may not have been executed."""


class Bug(SmplanError):
    """An internal error of smplan."""
