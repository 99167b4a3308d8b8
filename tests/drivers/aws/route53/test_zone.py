"""The hosted zone lookup."""

from __future__ import annotations

from typing import Any

import pytest

from smplan.drivers.aws.client import Aws
from smplan.drivers.aws.route53.zone import Zone
from smplan.errors import Conflict, Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, context


def zone(id: str, name: str, **config: Any) -> dict[str, Any]:
    return {"Id": f"/hostedzone/{id}", "Name": name, "CallerReference": id, "Config": config}


ZONES = [zone("Z1", "example.com."), zone("Z2", "example.com.", PrivateZone=True), zone("Z3", "example.org.")]
TWINS = [*ZONES, zone("Z4", "example.org.", PrivateZone=False)]


def looking(zones: list[dict[str, Any]]) -> Zone:
    return Zone(context(Script({"ListHostedZones": [{"HostedZones": zones, "IsTruncated": False}]}).aws()))


@pytest.mark.parametrize("name", ["example.com", "example.com.", "Example.COM"])
def test_a_zone_is_found_however_its_name_is_written(box: Sandbox, aws: Aws, name: str) -> None:
    found = Zone(context(aws)).read({"name": name})
    assert found == {"id": box.facts.zone_id, "name": "example.com"}


def test_of_two_zones_of_a_name_the_public_one_is_meant_unless_said(box: Sandbox) -> None:
    assert looking(ZONES).read({"name": "example.com"})["id"] == "Z1"
    assert looking(ZONES).read({"name": "example.com", "private": True})["id"] == "Z2"


def test_two_public_zones_of_a_name_are_a_conflict(box: Sandbox) -> None:
    with pytest.raises(Conflict, match="Z3, Z4"):
        looking(TWINS).read({"name": "example.org"})


def test_a_missing_zone_lists_the_existing_ones(box: Sandbox) -> None:
    with pytest.raises(NotFound, match=r"name=example\.con") as caught:
        looking(ZONES).read({"name": "example.con"})
    assert caught.value.hint == "use one of: example.com, example.org"


@pytest.mark.parametrize("where", [{}, {"private": True}, {"name": 7}, {"name": "a", "private": "yes"}, {"id": "Z1"}])
def test_an_unknown_key_of_a_lookup_names_the_known_ones(box: Sandbox, where: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        looking(ZONES).read(where)
    assert caught.value.hint == "write `where: {name: …}`, perhaps `private: true`"
