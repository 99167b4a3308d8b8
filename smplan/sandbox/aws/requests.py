"""A request to the emulated AWS, and the table of handlers that respond to it in place of moto."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from smplan.sandbox.aws.errors import Fields
from smplan.sandbox.aws.state.account import Cloud


@dataclass(frozen=True, slots=True)
class Call:
    """One request as a rule sees it."""

    cloud: Cloud
    service: str
    action: str
    params: Fields = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """The parameter ``name``; None if it was not sent."""
        return self.params.get(name)

    def moto(self, **changes: Any) -> Fields:
        """What moto responds to this request, with ``changes`` made (None: left out). Raises AwsError."""
        params = {name: value for name, value in {**self.params, **changes}.items() if value is not None}
        return self.cloud.moto.ask(self.service, self.action, params)


Handler: TypeAlias = Callable[[Call], "Fields | None"]
HANDLERS: dict[tuple[str, str], Handler] = {}


def handles(service: str, *actions: str) -> Callable[[Handler], Handler]:
    """Make the decorated function handle these actions in place of moto."""

    def register(rule: Handler) -> Handler:
        for action in actions:
            if (service, action) in HANDLERS:
                raise ValueError(f"{service}:{action} has two rules")
            HANDLERS[service, action] = rule
        return rule

    return register
