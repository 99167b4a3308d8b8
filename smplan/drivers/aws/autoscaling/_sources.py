"""What instances are launched from: a launch configuration, or a numbered version of a launch template."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from smplan.drivers.aws.autoscaling import _instances
from smplan.drivers.aws.requests import accepted
from smplan.drivers.context import AwsAccount

_TEMPLATE = re.compile(r"(lt-[0-9a-f]+) (\d+)")


def template_of(holder: Mapping[str, Any]) -> tuple[str, str] | None:
    """The launch template of a group or a desired configuration, also of a mixed instances policy: id and version."""
    mixed = holder.get("MixedInstancesPolicy", {}).get("LaunchTemplate", {}).get("LaunchTemplateSpecification")
    found = holder.get("LaunchTemplate") or mixed
    return (found.get("LaunchTemplateId", ""), found.get("Version", "")) if found else None


def identity(holder: Mapping[str, Any]) -> str:
    """What a group or an instance is launched from, as one text: equal for equal sources; empty if AWS names none."""
    template = template_of(holder)
    return " ".join(template) if template else str(holder.get("LaunchConfigurationName") or "")


def described(identity: str) -> str:
    """The same for a message."""
    template = _TEMPLATE.fullmatch(identity)
    return f"version {template[2]} of {template[1]}" if template else identity or "an unknown source"


def of_instance(instance: Mapping[str, Any]) -> str:
    """The source of one instance for a list of a group's: without the template's id."""
    found = template_of(instance)
    return f"version {found[1]}" if found else str(instance.get("LaunchConfigurationName") or "an unknown source")


def request(aws: AwsAccount, name: str, identity: str) -> dict[str, Any]:
    """The members of UpdateAutoScalingGroup that have the group launch from the source of that identity."""
    template = _TEMPLATE.fullmatch(identity)
    if template is None:
        return {"LaunchConfigurationName": identity}
    return template_request(aws, name, {"LaunchTemplateId": template[1], "Version": template[2]})


def template_request(aws: AwsAccount, name: str, template: Mapping[str, str]) -> dict[str, Any]:
    """The template as a request has it: in the policy for several instance types, if one was set by hand."""
    shape: Any = aws.write.autoscaling.meta.service_model.shape_for("MixedInstancesPolicy")
    group = next(_instances.described(aws, [name], instances=False), None)
    policy: Any = accepted(shape, group.get("MixedInstancesPolicy")) if group else None
    return {"MixedInstancesPolicy": with_template(policy, template)} if policy else {"LaunchTemplate": template}


def with_template(policy: dict[str, Any], template: Mapping[str, str]) -> dict[str, Any]:
    """The policy with another template; AWS describes a template of its overrides by id and name, and takes one."""
    launch: dict[str, Any] = {**policy["LaunchTemplate"], "LaunchTemplateSpecification": template}
    for override in launch.get("Overrides", []):
        own = override.get("LaunchTemplateSpecification", {})
        if "LaunchTemplateId" in own:
            own.pop("LaunchTemplateName", None)
    return {**policy, "LaunchTemplate": launch}
