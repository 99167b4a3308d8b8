"""Helpers for request arguments: ids in batches, arguments without unset values, puts that keep the rest."""

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


def whole(client: Any, operation: str, described: Mapping[str, Any], managed: Mapping[str, Any]) -> dict[str, Any]:
    """The request of a put that replaces the whole object: as ``described``, with the members of ``managed`` over it.

    Of a description only what the request takes is kept, at every depth, by the service model of ``client``.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    return {**accepted(shape, described), **managed}


def accepted(shape: Any, value: Any) -> Any:
    """What of ``value`` a request of ``shape`` takes; members that are empty are not set. None stays None."""
    if value is None:
        return None
    if shape.type_name == "structure":
        members = {name: value[name] for name in shape.members if value.get(name) not in (None, "", [], {})}
        return {name: accepted(shape.members[name], member) for name, member in members.items()}
    return [accepted(shape.member, item) for item in value] if shape.type_name == "list" else value
