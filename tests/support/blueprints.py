"""Blueprints built in Python, without a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from smplan.core.blueprint import BackendConfig, Blueprint, Lifecycle, Resource, SourceMap, SourceRange
from smplan.core.values import PartialValue, parse_text


def tree(value: Any) -> PartialValue:
    """``value`` with its references understood."""
    if isinstance(value, str):
        return parse_text(value)
    if isinstance(value, dict):
        return {key: tree(item) for key, item in value.items()}
    return [tree(item) for item in value] if isinstance(value, list) else value


def resource(address: str, kind: str, spec: Mapping[str, Any], **more: Any) -> Resource:
    """One resource of a blueprint."""
    name, _, key = address.partition("[")
    lifecycle = Lifecycle(**more.pop("lifecycle", {}))
    after = tuple(more.pop("after", ()))
    return Resource(address, name, key[1:-2] or None, kind, tree(dict(spec)), after, lifecycle, ("resources", name))


def blueprint(*resources: Resource, name: str = "toys", **more: Any) -> Blueprint:
    """A blueprint of these resources."""
    marks = SourceMap("toys.yaml", "resources:\n", lambda: {("resources",): SourceRange(1, 1, 1, 1)})
    values: dict[str, Any] = {
        "region": None,
        "account": None,
        "stream_manager": None,
        "state": BackendConfig("local"),
        "variables": {},
        "lookups": (),
        "outputs": {},
        "digest": "0" * 64,
        "file": "toys.yaml",
        "source_map": marks,
    } | more
    return Blueprint(name=name, resources=tuple(resources), **values)
