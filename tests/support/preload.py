"""Modules and AWS models loaded once, in the process that commands are forked from."""

from collections.abc import Callable
from typing import Any

import boto3
import httpx
import jsonschema
import networkx as nx
import pydantic
import rich.console
import typer.main
from botocore.loaders import Loader

import smplan.cli.main
import smplan.cli.wiring
import smplan.drivers.aws.client
import smplan.engine.apply
import smplan.render.progress
import smplan.render.text
import smplan.stores.local
import smplan.stores.s3
from smplan.drivers import registry

__all__ = ["boto3", "httpx", "jsonschema", "nx", "pydantic", "registry", "rich", "smplan", "typer"]

registry.drivers()
registry.lookups()


def _once(load: Callable[..., Any]) -> Callable[..., Any]:
    """A loader's method with one cache for all loaders."""
    shared: dict[object, Any] = {}

    def loaded(self: Loader, *names: str | None, **more: str | None) -> Any:
        key = (names, *more.items())
        if key not in shared:
            shared[key] = load(self, *names, **more)
        return shared[key]

    return loaded


def _share_models() -> None:
    """Load AWS's models once for all sessions of all processes: botocore loads them per session."""
    Loader.load_service_model = _once(Loader.load_service_model)  # type: ignore[method-assign]
    Loader.load_data_with_path = _once(Loader.load_data_with_path)  # type: ignore[method-assign]
    Loader.list_available_services = _once(Loader.list_available_services)  # type: ignore[method-assign]
    session = boto3.session.Session("none", "none", region_name="us-east-1")
    for service in ("acm", "autoscaling", "cloudwatch", "ec2", "elbv2", "rds", "route53", "s3", "sns", "sts"):
        client = session.client(service)
        client.can_paginate(next(iter(client.meta.method_to_api_mapping)))  # loads the paginators, too


_share_models()
