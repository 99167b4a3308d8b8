"""Specs as the state records them, which another version of smplan may have written."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from smplan.core.resource_type import ResourceType
from smplan.core.spec import Spec, fields
from smplan.core.state.model import ResourceState
from smplan.core.values import PartialValue, decode, leaves


def recorded_spec(type: ResourceType, record: ResourceState) -> Spec:
    """The spec of ``record``, without the fields that this version does not know; what it lacks is not managed."""
    values = decode(record.spec)
    try:
        return type.spec.model_validate(values)
    except ValidationError:
        return as_read(type, values)


def as_read(type: ResourceType, values: Mapping[str, PartialValue]) -> Spec:
    """The spec of these ``values`` as they are; what it lacks is not managed, whatever the kind's defaults are."""
    return type.spec.model_construct(**{name: values.get(name) for name in fields(type.spec)})


def refers_to(record: ResourceState, other: ResourceState, *, by_output: bool = True) -> bool:
    """Whether ``record`` was created after ``other`` and holds its id or, ``by_output``, another text of its outputs.

    Generations may have equal outputs, but never one id.
    """
    outputs = (value for value in other.outputs.values() if isinstance(value, str)) if by_output else ()
    names = {other.id, *outputs}
    return other.address in record.dependencies and any(value in names for _, value in leaves(record.spec))


def unknown_fields(type: ResourceType, record: ResourceState) -> list[str]:
    """The fields of ``record`` that this version does not know, so that they cannot be compared."""
    return sorted(set(record.spec) - fields(type.spec).keys())
