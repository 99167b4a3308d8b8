"""A request to the emulated AWS, and the table of handlers that respond to it in place of moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Account


@dataclass(frozen=True, slots=True)
class Call:
    """One request as its handler sees it."""

    account: Account
    service: str
    action: str
    params: Fields = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """The parameter ``name``; None if it was not sent."""
        return self.params.get(name)

    def moto(self, **changes: Any) -> Fields:
        """What moto responds to this request, with ``changes`` made (None: left out). Raises AwsError."""
        params = {name: value for name, value in {**self.params, **changes}.items() if value is not None}
        return self.account.moto.call(self.service, self.action, params)


Handler: TypeAlias = Callable[[Call], "Fields | None"]
HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(service: str, *actions: str) -> Callable[[Handler], Handler]:
    """Make the decorated function handle these actions in place of moto."""

    def register(handler: Handler) -> Handler:
        for action in actions:
            if (service, action) in HANDLERS:
                raise ValueError(f"{service}:{action} has two handlers")
            HANDLERS[service, action] = handler
        return handler

    return register


def has_handlers(service: str) -> bool:
    """Whether any action of the service is handled here."""
    return any(name == service for name, _ in HANDLERS)
