"""What a new sandbox holds: the ids of the guide's prerequisites."""

from __future__ import annotations

from dataclasses import dataclass

REGION = "us-east-1"
ACCOUNT = "123456789012"
DOMAIN = "example.com"
ACCESS_KEY = "AKIASANDBOXSANDBOX00"
SECRET_KEY = "sandbox"
ADMIN_TOKEN = "sandbox-admin-token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisites:
    """Ids and names of what a new sandbox holds (region ``us-east-1``)."""

    account: str
    region: str
    vpc_id: str
    subnet_ids: tuple[str, ...]
    zones: tuple[str, ...]
    stream_manager_security_group_id: str
    database_security_group_id: str
    node_security_group_id: str
    database_identifier: str
    instance_id: str
    image_id: str
    node_image_id: str
    certificate_arn: str
    zone_id: str
    domain: str
