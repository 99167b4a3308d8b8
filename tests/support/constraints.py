"""Values that AWS's service models refuse: one for each constraint, for requests and for fields of specs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, get_args, get_origin

from moto.core.utils import get_service_model

from smplan.core import spec_errors
from smplan.core.spec import Spec
from smplan.drivers import registry
from smplan.drivers.aws.sent_as import SentAs
from smplan.sandbox.aws.model import violations

UUID = "12345678-1234-1234-1234-123456789012"
NUMBERS = ("integer", "long", "float", "double")
GOOD_TEXTS = (
    "a",
    "1",
    "200",
    "HTTP",
    "ami-1",
    "a.b",
    "arn:aws:acm:us-east-1:123456789012:certificate/1",
    "1" * 12,
    UUID,
)
BAD_TEXTS = ('"', "x:y", "a b", ":", "\N{SNOWMAN}", "\x01")


class NoExample(Exception):
    """No text of the lists above fits a pattern."""


@dataclass(frozen=True)
class Trial:
    """A value that breaks one constraint: ``rule`` of the member at ``path``."""

    path: str
    rule: str
    value: Any

    def inside(self, step: str, value: Any) -> Trial:
        """The same one level up."""
        return Trial(f"{step}.{self.path}".rstrip("."), self.rule, value)


def input_shape(operation: str) -> Any:
    """The input of ``service:Operation``."""
    service, _, name = operation.partition(":")
    return get_service_model(service).operation_model(name).input_shape


def good(shape: Any, *, without: str = "") -> Any:
    """The least value that ``shape`` accepts (a structure, ``without`` one of its members)."""
    limits = shape.metadata
    if shape.type_name == "structure":
        return {name: good(shape.members[name]) for name in shape.required_members if name != without}
    if shape.type_name == "list":
        return [good(shape.member) for _ in range(limits.get("min", 0))]
    if shape.type_name == "string":
        return good_text(shape)
    others: dict[str, Any] = {
        "map": {},
        "boolean": True,
        "timestamp": datetime(2026, 1, 1, tzinfo=UTC),
        "blob": b"a",
    }
    return others.get(shape.type_name, max(limits.get("min", 1), min(1, limits.get("max", 1))))


def good_text(shape: Any, length: int | None = None) -> str:
    """A text that ``shape`` accepts. Raises NoExample."""
    texts = shape.metadata.get("enum") or [*GOOD_TEXTS, "a" * shape.metadata.get("min", 1)]
    found = [text for text in texts if not list(violations(shape, text))]
    if not found:
        raise NoExample(f"no example of {shape.name}")
    return str(found[0])


def own(shape: Any) -> Iterator[tuple[str, Any]]:
    """A value against each constraint of ``shape`` itself."""
    limits, kind = shape.metadata, shape.type_name
    if kind == "string":
        yield from _texts(shape)
    elif kind in NUMBERS:
        yield "type", "no number"
        yield from ((rule, limits[rule] + step) for rule, step in (("min", -1), ("max", 1)) if rule in limits)
    elif kind == "list":
        if limits.get("min"):
            yield "min", [good(shape.member) for _ in range(limits["min"] - 1)]
        if "max" in limits:
            yield "max", [good(shape.member) for _ in range(limits["max"] + 1)]


def _texts(shape: Any) -> Iterator[tuple[str, str]]:
    limits = shape.metadata
    if limits.get("min"):
        yield "min", "a" * (limits["min"] - 1)
    if "max" in limits:
        yield "max", "a" * (limits["max"] + 1)
    if limits.get("enum"):
        yield "enum", "no.such-value"
    if "pattern" in limits:
        broken = [text for text in BAD_TEXTS if "pattern" in {each.rule for each in violations(shape, text)}]
        yield from (("pattern", text) for text in broken)


def trials(shape: Any, above: tuple[str, ...] = ()) -> Iterator[Trial]:
    """Values of ``shape`` that break one constraint each, at every depth; a shape inside itself once."""
    if shape.name in above:
        return
    above = (*above, shape.name)
    yield from (Trial("", rule, value) for rule, value in own(shape))
    if shape.type_name == "structure":
        for name in shape.required_members:
            yield Trial(name, "required", good(shape, without=name) or _another_member(shape, name))
        for name, member in shape.members.items():
            for each in trials(member, above):
                yield each.inside(name, {**good(shape), name: each.value})
    elif shape.type_name == "list":
        for each in trials(shape.member, above):
            rest = [good(shape.member) for _ in range(shape.metadata.get("min", 1) - 1)]
            yield each.inside("[]", [each.value, *rest])


def _another_member(shape: Any, name: str) -> dict[str, Any]:
    """A member that is not required: no protocol of AWS's sends an empty structure."""
    others = ((each, member) for each, member in shape.members.items() if each != name)
    return next(({each: good(member)} for each, member in others if member.type_name in (*NUMBERS, "string")), {})


