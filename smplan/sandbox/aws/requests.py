"""One request to the emulated AWS, the rules that answer it, and how a rule refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from smplan.sandbox.aws.state.account import Cloud

Fields: TypeAlias = dict[str, Any]
"""A request's or an answer's fields, named as in AWS's API reference."""


class Refusal(Exception):
    """AWS's way to say no: its error ``code``, its ``message``, and the HTTP status if it is not the model's."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


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
        """What moto answers to this request, with ``changes`` made (None: left out). Raises Refusal."""
        params = {name: value for name, value in {**self.params, **changes}.items() if value is not None}
        return self.cloud.moto.ask(self.service, self.action, params)


Rule: TypeAlias = Callable[[Call], "Fields | None"]
RULES: dict[tuple[str, str], Rule] = {}


def answers(service: str, *actions: str) -> Callable[[Rule], Rule]:
    """Make the decorated function answer these actions in place of moto."""

    def register(rule: Rule) -> Rule:
        for action in actions:
            if (service, action) in RULES:
                raise ValueError(f"{service}:{action} has two rules")
            RULES[service, action] = rule
        return rule

    return register
