"""Every rule, loaded: importing this module makes the front answer by them."""

from __future__ import annotations

from smplan.sandbox import (
    aws_alarms,
    aws_balancers,
    aws_certificates,
    aws_images,
    aws_instances,
    aws_launch_configurations,
    aws_listeners,
    aws_records,
    aws_scaling_groups,
    aws_scaling_members,
    aws_scaling_policies,
    aws_scaling_run,
    aws_scaling_settings,
    aws_security_groups,
    aws_target_groups,
    aws_targets,
    aws_templates,
    aws_topics,
)
from smplan.sandbox.calls import RULES

MODULES = (
    aws_alarms,
    aws_balancers,
    aws_certificates,
    aws_images,
    aws_instances,
    aws_launch_configurations,
    aws_listeners,
    aws_records,
    aws_scaling_groups,
    aws_scaling_members,
    aws_scaling_policies,
    aws_scaling_run,
    aws_scaling_settings,
    aws_security_groups,
    aws_target_groups,
    aws_targets,
    aws_templates,
    aws_topics,
)


def actions() -> list[str]:
    """``service:Action`` of everything the sandbox answers by its own rules."""
    return sorted(f"{service}:{action}" for service, action in RULES)
