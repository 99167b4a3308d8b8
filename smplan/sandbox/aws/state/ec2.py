"""EC2's part of an account: when images and instances become usable, launch templates, client tokens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from smplan.sandbox.aws.errors import Fields

IMAGE_SECONDS = 60.0
BOOT_SECONDS = 90.0
REBOOT_SECONDS = 60.0


@dataclass(slots=True)
class MachineImage:
    """An image made in the sandbox. Times are virtual seconds."""

    created_at: float
    available_at: float
    volume_size: int
    files: Mapping[str, str]
    root_device_name: str = "/dev/sda1"
    volume_type: str = "gp3"
    description: str | None = None
    """Another one than at the creation."""
    deregistration_protection: str = "disabled"


@dataclass(slots=True)
class LaunchTemplate:
    """A launch template; ``versions`` as DescribeLaunchTemplateVersions returns them, by number."""

    id: str
    name: str
    created_at: datetime
    default: int = 1
    default_before: int = 1
    default_set_at: float = 0.0
    last_number: int = 1
    """The highest number ever given to a version."""
    versions: dict[int, Fields] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def default_at(self, at: float) -> int:
        """The default version as requests see it that see no change after ``at``."""
        return self.default_before if self.default_set_at > at else self.default

    @property
    def latest(self) -> int:
        """The highest number in use."""
        return max(self.versions)


@dataclass(slots=True)
class Ec2State:
    """What moto does not keep of EC2."""

    images: dict[str, MachineImage] = field(default_factory=dict)
    launched: dict[str, float] = field(default_factory=dict)
    """Instance id -> when it was launched."""
    files: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Instance id -> the files of the image it was launched from, which may be deregistered since."""
    rebooted: dict[str, float] = field(default_factory=dict)
    """Instance id -> when it was last rebooted."""
    templates: dict[str, LaunchTemplate] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)
    """Security group rule id -> description, for rules whose source is a group or a prefix list."""
    tokens: dict[tuple[str, str], tuple[Fields, Fields]] = field(default_factory=dict)
    """(action, client token) -> the request and its response."""


def booted_at(compute: Ec2State, instance_id: str) -> float:
    """When the software of an instance responds, after its launch or its last reboot."""
    launched = compute.launched.get(instance_id, 0.0) + BOOT_SECONDS
    return max(launched, compute.rebooted.get(instance_id, -REBOOT_SECONDS) + REBOOT_SECONDS)
