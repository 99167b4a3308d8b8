"""The address of a resource as the value of its ownership tag, in characters that every AWS service accepts.

elbv2 and SNS refuse the brackets and quotes of ``name["blue"]`` (elbv2: the pattern of TagValue in its service model;
SNS: API reference of Tag).
"""

from __future__ import annotations

import re

from smplan.core.values import instance_address

LIMIT = 256
"""The longest tag value, in characters, of all services."""

_INSTANCE = re.compile(r'(?P<root>[^\["]+)\["(?P<key>.*)"\]', re.DOTALL)
_ESCAPED = re.compile(rb"[^A-Za-z0-9_.:@-]")
_ESCAPE = re.compile(rb"=([0-9A-F]{2})")


def encode(address: str) -> str:
    """``address`` as a tag value: ``name["blue"]`` becomes ``name/blue``.

    Every byte of the key but ASCII letters, digits and ``_.:@-`` is written ``=XX``.
    """
    found = _INSTANCE.fullmatch(address)
    if found is None:
        return address
    key = _ESCAPED.sub(lambda byte: b"=%02X" % byte[0][0], found["key"].encode())
    return f"{found['root']}/{key.decode()}"


def decode(value: str) -> str:
    """The address that ``encode`` wrote as ``value``; a value it cannot have written is returned as it is."""
    root, slash, key = value.partition("/")
    if not slash or "[" in root:
        return value
    plain = _ESCAPE.sub(lambda code: bytes.fromhex(code[1].decode()), key.encode())
    return instance_address(root, plain.decode(errors="replace"))
