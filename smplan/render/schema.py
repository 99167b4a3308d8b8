"""JSON Schemas (draft 2020-12) of blueprints and of every kind, generated from the models that validate them.

The loader also checks what a schema cannot express, such as that a name exists; whatever a schema rejects, the
loader rejects too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from smplan.blueprint.schema import (
    NAME,
    RESERVED,
    STATES,
    AwsForm,
    BlueprintForm,
    LifecycleForm,
    StreamManagerForm,
    VariableForm,
)
from smplan.core.resource_type import LookupType, Output, ResourceType
from smplan.core.spec import SENSITIVE, Spec, fields
from smplan.core.spec_errors import nested

Schema: TypeAlias = "dict[str, Any]"

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_REFERENCE = {"$ref": "#/$defs/reference"}
_FILE = {"$ref": "#/$defs/file"}
_SECRET = {"$ref": "#/$defs/secret"}
_LEAVES: Schema = {
    "reference": {
        "description": "A value from elsewhere: ${name.attribute}, ${var.name}, ${each.key}; $${ is a literal ${.",
        "type": "string",
        "pattern": r"\$\{",
    },
    "file": {
        "description": "The text of a file beside the blueprint, at most 64 KiB of UTF-8.",
        "type": "object",
        "properties": {"file": {"description": "Path, relative to the blueprint.", "type": "string"}},
        "required": ["file"],
        "additionalProperties": False,
    },
    "secret": {
        "description": "The source of a secret; it is read only for the request that needs it, and never stored.",
        "type": "object",
        "properties": {
            "secret": {
                "description": "env:NAME, ssm:/path or secretsmanager:id.",
                "type": "string",
                "pattern": r"^(env|ssm|secretsmanager):|\$\{",
            }
        },
        "required": ["secret"],
        "additionalProperties": False,
    },
}
_ANNOTATIONS = ("description", "default", "title")


def generate(resources: Mapping[str, ResourceType], lookups: Mapping[str, LookupType]) -> dict[str, str]:
    """Every schema, as text by its path below ``schemas/``."""
    made = {"blueprint.schema.json": _blueprint(resources, lookups)}
    made |= {f"kinds/{name}.schema.json": _kind(resources[name]) for name in sorted(resources)}
    made |= {f"lookups/{name}.schema.json": _lookup(lookups[name]) for name in sorted(lookups)}
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in made.items()}


def _blueprint(resources: Mapping[str, ResourceType], lookups: Mapping[str, LookupType]) -> Schema:
    definitions = dict(_LEAVES)
    for name, form in _forms().items():
        definitions |= _definitions(name, form)
    definitions["variable"] = _plain(VariableForm)
    for name in sorted(resources):
        definitions |= _definitions(f"spec.{name}", resources[name].spec)
    definitions |= {f"where.{name}": _where(lookups[name]) for name in sorted(lookups)}
    definitions["resource"] = _resource(sorted(resources))
    definitions["lookup"] = _entry({name: f"where.{name}" for name in sorted(lookups)}, "where", "a lookup")
    return {
        "$schema": DIALECT,
        "title": "smplan blueprint",
        "description": "A self-scaling fleet of Red5 Pro Stream Managers on AWS.",
        "type": "object",
        "properties": _sections(),
        "required": ["smplan", "name", "resources"],
        "additionalProperties": False,
        "$defs": definitions,
    }


def _forms() -> dict[str, type[Spec]]:
    states = {f"state.{backend}": form for backend, form in STATES.items()}
    return {"aws": AwsForm, "stream_manager": StreamManagerForm, "lifecycle": LifecycleForm, **states}


def _sections() -> Schema:
    plain = _plain(BlueprintForm)["properties"]
    name = {"type": "string", "pattern": NAME, "not": {"enum": list(RESERVED)}}
    named = {"type": "object", "propertyNames": name}
    return {
        "$schema": {"description": "The location of this schema, for editors.", "type": "string"},
        "smplan": plain["smplan"],
        "name": _opened(plain["name"]),
        "aws": _described(plain["aws"], {"$ref": "#/$defs/aws"}),
        "stream_manager": _described(plain["stream_manager"], {"$ref": "#/$defs/stream_manager"}),
        "state": _described(plain["state"], {"anyOf": [{"$ref": f"#/$defs/state.{backend}"} for backend in STATES]}),
        "variables": _described(plain["variables"], {**named, "additionalProperties": {"$ref": "#/$defs/variable"}}),
        "lookups": _described(plain["lookups"], {**named, "additionalProperties": {"$ref": "#/$defs/lookup"}}),
        "resources": _described(plain["resources"], {**named, "additionalProperties": {"$ref": "#/$defs/resource"}}),
        "outputs": _described(plain["outputs"], named),
    }


def _described(source: Mapping[str, Any], schema: Schema) -> Schema:
    return {"description": source["description"], **schema}


def _resource(kinds: Sequence[str]) -> Schema:
    schema = _entry({kind: f"spec.{kind}" for kind in kinds}, "spec", "a resource")
    decided = {"type": "string", "pattern": r"^\$\{!?[^{}]+\}$"}
    schema["properties"] |= {
        "when": {
            "description": 'Whether there is one: true, false, "${var.x}" or "${!var.x}".',
            "anyOf": [{"type": "boolean"}, decided],
        },
        "for_each": {
            "description": 'One instance each: a list of names, a map, or "${var.x}" for one of these.',
            "anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "object"}, _REFERENCE, {"type": "null"}],
        },
        "after": {
            "description": "Names of resources that must be done first, although nothing here refers to them.",
            "type": "array",
            "items": {"type": "string"},
        },
        "lifecycle": {"description": "What may be done to it.", "$ref": "#/$defs/lifecycle"},
    }
    schema["required"] = ["kind"]
    return schema


def _entry(definitions: Mapping[str, str], holder: str, what: str) -> Schema:
    """``kind``, and the fields of that kind under ``holder``."""
    chosen = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"properties": {holder: {"$ref": f"#/$defs/{definition}"}}},
        }
        for kind, definition in definitions.items()
    ]
    return {
        "description": f"What {what} is.",
        "type": "object",
        "properties": {
            "kind": {"description": f"The kind of {what}.", "enum": list(definitions)},
            holder: {"description": "The fields of its kind.", "type": "object"},
        },
        "required": ["kind", holder],
        "additionalProperties": False,
        "allOf": chosen,
    }


def _kind(resource: ResourceType) -> Schema:
    definitions = _definitions("spec", resource.spec)
    return {
        "$schema": DIALECT,
        "title": resource.kind,
        **definitions.pop("spec"),
        "description": resource.summary,
        "$defs": {**_LEAVES, **definitions},
        "x-outputs": {"id": "The physical id.", **_descriptions(resource.outputs)},
    }


def _lookup(lookup: LookupType) -> Schema:
    outputs = {"id": "The physical id.", **_descriptions(lookup.outputs)}
    return {"$schema": DIALECT, "title": lookup.kind, **_where(lookup), "x-outputs": outputs}


def _descriptions(outputs: Mapping[str, Output]) -> dict[str, str]:
    return {name: output.description for name, output in outputs.items()}


def _where(lookup: LookupType) -> Schema:
    keys = lookup.keys
    tags = {"^tag:.+": {"description": keys["tag:*"]}} if "tag:*" in keys else {}
    return {
        "description": lookup.summary,
        "type": "object",
        "properties": {key: {"description": text} for key, text in keys.items() if key != "tag:*"},
        "patternProperties": tags,
        "additionalProperties": False,
    }


def _definitions(name: str, form: type[Spec]) -> dict[str, Schema]:
    """``form`` and the forms nested in it, by definition name."""
    made = {name: _form(form, f"#/$defs/{name}.{{model}}")}
    for inner in _inner(form):
        made[f"{name}.{inner.__name__}"] = _form(inner, f"#/$defs/{name}.{{model}}")
    return made


def _inner(form: type[Spec]) -> Iterator[type[Spec]]:
    for name in form.model_fields:
        for found in nested(form, name):
            yield found
            yield from _inner(found)


def _form(form: type[Spec], refs: str) -> Schema:
    schema = form.model_json_schema(ref_template=refs)
    properties = {}
    for name, raw in schema.get("properties", {}).items():
        traits = sorted(fields(form)[name].traits, key=lambda trait: trait.name)
        notes = "".join(f" [{trait.name}: {trait.why}]" for trait in traits)
        secret = SENSITIVE in traits
        properties[name] = _opened(
            {**raw, "description": f"{raw.get('description', '')}{notes}".strip()}, secret=secret
        )
    described = {"description": (form.__doc__ or "").strip().partition("\n")[0]}
    required = {"required": schema["required"]} if schema.get("required") else {}
    return {**described, "type": "object", "properties": properties, **required, "additionalProperties": False}


def _plain(form: type[Spec]) -> Schema:
    """``form`` without references: none of its values may be one."""
    schema = form.model_json_schema()
    schema["properties"] = {name: _untitled(each) for name, each in schema["properties"].items()}
    schema.pop("$defs", None)
    return _untitled(schema)


def _untitled(schema: Schema) -> Schema:
    return {key: value for key, value in schema.items() if key != "title" and (key, value) != ("default", None)}


def _opened(schema: Schema, *, secret: bool = False) -> Schema:
    """``schema``, extended by references, and by files and secrets where the value may be one."""
    schema = _untitled(schema)
    annotations = {key: schema.pop(key) for key in _ANNOTATIONS if key in schema}
    choices = [_inside(each) for each in schema.pop("anyOf", [schema])]
    if {} in choices:
        return annotations
    text = any(each.get("type") == "string" or "enum" in each or "const" in each for each in choices)
    extra = [_REFERENCE, *([_FILE] if text else []), *([_SECRET] if secret else [])]
    return {**annotations, "anyOf": choices + extra}


def _inside(schema: Schema) -> Schema:
    schema = _untitled(schema)
    if "items" in schema:
        schema["items"] = _opened(schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        schema["additionalProperties"] = _opened(schema["additionalProperties"])
    return schema
