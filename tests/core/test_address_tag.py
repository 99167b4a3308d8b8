"""Addresses as the values of ownership tags."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smplan.core import address_tag
from smplan.core.values import instance_address

ROOTS = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]*", fullmatch=True)
KEYS = st.none() | st.text(st.characters(exclude_categories=["Cs"], exclude_characters='"]'))
ADDRESSES = st.builds(instance_address, ROOTS, KEYS)


@given(ADDRESSES)
def test_an_address_comes_back_from_its_tag_value_in_the_alphabet_of_every_service(address: str) -> None:
    value = address_tag.encode(address)
    assert address_tag.decode(value) == address
    assert set(value) <= set(string.ascii_letters + string.digits + "+-=._:/@")


@given(ADDRESSES, ADDRESSES)
def test_two_addresses_never_have_one_tag_value(one: str, other: str) -> None:
    assert (address_tag.encode(one) == address_tag.encode(other)) == (one == other)


@pytest.mark.parametrize(
    ("address", "value"),
    [("fleet", "fleet"), ('fleet["blue"]', "fleet/blue"), ('a["b/c d"]', "a/b=2Fc=20d"), ('a["ü=1"]', "a/=C3=BC=3D1")],
)
def test_a_tag_value_is_the_address_with_a_slash_before_the_key(address: str, value: str) -> None:
    assert address_tag.encode(address) == value


def test_a_tag_value_of_another_form_is_no_error() -> None:
    assert address_tag.decode('fleet["a/b"]') == 'fleet["a/b"]'
    assert address_tag.decode("fleet/=FF=zz") == 'fleet["\N{REPLACEMENT CHARACTER}=zz"]'
    assert address_tag.decode("") == ""
