"""Parts of requests: ids in batches of what one call takes, and arguments without those that are not set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def batched(items: Collection[str], size: int) -> Iterator[list[str]]:
    """``items`` sorted, in lists of at most ``size``; none for no items, as an empty list would ask AWS for all."""
    ordered = sorted(items)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


def without_none(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``arguments`` without those that are None: they are not managed, and not sent."""
    return {name: value for name, value in arguments.items() if value is not None}
