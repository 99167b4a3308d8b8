"""Goals of campaigns, by name: blueprints (the project's own, and edited variants), and commands other than apply."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
TEMPLATE, CONFIGURATION = "stream-manager.yaml", "stream-manager-launch-configuration.yaml"

_MORE = """\
resources:
  clients_group:
    kind: aws.ec2.security_group
    spec: {name: clients, description: Who may watch, vpc_id: "${vpc.id}", tags: {stage: one}}
  subscription:
    kind: aws.sns.subscription
    spec: {topic_arn: "${topic.arn}", protocol: sqs, endpoint: "arn:aws:sqs:us-east-1:123456789012:QUEUE"}
"""
_EVERY = (("resources:\n", _MORE), ("reboot: true ", "tags: {stage: one}\n      reboot: true "))
"""A resource of each kind that the guide's blueprint does not have, and something on the image that can change."""

_CHANGED = (
    ("stage: one}}", "stage: two}}"),
    ("tags: {stage: one}\n", "tags: {stage: two}\n"),
    (":QUEUE", ":other"),
    ("description: Stream Managers to the database", "description: From Stream Managers to MySQL"),
    ("default: c5.large", "default: c5.xlarge"),
    ("      health_check_path: /\n", "      health_check_path: /\n      health_check_interval: 15\n"),
    ("idle_timeout: 3600", "idle_timeout: 120"),
    ("default: ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09", "default: ELBSecurityPolicy-TLS13-1-2-2021-06"),
    ("ttl: 60", "ttl: 120"),
    ("health_check_grace_period: 300", "health_check_grace_period: 360"),
    ("cooldown: 300 ", "cooldown: 240 "),
    ("threshold: 70", "threshold: 75"),
    ("display_name: Stream Managers", "display_name: The fleet"),
    ("        - autoscaling:EC2_INSTANCE_TERMINATE_ERROR\n", ""),
    ("{role: edge, min_limit: 1, max_limit: 4}", "{role: edge, min_limit: 1, max_limit: 5}"),
    ("connection_capacity: 200}", "connection_capacity: 300}"),
)
"""An update of every kind that can be updated; a subscription, which cannot, is replaced."""


def _edited(name: str, *edits: tuple[str, str]) -> Callable[[], str]:
    """The text of one of the project's blueprints with these edits made, each exactly once."""

    def read() -> str:
        text = (BLUEPRINTS / name).read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, f"{before!r} occurs {text.count(before)} times in {name}"
            text = text.replace(before, after)
        return text

    return read


_ROLL_OUT = "      roll_out:\n        instance_warmup: 180\n        scale_in_protected_instances: Refresh\n"
_STAYS = {TEMPLATE: (_ROLL_OUT, ""), CONFIGURATION: ("      roll_out: {instance_warmup: 180}\n", "")}
"""By blueprint, the edit with which running instances stay: a roll-out sends many requests, so one pair has it."""
_PROTECTED = ("      ip_address_type: ipv4\n", "      ip_address_type: ipv4\n      deletion_protection: true\n")


def _staying(name: str, *edits: tuple[str, str]) -> Callable[[], str]:
    return _edited(name, _STAYS[name], *edits)


FLEETS: dict[str, Callable[[], str]] = {
    "guide": _staying(TEMPLATE),
    "every kind": _staying(TEMPLATE, *_EVERY),
    "every kind changed": _staying(TEMPLATE, *_EVERY, *_CHANGED),
    "protected": _staying(TEMPLATE, _PROTECTED),
    "roll-out": _edited(TEMPLATE),
    "rolled out": _edited(TEMPLATE, ("default: c5.large", "default: c5.xlarge")),
    "template renamed": _staying(TEMPLATE, ('name: "${var.host}-launch-template"', 'name: "${var.host}-template"')),
    "configuration": _staying(CONFIGURATION),
    "configuration changed": _staying(CONFIGURATION, ("default: c5.large", "default: c5.xlarge")),
}

DESTROYED = "destroyed"
COMMANDS: dict[str, tuple[str, ...]] = {
    DESTROYED: ("destroy", "fleet.yaml", "--unprotect", "load_balancer"),
    "stopped": ("scale", "fleet.yaml", "--to", "0"),
    "started": ("scale", "fleet.yaml", "--to", "blueprint"),
}
"""Goals that a command reaches from the fleet of the goal before."""
