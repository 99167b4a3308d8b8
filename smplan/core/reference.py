"""References between kinds: which attributes of which kinds a field takes.

A field with the trait ``Reference`` takes an id, ARN or name. An attribute with an equal ``Reference`` (an output, or a
field of another resource) gives one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reference:
    """What a field takes, in words, such as ``the ARN of a target group``.

    ``sources``: the attributes that give it, as ``kind.attribute``, the first of them suggested.
    ``literal``: the pattern (from the beginning) of a literal value; empty: any. ``example``: such a value.
    """

    what: str
    sources: tuple[str, ...] = ()
    literal: str = ""
    example: str = ""

    def attributes(self, kind: str) -> tuple[str, ...]:
        """The attributes of ``kind`` that give it, the one to suggest first."""
        found = (source.rpartition(".") for source in self.sources)
        return tuple(attribute for of, _, attribute in found if of == kind)

    def matches(self, text: str) -> bool:
        """Whether the literal ``text`` can be one."""
        return not self.literal or re.match(self.literal, text) is not None


@dataclass(frozen=True, slots=True)
class ReferencesByKey:
    """What the values of a map take, by key; other keys take anything."""

    by_key: Mapping[str, Reference]
