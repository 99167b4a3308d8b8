"""Loaded once by the process that all others are forked from."""

import boto3
import httpx
import networkx as nx
import pydantic
import rich.console
from botocore.loaders import Loader

import smplan.cli.app
import smplan.cli.compose
import smplan.drivers.aws.session
import smplan.engine.applying
import smplan.render.progress
import smplan.render.text
import smplan.stores.local
import smplan.stores.s3
import tests.campaigns.boundary
from smplan.drivers import registry

__all__ = ["boto3", "httpx", "nx", "pydantic", "registry", "rich", "smplan", "tests"]

registry.drivers()
registry.lookups()


def _share_models() -> None:
    """Let all sessions of all processes read AWS's models once: botocore reads them anew for each session."""
    load = Loader.load_service_model
    shared: dict[object, object] = {}

    def loaded(self: Loader, service_name: str, type_name: str, api_version: str | None = None) -> object:
        key = (service_name, type_name, api_version)
        if key not in shared:
            shared[key] = load(self, service_name, type_name, api_version)
        return shared[key]

    Loader.load_service_model = loaded
    session = boto3.session.Session("none", "none", region_name="us-east-1")
    for service in ("acm", "autoscaling", "cloudwatch", "ec2", "elbv2", "rds", "route53", "s3", "sns", "sts"):
        session.client(service)


_share_models()
