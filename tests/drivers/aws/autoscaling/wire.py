"""Auto Scaling as scripted responses, for what the sandbox never sends."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any


class Wire:
    """Auto Scaling that shows one ``look`` after the other (the last for ever) and raises ``refusals`` in turn."""

    def __init__(self, *looks: dict[str, Any] | None, refusals: Iterable[Exception] = ()) -> None:
        self.looks = list(looks)
        self.refusals = list(refusals)
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.read = self.write = SimpleNamespace(autoscaling=self)

    def get_paginator(self, operation: str) -> Wire:
        assert operation == "describe_auto_scaling_groups"
        return self

    def paginate(self, **_: object) -> list[dict[str, Any]]:
        look = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return [{"AutoScalingGroups": [look] if look else []}]

    def update_auto_scaling_group(self, **sent: Any) -> None:
        self._take("update", sent)

    def set_instance_protection(self, **sent: Any) -> None:
        self._take("protect", sent)

    def _take(self, name: str, sent: dict[str, Any]) -> None:
        self.sent.append((name, sent))
        if self.refusals:
            raise self.refusals.pop(0)

    @property
    def protected(self) -> list[list[str]]:
        return [sent["InstanceIds"] for name, sent in self.sent if name == "protect"]


def group(*states: str, size: int = 0, protected: bool = True, **more: Any) -> dict[str, Any]:
    instances = [
        {"InstanceId": f"i-{number:03}", "LifecycleState": state, "ProtectedFromScaleIn": protected}
        for number, state in enumerate(states)
    ]
    sizes = {"MinSize": 0, "MaxSize": size, "DesiredCapacity": size}
    return {"AutoScalingGroupName": "g", "Instances": instances, **sizes, **more}
