"""Changes of what instances are launched from, with and without a roll-out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.campaigns.interruptions.case import ASKED, DRAIN, PROTECTED, ROLL_OUT, Case, each
from tests.campaigns.interruptions.fleet import GONE, Edits, resource

CONFIGURATION_SPEC: dict[str, Any] = {
    "name": "front-configuration",
    "image_id": "${image.id}",
    "instance_type": "c5.large",
    "security_groups": ["${nodes.id}"],
}
CONFIGURATION: Edits = {
    "template": GONE,
    "configuration": resource("aws.autoscaling.launch_configuration", **CONFIGURATION_SPEC),
    "fleet.launch_template": GONE,
    "fleet.launch_configuration": "${configuration.name}",
}
VOLUME: Edits = {"template.root_device_name": "${image.root_device_name}", "template.volume_size": 16}
CONFIGURED_VOLUME: Edits = {
    "configuration.root_device_name": "${image.root_device_name}",
    "configuration.volume_size": 20,
}


def _templates() -> Iterator[Case]:
    yield from each(
        {},
        template__name="front-template-2",
        template__image_id="${base_image.id}",
        template__instance_type="c5.xlarge",
        template__key_name="ops",
        template__user_data="#!/bin/bash\nexit 0\n",
        template__associate_public_ip_address=True,
        template__root_device_name="${image.root_device_name}",
        template__monitoring=False,
        template__iam_instance_profile="stream-manager",
        template__http_tokens="required",
        template__tags={"team": "video"},
        template__instance_tags={"team": "video"},
    )
    yield from each(VOLUME, template__volume_size=20, template__volume_type="gp3")
    more = {"more": resource("aws.ec2.security_group", name="front-more", description="More", vpc_id="${vpc.id}")}
    yield Case("template.security_group_ids", {"template.security_group_ids": ["${nodes.id}", "${more.id}"]}, more)
    for how, base in (("rolled out", ROLL_OUT), ("rolled out and drained", DRAIN)):
        yield Case(f"{how}: image", {"image.name": "front-ami-2"}, base)
        yield Case(f"{how}: instance type", {"template.instance_type": "c5.xlarge"}, base)
        yield Case(f"{how}: template", {"template.name": "front-template-2"}, base)
    yield Case(
        "rolled out, all ended first",
        {"template.instance_type": "c5.xlarge"},
        {"fleet.roll_out": {"min_healthy_percentage": 0, "max_healthy_percentage": 100, "instance_warmup": 60}},
        unavoidable=ASKED,
        starts=True,
    )
    yield Case(
        "rolled out, half at once",
        {"template.instance_type": "c5.xlarge"},
        {"fleet.roll_out": {"min_healthy_percentage": 50, "max_healthy_percentage": 100, "instance_warmup": 60}},
    )
    yield Case(
        "rolled out, all at once",
        {"template.instance_type": "c5.xlarge"},
        {"fleet.roll_out": {"min_healthy_percentage": 100, "max_healthy_percentage": 200, "instance_warmup": 60}},
    )
    for choice in ("Refresh", "Ignore"):
        protected = {**PROTECTED, "fleet.roll_out": {"instance_warmup": 60, "scale_in_protected_instances": choice}}
        yield Case(f"rolled out, protected instances {choice}", {"template.instance_type": "c5.xlarge"}, protected)


def _configurations() -> Iterator[Case]:
    yield from each(
        CONFIGURATION,
        configuration__name="front-configuration-2",
        configuration__image_id="${base_image.id}",
        configuration__instance_type="c5.xlarge",
        configuration__key_name="ops",
        configuration__user_data="#!/bin/bash\nexit 1\n",
        configuration__associate_public_ip_address=True,
        configuration__instance_monitoring=False,
        configuration__iam_instance_profile="stream-manager",
        configuration__http_tokens="required",
    )
    more = {"more": resource("aws.ec2.security_group", name="front-more", description="More", vpc_id="${vpc.id}")}
    yield Case(
        "configuration.security_groups",
        {"configuration.security_groups": ["${nodes.id}", "${more.id}"]},
        {**CONFIGURATION, **more},
    )
    yield Case("configuration: root volume", CONFIGURED_VOLUME, CONFIGURATION)
    yield Case(
        "configuration.volume_type", {"configuration.volume_type": "gp3"}, {**CONFIGURATION, **CONFIGURED_VOLUME}
    )
    for how, base in (("rolled out", ROLL_OUT), ("rolled out and drained", DRAIN)):
        yield Case(
            f"configuration, {how}: instance type",
            {"configuration.instance_type": "c5.xlarge"},
            {**CONFIGURATION, **base},
        )
    yield Case("configuration, in place of the template", CONFIGURATION)
    yield Case("configuration, in place of the template, rolled out", CONFIGURATION, ROLL_OUT)
    to_template = {
        "configuration": GONE,
        "template": _template(),
        "fleet.launch_configuration": GONE,
        "fleet.launch_template": {"id": "${template.id}", "version": "${template.version}"},
    }
    yield Case("template, in place of the configuration", to_template, CONFIGURATION)
    yield Case("template, in place of the configuration, rolled out", to_template, {**CONFIGURATION, **ROLL_OUT})


def _template() -> dict[str, Any]:
    return resource(
        "aws.ec2.launch_template",
        name="front-template",
        image_id="${image.id}",
        instance_type="c5.large",
        security_group_ids=["${nodes.id}"],
    )


def _images() -> Iterator[Case]:
    yield from each(
        {},
        image__name="front-ami-2",
        image__description="Stream Manager",
        image__reboot=True,
        image__source_after="stop",
        image__tags={"team": "video"},
    )
    yield Case("image: removed", {"image": GONE, "template.image_id": "${base_image.id}"})


def cases() -> Iterator[Case]:
    """All of them."""
    yield from _templates()
    yield from _configurations()
    yield from _images()
