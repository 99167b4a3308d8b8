"""What a run knows of the resources that its requests and AWS's errors name."""

from __future__ import annotations

import pytest

from smplan.drivers.inventory import Inventory, names_of


@pytest.fixture
def inventory() -> Inventory:
    found = Inventory()
    found.add("sg", ["sg-0123456789abcdef0"], new=True)
    found.add("old", ["sg-00000000000000000"], new=False)
    found.add("fleet", ["web"], new=True)
    return found


@pytest.mark.parametrize(
    ("message", "request_", "expected"),
    [
        ("The security group 'sg-0123456789abcdef0' does not exist", {}, ["sg"]),
        ("One or more target groups not found", {"Groups": ["sg-0123456789abcdef0"]}, ["sg"]),
        ("One or more target groups not found", {"VPCZoneIdentifier": "subnet-1,sg-00000000000000000"}, ["old"]),
        ("not found", {"A": {"B": ("sg-0123456789abcdef0", 1)}, "C": "sg-00000000000000000"}, ["old", "sg"]),
        ("The image 'ami-0123456789' does not exist", {"Groups": ["sg-0123456789abcdef0"]}, []),
        ("AutoScalingGroup 'web' not found", {}, ["fleet"]),
        ("AutoScalingGroup 'web-2' not found", {}, []),
        ("not found", {"Name": "another"}, []),
    ],
)
def test_missing_is_what_the_message_names_else_what_the_request_names(
    inventory: Inventory, message: str, request_: object, expected: list[str]
) -> None:
    assert sorted(each.address for each in inventory.missing(message, request_)) == expected


def test_what_is_deleted_is_discarded(inventory: Inventory) -> None:
    inventory.discard(["sg-0123456789abcdef0", "unknown"])
    assert inventory.missing("not found", ["sg-0123456789abcdef0"]) == []


def test_a_resource_is_named_by_id_name_arn_and_dns_name() -> None:
    outputs = {"arn": "arn:aws:x", "dns_name": "lb.example.com", "version": 3, "scheme": "internal"}
    assert names_of("id", "name", outputs) == {"id", "name", "arn:aws:x", "lb.example.com"}
    assert names_of("id", None, {}) == {"id"}


def test_an_empty_value_names_nothing() -> None:
    inventory = Inventory()
    inventory.add("a", [""], new=True)
    assert inventory.missing("not found", [""]) == []
