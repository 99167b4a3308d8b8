"""The variables of a blueprint: their declarations, and values from all sources."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Annotated, Any

from pydantic import StringConstraints, TypeAdapter, ValidationError
from pydantic_core import SchemaError

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.schema import NAME, VariableForm
from smplan.blueprint.sections import validated
from smplan.blueprint.syntax import document
from smplan.core.blueprint import INVALID, SourceMap
from smplan.core.values import InvalidReference, Json, PartialValue, Path, parse_text
from smplan.core.wording import one_of, quoted, shape
from smplan.errors import Diagnostic

ENVIRONMENT = "SMPLAN_VAR_"

_TYPES = {
    "string": ("string", "text"),
    "integer": ("integer", "an integer"),
    "number": ("number", "a number"),
    "boolean": ("boolean", "true or false"),
    "list": ("array", "a list"),
    "map": ("object", "a map"),
}
_LIMITS = {
    "minimum": ("minimum", ("integer", "number"), "must be at least {}"),
    "maximum": ("maximum", ("integer", "number"), "must be at most {}"),
    "min_length": ("minLength", ("string",), "must have at least {} characters"),
    "max_length": ("maxLength", ("string",), "must have at most {} characters"),
    "min_items": ("minItems", ("list",), "must have at least {} items"),
    "max_items": ("maxItems", ("list",), "must have at most {} items"),
    "enum": ("enum", tuple(_TYPES), "is not one of the allowed values: {}"),
    "pattern": ("pattern", ("string",), ""),
}
_MESSAGES = {keyword: words for keyword, _, words in _LIMITS.values()}
_NAME = re.compile(NAME)
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Given:
    """A value given from outside the blueprint. ``diagnostic`` makes a Diagnostic for the place where it was given."""

    value: PartialValue
    is_text: bool
    diagnostic: Callable[[str, str], Diagnostic]


@dataclass
class Variables:
    """Reads the ``variables`` of a document."""

    source_map: SourceMap
    diagnostics: Diagnostics
    given: Mapping[str, Given]

    def values(self, declared: Mapping[str, PartialValue]) -> dict[str, Json]:
        """The values of the valid variables."""
        found = {name: self._value(name, raw) for name, raw in declared.items()}
        for name, given in self.given.items():
            if name not in declared:
                message = f"the blueprint has no variable {quoted(name)}"
                self.diagnostics.add(given.diagnostic(message, one_of(name, declared)))
        return {name: value for name, value in found.items() if value is not INVALID}

    def _value(self, name: str, raw: PartialValue) -> PartialValue:
        path: Path = ("variables", name)
        if not _NAME.match(name):
            self._report(path, f"{quoted(name)} cannot be the name of a variable", "letters, digits, - and _", key=True)
        form = validated(VariableForm, raw, path, self.source_map, self.diagnostics)
        if "type" not in form:
            return INVALID
        schema = self._schema(form, path)
        given = self.given.get(name)
        if given is not None:
            return self._checked(self._typed(given, form), schema, form, given.diagnostic)
        if "default" not in raw:
            hint = f"set it with --var {name}=…, {ENVIRONMENT}{name} or a --var-file, or add a default"
            return self._report(path, f"the variable {quoted(name)} has no value", hint, key=True)
        if raw["default"] is None:
            return None
        default = self._literal(raw["default"], (*path, "default"))
        return self._checked(default, schema, form, self._at((*path, "default")))

    def _report(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> PartialValue:
        self.diagnostics.add(self.source_map.diagnostic(path, message, hint, key=key))
        return INVALID

    def _at(self, path: Path) -> Callable[[str, str], Diagnostic]:
        return lambda message, hint: self.source_map.diagnostic(path, message, hint)

    def _schema(self, form: Mapping[str, Any], path: Path) -> dict[str, Any]:
        """The JSON Schema of a variable."""
        schema: dict[str, Any] = {"type": _TYPES[form["type"]][0]}
        for name, (keyword, types, _) in _LIMITS.items():
            if name not in form:
                continue
            if form["type"] not in types:
                self._report((*path, name), f"`{name}` does not apply to a variable of type {form['type']}", key=True)
            else:
                schema[keyword] = form[name]
        if "pattern" in schema and not _usable(schema["pattern"]):
            self._report((*path, "pattern"), "this is not a regular expression without look-around and back-references")
            del schema["pattern"]
        return schema

    def _literal(self, raw: PartialValue, path: Path) -> PartialValue:
        """A default, which cannot contain references."""
        if isinstance(raw, dict):
            return {key: self._literal(value, (*path, key)) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self._literal(value, (*path, position)) for position, value in enumerate(raw)]
        if not isinstance(raw, str):
            return raw
        try:
            text = parse_text(raw)
        except InvalidReference as bad:
            return self._report(path, str(bad))
        if isinstance(text, str):
            return text
        return self._report(path, "the default of a variable cannot contain references", "write the value itself")

    def _typed(self, given: Given, form: Mapping[str, Any]) -> PartialValue:
        """The value of a text from the command line or the environment."""
        if not given.is_text:
            return given.value
        if _SURROGATE.search(given.value) or "\0" in given.value:
            self.diagnostics.add(given.diagnostic("this is not UTF-8 text", ""))
            return INVALID
        if form["type"] == "string":
            return given.value
        diagnostics = Diagnostics()
        try:
            value, _ = document.parse_text(given.value, "", diagnostics)
        except TooManyErrors:
            value = INVALID
        if diagnostics.found or isinstance(value, str):
            self.diagnostics.add(
                given.diagnostic(f"{quoted(given.value)} is not {_TYPES[form['type']][1]}", _EXAMPLES[form["type"]])
            )
            return INVALID
        return value

    def _checked(
        self,
        value: PartialValue,
        schema: Mapping[str, Any],
        form: Mapping[str, Any],
        diagnostic: Callable[[str, str], Diagnostic],
    ) -> PartialValue:
        """``value`` if it is valid; otherwise INVALID, with its errors reported."""
        if value is INVALID:
            return INVALID
        messages = list(_violations(value, schema, form["type"]))
        for message in messages:
            self.diagnostics.add(diagnostic(message, form.get("description", "")))
        if messages:
            return INVALID
        return int(value) if form["type"] == "integer" else value


_EXAMPLES = {
    "integer": "such as 4",
    "number": "such as 0.5",
    "boolean": "write true or false",
    "list": "such as [a, b]",
    "map": "such as {a: 1}",
}


def _usable(pattern: str) -> bool:
    try:
        _matcher(pattern)
    except SchemaError:
        return False
    return True


def _matcher(pattern: str) -> TypeAdapter[str]:
    """Searches in time linear in the text, whatever the pattern: the engine does not backtrack."""
    return TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])


def _violations(value: PartialValue, schema: Mapping[str, Any], kind: str) -> Iterator[str]:
    from jsonschema import Draft202012Validator  # imported late: many blueprints have no variables

    limits = {keyword: limit for keyword, limit in schema.items() if keyword != "pattern"}
    for error in Draft202012Validator(limits).iter_errors(value):
        if error.validator == "type":
            yield f"this must be {_TYPES[kind][1]}, not {shape(value)}"
            return
        limit = error.validator_value
        shown = ", ".join(str(item)[:40] for item in limit[:20]) if isinstance(limit, list) else limit
        yield f"this {_MESSAGES[str(error.validator)].format(shown)}"
    if "pattern" in schema:
        try:
            _matcher(schema["pattern"]).validate_python(value)
        except ValidationError:
            yield f"this does not match the pattern {schema['pattern']}"
    if _holds_secret(value):
        yield "a variable cannot hold a secret: its value is shown in plans"


def _holds_secret(value: PartialValue) -> bool:
    if isinstance(value, dict):
        return (len(value) == 1 and "secret" in value) or any(_holds_secret(item) for item in value.values())
    return isinstance(value, list) and any(_holds_secret(item) for item in value)


def given_values(
    declared: Mapping[str, PartialValue],
    variables: Mapping[str, str],
    files: Sequence[FilePath],
    environ: Mapping[str, str],
    diagnostics: Diagnostics,
) -> dict[str, Given]:
    """Every value given from outside. Precedence: --var, then --var-file (the last one first), then the environment."""
    found = {
        name: Given(environ[ENVIRONMENT + name], True, _named(ENVIRONMENT + name))
        for name in declared
        if ENVIRONMENT + name in environ
    }
    for file in files:
        found.update(_from_file(file, diagnostics))
    found.update({name: Given(text, True, _named(f"--var {name}")) for name, text in variables.items()})
    return found


def _named(where: str) -> Callable[[str, str], Diagnostic]:
    return lambda message, hint: Diagnostic(message, hint, file=where)


def _from_file(path: FilePath, diagnostics: Diagnostics) -> dict[str, Given]:
    value, source_map = document.parse(document.read(path, diagnostics), path, diagnostics)
    if not isinstance(value, dict):
        diagnostics.add(
            source_map.diagnostic((), "a file of variables must be a map of names to values", "such as max_size: 4")
        )
        return {}

    def at(name: str) -> Callable[[str, str], Diagnostic]:
        return lambda message, hint: source_map.diagnostic((name,), message, hint)

    return {name: Given(each, False, at(name)) for name, each in value.items()}
