"""What a kind's fields are: typed by pydantic, with the facts the engine needs written on each field.

A spec in planning may be *partial*: any field, list item or map value may still be a placeholder. Drivers
only ever see complete specs. A validator that compares fields asks ``known`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args

from pydantic import BaseModel, ConfigDict, ValidatorFunctionWrapHandler, WrapValidator, field_validator

from smplan.core.values import PartialValue, Placeholder, placeholders


@dataclass(frozen=True, slots=True)
class FieldTrait:
    """Something the engine must know of a field. ``why`` is shown to people: in schemas and in plans."""

    name: str
    why: str = ""


IMMUTABLE = FieldTrait("immutable", "a change replaces the resource")
INITIAL = FieldTrait("initial", "used at creation only; somebody else owns it afterwards")
WRITE_ONLY = FieldTrait("write-only", "cannot be read back; compared with what was last applied")
SENSITIVE = FieldTrait("sensitive", "shown to nobody; stored as a keyed hash")
UNORDERED = FieldTrait("unordered", "a set: the order of its items means nothing")
CLIENT_ONLY = FieldTrait("local", "used by smplan itself, never sent; a change of it changes nothing")


@dataclass(frozen=True, slots=True)
class Canonical:
    """How a value is brought into the one form in which it is compared."""

    form: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """The facts of one field, gathered."""

    name: str
    facts: frozenset[FieldTrait]
    form: Callable[[Any], Any] | None = None
    nested: type[Spec] | None = field(default=None, repr=False)

    def has(self, fact: FieldTrait) -> bool:
        """Whether ``fact`` was written on the field."""
        return fact in self.facts

    def canonical(self, value: PartialValue) -> PartialValue:
        """``value`` in the form in which it is compared."""
        if value is None or isinstance(value, Placeholder):
            return value
        if self.form:
            value = self.form(value) if not isinstance(value, (list, tuple)) else [self._one(item) for item in value]
        if self.has(UNORDERED) and isinstance(value, (list, tuple)):
            return sorted(value, key=repr)
        return value

    def _one(self, item: PartialValue) -> PartialValue:
        return item if self.form is None or isinstance(item, Placeholder) else self.form(item)


T = TypeVar("T")


def _placeholder_or(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Placeholder) else validate(value)


PartialList = list[Annotated[T, WrapValidator(_placeholder_or)]]
"""A list whose items may be placeholders while planning."""

PartialMap = dict[str, Annotated[T, WrapValidator(_placeholder_or)]]
"""A map whose values may be placeholders while planning."""


class Spec(BaseModel):
    """What a person may write for one kind. ``None`` means: not managed, AWS's own value stays."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_placeholders_pass(cls, value: object, validate: ValidatorFunctionWrapHandler) -> Any:
        return value if isinstance(value, Placeholder) else validate(value)

    def known(self, *names: str) -> bool:
        """Whether every field named holds a value, not a placeholder and not None."""
        values = [getattr(self, name) for name in names]
        return all(value is not None and not isinstance(value, Placeholder) for value in values)

    def managed_fields(self) -> dict[str, PartialValue]:
        """The fields that are managed (not None), as a tree."""
        return cast("dict[str, PartialValue]", _plain(self))


def _plain(value: Any) -> PartialValue:
    if isinstance(value, BaseModel):
        return {name: _plain(item) for name, item in value.__dict__.items() if item is not None}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def is_fully_known(spec: Spec) -> bool:
    """Whether nothing in ``spec`` is a placeholder, secrets included: it can go to a driver."""
    return next(placeholders(spec.managed_fields()), None) is None


@cache
def fields(spec: type[Spec]) -> Mapping[str, Field]:
    """The facts of every field of ``spec``, by name."""
    return {name: _field(name, info.annotation, info.metadata) for name, info in spec.model_fields.items()}


def _field(name: str, annotation: Any, metadata: list[Any]) -> Field:
    facts = frozenset(item for item in metadata if isinstance(item, FieldTrait))
    forms = [item.form for item in metadata if isinstance(item, Canonical)]
    choices = (annotation, *get_args(annotation))
    nested = next((each for each in choices if isinstance(each, type) and issubclass(each, Spec)), None)
    return Field(name, facts, forms[0] if forms else None, nested)
