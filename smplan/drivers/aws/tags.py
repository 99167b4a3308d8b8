"""Conversion between AWS's tag lists and maps, with the user's tags apart from smplan's and AWS's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_RESERVED = ("smplan:", "aws:")


def listed(tags: Mapping[str, str]) -> list[Any]:
    """``tags`` as ``[{Key, Value}]`` in the order of their keys, so that equal tags make equal requests."""
    return [{"Key": key, "Value": tags[key]} for key in sorted(tags)]


def plain(listed: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """All tags of a response as a map, ownership tags included; AWS omits an empty list."""
    return {str(tag["Key"]): str(tag.get("Value") or "") for tag in listed or ()}


def own(listed: Iterable[Mapping[str, Any]] | None) -> dict[str, str]:
    """The user's tags, without smplan's ownership tags and without those AWS sets."""
    return {key: value for key, value in plain(listed).items() if not key.startswith(_RESERVED)}


def merged(spec_tags: Mapping[str, str] | None, claim: Mapping[str, str]) -> dict[str, str]:
    """The tags of a create: the spec's and the claim's, which take precedence."""
    return {**(spec_tags or {}), **claim}


def changed(live: Mapping[str, str], wanted: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The tags to set and the keys to remove so that ``live`` becomes ``wanted``; reserved keys are never touched."""
    to_set = {key: value for key, value in wanted.items() if live.get(key) != value and not key.startswith(_RESERVED)}
    to_remove = sorted(key for key in live if key not in wanted and not key.startswith(_RESERVED))
    return to_set, to_remove
