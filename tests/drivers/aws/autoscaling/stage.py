"""Helpers of scaling, alarm and topic tests: a setup with a launch template, and recorded requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from types import SimpleNamespace
from typing import Any

import botocore.session

from smplan.drivers.aws.client import Aws
from smplan.drivers.context import Context
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Case, CaseSetup, FaultyAws, context
from tests.support.rate_limits import unlimited

TEMPLATE = {
    "as": "template",
    "kind": "aws.ec2.launch_template",
    "spec": {
        "name": "t-${run}",
        "image_id": "${box.image_id}",
        "instance_type": "c5.large",
        "security_group_ids": ["${box.stream_manager_security_group_id}"],
    },
}
GROUP: Mapping[str, Any] = {
    "name": "g-${run}",
    "launch_template": {"id": "${template.id}", "version": 1},
    "min_size": 0,
    "max_size": 4,
    "subnet_ids": ["${box.subnet_ids[0]}"],
}


@contextmanager
def staged(
    box: Sandbox, aws: Aws, kind: str, spec: Mapping[str, Any], *setup: Mapping[str, Any]
) -> Iterator[CaseSetup]:
    """A stage with a launch template and ``setup`` on it."""
    with CaseSetup(box, aws, Case(kind, "in-code", (TEMPLATE, *setup), spec, {}, {})) as stage:
        yield stage


def group_stage(box: Sandbox, aws: Aws, *setup: Mapping[str, Any], **changes: Any) -> Any:
    """A stage whose subject is a scaling group, empty unless ``changes`` say otherwise."""
    return staged(box, aws, "aws.autoscaling.group", {**GROUP, **changes}, *setup)


def count_calls(region: str) -> tuple[Context, list[str]]:
    """A context for drivers, and the actions that they call."""
    calls: list[str] = []
    return context(Aws(region, on_call=calls.append, rate_limiter=unlimited())), calls


def record_writes(region: str) -> tuple[Aws, list[tuple[str, dict[str, Any]]]]:
    """A client, and its writes: operation and parameters as the driver passed them."""
    writes: list[tuple[str, dict[str, Any]]] = []

    def spoil(client: Any, is_write: bool) -> None:
        def record(params: dict[str, Any], model: Any, **_: object) -> None:
            writes.append((model.name, dict(params)))

        if is_write:
            client.meta.events.register("provide-client-params", record)

    return FaultyAws(region, spoil), writes


class Script:
    """A client that answers what the test says, by method (or paginated operation), and notes what it was sent."""

    def __init__(self, **answers: Callable[[dict[str, Any]], Any]) -> None:
        self.answers = answers
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.meta = SimpleNamespace(partition="aws")

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**sent: Any) -> Any:
            self.sent.append((name, sent))
            return self.answers[name](sent) if name in self.answers else {}

        return call

    def get_paginator(self, operation: str) -> Any:
        """Pages of one answer."""
        return SimpleNamespace(paginate=lambda **sent: [getattr(self, operation)(**sent)])


@cache
def service_model(service: str) -> Any:
    """The members of each request of ``service``."""
    return botocore.session.get_session().get_service_model(service)


def scripted(**clients: Script) -> Context:
    """A context for drivers whose clients are scripts."""
    for service, script in clients.items():
        script.meta.service_model = service_model(service)
    way: Any = SimpleNamespace(
        read=SimpleNamespace(**clients),
        write=SimpleNamespace(**clients),
        region="us-east-1",
        account="123456789012",
    )
    return context(way)