@dataclass(frozen=True)
class FieldTrial:
    """A document of one field that the model refuses."""

    kind: str
    field: tuple[str, ...]
    member: str
    rule: str
    document: dict[str, Any]

    def refused(self, form: type[Spec]) -> bool:
        """Whether ``form`` refuses the document because of this field."""
        return any(
            [step for step in error.path if isinstance(step, str)][: len(self.field)] == [*self.field]
            for error in spec_errors.spec_errors(form, self.document)
            if not error.message.endswith("is missing")
        )


def aws_kinds() -> dict[str, type[Spec]]:
    """The kinds whose requests the models describe."""
    return {kind: found.spec for kind, found in registry.drivers().items() if kind.startswith("aws.")}


def sent_as(form: Any) -> SentAs:
    """The members that the fields of ``form`` are sent as."""
    found: SentAs = form.sent_as
    return found


def field_trials(kind: str, form: type[Spec], shape: Any = None, above: tuple[str, ...] = ()) -> Iterator[FieldTrial]:
    """One document for each constraint of each member that a field of ``form`` is sent as."""
    binding = sent_as(form)
    for name in form.model_fields:
        path = binding.member(name)
        if path is None:
            continue
        operation, _, member = path.rpartition(":")
        holder = input_shape(operation or binding.operation) if shape is None or operation else shape
        found = at(holder, member)
        for nested in spec_errors.nested(form, name):
            inner = found.member if found.type_name == "list" else found
            for each in field_trials(kind, nested, inner, (*above, name)):
                value = [each.document] if found.type_name == "list" else each.document
                yield FieldTrial(kind, each.field, each.member, each.rule, {name: value})
        for rule, value in _values(form, name, found):
            yield FieldTrial(kind, (*above, name), member, rule, {name: value})


def at(shape: Any, path: str) -> Any:
    """The shape of the member at ``path``."""
    for step in path.split("."):
        shape = shape.members[step.removesuffix("[]")]
        shape = shape.member if step.endswith("[]") else shape
    return shape


def _values(form: type[Spec], name: str, shape: Any) -> Iterator[tuple[str, Any]]:
    origins = set(_origins(form.model_fields[name].annotation))
    if dict in origins and shape.type_name == "list":
        key, value = list(shape.member.members.values())[:2]
        yield from ((f"key {rule}", {text: "a"}) for rule, text in own(key))
        yield from ((f"value {rule}", {"a": text}) for rule, text in own(value))
        if "max" in shape.metadata:
            yield "max", {f"k{number}": "a" for number in range(shape.metadata["max"] + 1)}
    elif list in origins:
        item = shape.member if shape.type_name == "list" else shape
        yield from ((f"item {rule}", [value]) for rule, value in own(item))
        for rule, value in own(shape) if shape.type_name == "list" and not spec_errors.nested(form, name) else ():
            yield rule, _distinct(item, len(value))
    else:
        yield from own(shape)


def _distinct(item: Any, number: int) -> list[Any]:
    """``number`` items, all different where texts are free."""
    if item.metadata.get("enum"):
        return list(itertools.islice(itertools.cycle(item.metadata["enum"]), number))
    return [f"arn:aws:x:us-east-1:123456789012:item-{count}" for count in range(number)]


def _origins(annotation: Any) -> Iterator[Any]:
    yield get_origin(annotation)
    for argument in get_args(annotation):
        yield from _origins(argument)


def optional_but_required(form: type[Spec]) -> Iterator[str]:
    """The fields that may be unset though the model requires their member."""
    binding = sent_as(form)
    if not binding.operation:
        return
    required = input_shape(binding.operation).required_members
    for name, info in form.model_fields.items():
        if binding.member(name) in required and not info.is_required() and info.default is None:
            yield name
