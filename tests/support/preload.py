"""Modules and AWS models loaded once, in the process that commands are forked from."""

import boto3
import httpx
import jsonschema
import networkx as nx
import pydantic
import rich.console
import typer.main

import smplan.cli.main
import smplan.cli.wiring
import smplan.drivers.aws.client
import smplan.engine.apply
import smplan.render.progress
import smplan.render.text
import smplan.stores.local
import smplan.stores.s3
from smplan.drivers import registry
from tests.support import service_models

__all__ = ["boto3", "httpx", "jsonschema", "nx", "pydantic", "registry", "rich", "smplan", "typer"]

registry.drivers()
registry.lookups()
service_models.share()
session = boto3.session.Session("none", "none", region_name="us-east-1")
for service in ("acm", "autoscaling", "cloudwatch", "ec2", "elbv2", "rds", "route53", "s3", "sns", "sts"):
    client = session.client(service)
    client.can_paginate(next(iter(client.meta.method_to_api_mapping)))  # loads the paginators, too
