"""Specs: the fields of a kind, typed by pydantic, with traits that say how the engine treats each field.

While planning, a spec may be partial: any field, list item or map value may still be a placeholder. Drivers only get
fully known specs. A validator that compares fields calls ``known`` first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, ValidatorFunctionWrapHandler, WrapValidator, field_validator

from smplan.core.reference import Reference, ReferencesByKey
from smplan.core.values import PartialValue, Placeholder, placeholders


@dataclass(frozen=True, slots=True)
class FieldTrait:
    """How the engine treats a field. ``why`` is shown in schemas and plans."""

    name: str
    why: str = ""


IMMUTABLE = FieldTrait("immutable", "a change replaces the resource")
INITIAL = FieldTrait("initial", "used at creation only; not managed afterwards")
WRITE_ONLY = FieldTrait("write-only", "cannot be read back; compared with what was last applied")
SENSITIVE = FieldTrait("sensitive", "never shown; only its source is stored")
UNORDERED = FieldTrait("unordered", "a set: the order of its items means nothing")
RELEASED_LAST = FieldTrait("released last", "what the value loses is in use until all that depends on it has changed")
NAMED = FieldTrait("named", "the items are known by their `name`; what is left out of an item is not managed")
SCRIPT = FieldTrait("script", "run on an instance")
CLIENT_ONLY = FieldTrait("local", "used by smplan itself, never sent; a change of it changes nothing")


@dataclass(frozen=True, slots=True)
class Canonical:
    """Converts a value to the form in which it is compared."""

    form: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """The traits of one field."""

    name: str
    traits: frozenset[FieldTrait]
    form: Callable[[Any], Any] | None = None
    nested: type[Spec] | None = field(default=None, repr=False)
    reference: Reference | None = None
    """What of other kinds it takes; None if it takes nothing of them."""
    by_key: Mapping[str, Reference] = field(default_factory=dict, repr=False)
    """For a map, what of other kinds its values take."""
    item_key: tuple[str, ...] = ()
    """For a list of specs: the IMMUTABLE fields of an item, which say which one it is."""

    def replaces(self, before: PartialValue, after: PartialValue) -> bool:
        """Whether a change of the plain value replaces the resource: always, or if a list gets or loses an item."""
        if not self.item_key or not isinstance(before, list) or not isinstance(after, list):
            return self.has(IMMUTABLE)
        return self._keys(before) != self._keys(after)

    def _keys(self, items: list[PartialValue]) -> set[str]:
        maps = (item if isinstance(item, Mapping) else {} for item in items)
        return {repr([item.get(name) for name in self.item_key]) for item in maps}

    def has(self, trait: FieldTrait) -> bool:
        """Whether the field has the trait ``trait``."""
        return trait in self.traits

    def canonical(self, value: PartialValue) -> PartialValue:
        """``value`` in the form in which it is compared."""
        if value is None or isinstance(value, Placeholder):
            return value
        if self.form:
            value = self.form(value) if not isinstance(value, (list, tuple)) else [self._one(item) for item in value]
        if self.has(UNORDERED) and isinstance(value, (list, tuple)):
            return sorted(value, key=_order)
        return value

    def unique(self, items: list[PartialValue]) -> list[PartialValue]:
        """``items`` of a set, each once: AWS counts a duplicate once too, or refuses it."""
        first: dict[str, PartialValue] = {}
        for item in items:
            first.setdefault(repr(self._one(item)), item)
        return list(first.values())

    def _one(self, item: PartialValue) -> PartialValue:
        return item if self.form is None or isinstance(item, Placeholder) else self.form(item)


def _order(item: PartialValue) -> str:
    """What sorts the items of a set: of maps, the order of the keys means nothing."""
    return repr(sorted(item.items())) if isinstance(item, Mapping) else repr(item)


T = TypeVar("T")


def _placeholder_or(value: object, validate: ValidatorFunctionWrapHandler) -> Any:
    return value if isinstance(value, Placeholder) else validate(value)


PartialList = list[Annotated[T, WrapValidator(_placeholder_or)]]
"""A list whose items may be placeholders while planning."""

PartialMap = dict[str, Annotated[T, WrapValidator(_placeholder_or)]]
"""A map whose values may be placeholders while planning."""


class Spec(BaseModel):
    """The base of all specs. ``None`` means: not managed, AWS keeps its own value."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_placeholders_pass(cls, value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        if isinstance(value, Placeholder):
            return value
        valid = validate(value)
        field = fields(cls)[str(info.field_name)]
        if field.has(UNORDERED) and isinstance(valid, list):
            unique = field.unique(valid)
            return valid if len(unique) == len(valid) else validate(unique)  # now it may be too short
        return valid

    def known(self, *names: str) -> bool:
        """Whether each of these fields has a value, not a placeholder and not None."""
        values = [getattr(self, name) for name in names]
        return all(value is not None and not isinstance(value, Placeholder) for value in values)

    def managed_fields(self) -> dict[str, PartialValue]:
        """The fields that are not None, as plain values and placeholders."""
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
    """Whether ``spec`` has no placeholder, secrets included, so that a driver may get it."""
    return next(placeholders(spec.managed_fields()), None) is None


@cache
def fields(spec: type[Spec]) -> Mapping[str, Field]:
    """The traits of every field of ``spec``, by name."""
    return {name: _field(name, info.annotation, info.metadata) for name, info in spec.model_fields.items()}


def _field(name: str, annotation: Any, metadata: list[Any]) -> Field:
    traits = frozenset(item for item in metadata if isinstance(item, FieldTrait))
    forms = [item.form for item in metadata if isinstance(item, Canonical)]
    choices = (annotation, *get_args(annotation))
    nested = next((each for each in choices if isinstance(each, type) and issubclass(each, Spec)), None)
    reference = next((item for item in metadata if isinstance(item, Reference)), None)
    by_key = next((item.by_key for item in metadata if isinstance(item, ReferencesByKey)), {})
    item_key = _item_key(annotation)
    return Field(name, traits, forms[0] if forms else None, nested, reference, by_key, item_key)


def _item_key(annotation: Any) -> tuple[str, ...]:
    """The IMMUTABLE fields of the specs in a list; none for anything else."""
    items = [
        each for form in (annotation, *get_args(annotation)) if get_origin(form) is list for each in get_args(form)
    ]
    forms = [each for item in items for each in (item, *get_args(item)) if isinstance(each, type)]
    return tuple(
        name
        for form in forms
        if issubclass(form, Spec)
        for name, traits in fields(form).items()
        if traits.has(IMMUTABLE)
    )
