"""Helpers for request arguments: ids in batches, and arguments without unset values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def batched(items: Collection[str], size: int) -> Iterator[list[str]]:
    """``items`` sorted, in lists of at most ``size``; no list for no items, because an empty one means "all" to AWS."""
    ordered = sorted(items)
    return (ordered[start : start + size] for start in range(0, len(ordered), size))


def without_none(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """``arguments`` without those that are None, which are not managed."""
    return {name: value for name, value in arguments.items() if value is not None}
