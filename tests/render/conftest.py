"""A plan in which everything occurs once, and the golden files it is compared with."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from smplan.core.blueprint import BackendConfig
from smplan.core.diff import AttributeChange
from smplan.core.plan.model import Dependency, Drift, KeptGeneration, Op, Plan, StateRef, Step, with_digest
from smplan.core.risk import Category, Interruption, Risk, Sessions
from smplan.core.state.model import ResourceState
from smplan.core.values import Json

GOLDEN = Path(__file__).parent / "golden"
GUIDE = "Red5 Pro guide: Autoscaling Stream Manager on AWS, DB ACCESS"
USER_DATA = "#!/bin/bash\nuid=1\nsystemctl restart red5pro\n"


def step(id: str, kind: str, op: Op, *reasons: str, target: str = "", spec: Json = None, **more: Any) -> Step:
    """A step of that id (``address:op``), for what ``target`` names, which is to be as ``spec`` says."""
    return Step(id, op, ResourceState(id.partition(":")[0], kind, target, spec or {}, {}), reasons, **more)


@pytest.fixture
def everything() -> Plan:
    """Every op, risk, drift, something unreadable, secrets, and values known only later."""
    steps = (
        step(
            "access:create",
            "aws.ec2.security_group_rule",
            Op.CREATE,
            "it does not exist yet",
            spec={"port": 3306, "source_group": "sg-1", "tags": {"a": "b"}},
        ),
        step(
            "template:update",
            "aws.ec2.launch_template",
            Op.UPDATE,
            "user_data: the blueprint changed",
            changes=(
                AttributeChange("user_data", USER_DATA, USER_DATA.replace("uid=1", "uid=2")),
                AttributeChange("image_id", "ami-1", {"$ref": "image.id"}),
                AttributeChange("tags.url", "x", {"$template": ["https://", {"$ref": "alb.dns_name"}, "/"]}),
            ),
            target="lt-1",
            expected_seconds=30,
        ),
        step(
            "targets:replace",
            "aws.elbv2.target_group",
            Op.REPLACE,
            "port cannot be changed in place",
            changes=(AttributeChange("port", 80, 5080, True),),
            expected_seconds=5,
        ),
        step(
            "fleet:update",
            "aws.autoscaling.group",
            Op.UPDATE,
            "max_size: changed outside smplan",
            changes=(AttributeChange("max_size", 9, 4),),
            target="fleet",
            depends_on=(
                Dependency("access:create", "instances need their ports open before they start", GUIDE),
                Dependency("targets:replace", "refers to targets.arn"),
            ),
            expected_seconds=120,
        ),
        step("topic:adopt", "aws.sns.topic", Op.ADOPT, "it exists already", target="arn:topic"),
        step("healthy:gate", "gate.targets_healthy", Op.GATE, spec={"minimum": 1, "user_data": "a\nb\n"}),
        step(
            "nodes:create",
            "red5.nodegroup",
            Op.CREATE,
            spec={"name": "n", "token": {"$secret": "env:TOKEN"}, "none": None, "list": [1, "x"]},
            depends_on=(Dependency("healthy:gate", "Stream Manager answers only then", GUIDE),),
            expected_seconds=300,
        ),
        step(
            "targets:delete#1",
            "aws.elbv2.target_group",
            Op.DELETE,
            "replaced by generation 2",
            target="arn:old",
            risks=(Risk(Category.SERVING, "what is registered with old gets no more requests"),),
            depends_on=(Dependency("fleet:update", "it points at this one until then"),),
        ),
        step("gone:delete#1", "core.value", Op.FORGET, "gone already", target="v"),
        step(
            "ssh:create",
            "aws.ec2.security_group_rule",
            Op.CREATE,
            spec={"port": 22, "cidr_ipv4": "0.0.0.0/0"},
            risks=(
                Risk(Category.EXPOSED, "opens tcp port 22 (SSH) to sg-1 from 0.0.0.0/0"),
                Risk(Category.SERVING, "another one"),
            ),
        ),
        step("image:restore", "aws.ec2.image", Op.RESTORE, "generation 1 still exists", target="ami-1"),
        step("alb:unprotect#1", "aws.elbv2.load_balancer", Op.UNPROTECT, "--unprotect permits it", target="arn:alb"),
        step(
            "blue:scale",
            "aws.autoscaling.group",
            Op.SCALE,
            "`smplan scale` sets its size to 0",
            changes=(AttributeChange("min_size", 1, 0),),
            target="blue",
        ),
        step(
            "nodes:abandon#1",
            "red5.nodegroup",
            Op.FORGET,
            "it is abandoned: forgotten, and not deleted",
            risks=(Risk(Category.LEFT_BEHIND, "nothing deletes it any more"),),
        ),
    )
    plan = Plan(
        id="00000000-0000-4000-8000-000000000000",
        name="fleet",
        mode="apply",
        created="2026-01-01T00:00:00+00:00",
        expires="2026-01-08T00:00:00+00:00",
        smplan_version="0.1.0",
        blueprint={"file": "b.yaml", "digest": "d", "commit": "c0ffee"},
        variables={"size": 4, "zones": ["a", "b"]},
        base=StateRef("lineage", 3, "digest", exists=True),
        backend=BackendConfig("local", {"path": "/srv/fleet/state/fleet.state.json"}),
        account="123456789012",
        region="us-east-1",
        lookups={},
        stream_manager=None,
        steps=steps,
        drift=(
            Drift("fleet", "aws.autoscaling.group", "fleet", changes=(AttributeChange("max_size", 4, 9),)),
            Drift("record", "aws.route53.record", "z/r/CNAME", gone=True),
        ),
        unreadable={"old_nodes": "no Stream Manager is in service"},
        not_checked={"key pairs": "the credentials may not call ec2:DescribeKeyPairs"},
        scaled={"green": 0, "red": 3},
        stopped={"healthy": "green is scaled to 0"},
        kept_generations=(KeptGeneration("image", "aws.ec2.image", "ami-2", 2),),
        unchanged=("a", "b"),
        interruptions=(
            Interruption("targets", 0, Sessions.ALL, "sessions end when it is deleted"),
            Interruption("record", 900, Sessions.NONE, "the name does not resolve meanwhile"),
            Interruption("https", None, Sessions.SOME, "nothing listens | there <any> more"),
        ),
        permits={"unprotect": ("alb",), "abandon": ("nodes",)},
        warnings=("boot.sh:1: Windows line endings; convert them",),
    )
    return with_digest(plan)


@pytest.fixture
def golden() -> Callable[[str, str], None]:
    """Compare text with a golden file; SMPLAN_GOLDEN=write writes it anew."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / name
        if os.environ.get("SMPLAN_GOLDEN") == "write":
            path.write_text(text, encoding="utf-8")
        assert text == path.read_text(encoding="utf-8")

    return compare
