"""Conversion between AWS's tag lists and maps, with the user's tags apart from smplan's and AWS's."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import AfterValidator

_RESERVED = ("smplan:", "aws:")
_KEY_LIMIT = 128
_VALUE_LIMIT = 256
"""AWS General Reference, "Tag naming limits and requirements"; so is the prefix aws:, in either case."""


def _every(_: str) -> bool:
    return True


def _common_alphabet(character: str) -> bool:
    return unicodedata.category(character)[0] in "LZN" or character in "_.:/=+-@"


def _printable(character: str) -> bool:
    return character in "\t\n\r" or (character >= " " and character not in "\ufffe\uffff")


def _checked(allowed: Callable[[str], bool], alphabet: str) -> Callable[[Any], Any]:
    def check(given: dict[str, Any] | None) -> dict[str, Any] | None:
        found = [why for key, value in (given or {}).items() for why in _refusals(key, value, allowed, alphabet)]
        if found:
            raise ValueError("; ".join(found))
        return given

    return check


def _refusals(key: str, value: Any, allowed: Callable[[str], bool], alphabet: str) -> Iterator[str]:
    """Why AWS, or smplan, refuses a tag, as the rest of a sentence about the field; a placeholder is not checked."""
    text = value if isinstance(value, str) else ""
    prefix = next((prefix for prefix in _RESERVED if key.lower().startswith(prefix)), None)
    if prefix is not None:
        yield f"has the key `{key}`: `{prefix}` is reserved for {'AWS' if prefix == 'aws:' else 'smplan'}"
    if not 1 <= len(key) <= _KEY_LIMIT:
        yield f"has a key of {len(key)} characters: AWS accepts 1 to {_KEY_LIMIT}"
    if len(text) > _VALUE_LIMIT:
        yield f"has a value of {len(text)} characters at `{key}`: AWS accepts at most {_VALUE_LIMIT}"
    wrong = sorted({character for character in key + text if not (allowed(character) and _printable(character))})
    if wrong:
        yield f"has {' '.join(map(repr, wrong))} at `{key}`: this service accepts only {alphabet}"


ANY_TEXT = AfterValidator(_checked(_every, "text without control characters"))
"""On tags of EC2, Auto Scaling and CloudWatch, which take any character (EC2 User Guide, "Tag restrictions")."""

PLAIN_TEXT = AfterValidator(_checked(_common_alphabet, "letters, digits, spaces and _ . : / = + - @"))
"""On tags of elbv2 (pattern of TagValue in its service model) and SNS (API reference of Tag)."""


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
