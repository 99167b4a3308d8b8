"""The schemas: fresh, right, and at one with the loader."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from smplan.drivers import registry
from smplan.render.schema import generate
from tests.blueprint.load_case import LOOKUPS, RESOURCES

ROOT = Path(__file__).parents[2]
BLUEPRINTS = sorted(path for path in (ROOT / "blueprints").rglob("*") if path.suffix in (".yaml", ".yml", ".json"))


def test_the_committed_schemas_are_those_that_the_kinds_make() -> None:
    committed = {
        str(path.relative_to(ROOT / "schemas")): path.read_text(encoding="utf-8")
        for folder in ("", "kinds", "lookups")
        for path in (ROOT / "schemas" / folder).glob("*.schema.json")
        if folder or path.name == "blueprint.schema.json"
    }
    made = generate(registry.drivers(), registry.lookups())
    stale = sorted(name for name in committed.keys() | made.keys() if committed.get(name) != made.get(name))
    assert stale == [], "run `smplan schema --write` and commit what it writes"


def test_every_schema_is_valid() -> None:
    for text in generate(registry.drivers(), registry.lookups()).values():
        Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.name)
def test_every_example_fits_the_schema(path: Path) -> None:
    schema = json.loads(generate(registry.drivers(), registry.lookups())["blueprint.schema.json"])
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert [error.message for error in Draft202012Validator(schema).iter_errors(value)] == []


def made() -> dict[str, Any]:
    return {name: json.loads(text) for name, text in generate(RESOURCES, LOOKUPS).items()}


def errors(value: object) -> list[str]:
    """Where ``value`` does not fit the schema of the toy kinds."""
    found = Draft202012Validator(made()["blueprint.schema.json"]).iter_errors(value)
    return sorted("/".join(str(step) for step in error.absolute_path) for error in found)


def blueprint(spec: object = None, **sections: Any) -> dict[str, Any]:
    thing = {"kind": "toy.thing", "spec": {"name": "thing"} if spec is None else spec}
    return {"smplan": 1, "name": "toy", "resources": {"a": thing}, **sections}


def test_there_is_one_schema_for_each_kind() -> None:
    assert sorted(made()) == [
        "blueprint.schema.json",
        "kinds/toy.both.schema.json",
        "kinds/toy.fleet.schema.json",
        "kinds/toy.thing.schema.json",
        "lookups/toy.both.schema.json",
        "lookups/toy.place.schema.json",
    ]


def test_schema_has_outputs_and_field_traits() -> None:
    kind = made()["kinds/toy.thing.schema.json"]
    assert (kind["title"], kind["description"]) == ("toy.thing", "A thing.")
    assert kind["x-outputs"]["arn"] == "Its ARN."
    assert kind["properties"]["size"] == {
        "description": "How large.",
        "anyOf": [{"maximum": 9, "minimum": 1, "type": "integer"}, {"type": "null"}, {"$ref": "#/$defs/reference"}],
    }
    assert "[sensitive: never shown; only its source is stored]" in kind["properties"]["token"]["description"]
    assert made()["lookups/toy.place.schema.json"]["x-outputs"] == {
        "id": "The physical id.",
        "arn": "Its ARN.",
        "list": "More.",
    }


def test_schema_accepts_what_the_loader_accepts() -> None:
    spec = {
        "name": "thing", "size": "${var.size}", "mode": "fast", "token": {"secret": "env:A"}, "tags": {"a": "${x.id}"},
        "names": ["a", {"file": "b"}], "parts": [{"role": "x"}, "${x.parts[0]}"],
        "part": {"role": "x", "key": {"secret": "ssm:/a"}},
        "flag": True, "either": [1], "data": {"any": ["thing", None]}, "weight": 0.5, "colour": None,
    }  # fmt: skip
    value = blueprint(
        spec,
        aws={"region": "us-east-1", "account": "${var.account}"},
        stream_manager={"url": "https://${x.name}", "access_token": {"secret": "env:A"}, "api_version": "3.1"},
        state={"backend": "s3", "bucket": "abc", "key": "${var.key}"},
        variables={"v": {"type": "integer", "default": 1, "minimum": 0}, "w": {"type": "map", "default": None}},
        lookups={"p": {"kind": "toy.place", "where": {"tag:Name": "x", "zone": ["a"]}}},
        outputs={"o": "${a.arn}", "p": [1, {"x": None}]},
    )
    value["$schema"] = "../schemas/blueprint.schema.json"
    value["resources"]["b"] = {
        "kind": "toy.fleet", "when": "${!var.x}", "for_each": ["x"], "after": ["a"],
        "lifecycle": {"prevent_destroy": "${var.x}", "ignore": ["tags.x"]},
    }  # fmt: skip
    value["resources"]["c"] = {"kind": "toy.fleet", "when": False, "for_each": "${var.m}"}
    assert errors(value) == []


@pytest.mark.parametrize(
    ("value", "where"),
    [
        ({}, ["", "", ""]),
        (blueprint(smplan=2), ["smplan"]),
        (blueprint(name="A b"), ["name"]),
        (blueprint(outptus={}), [""]),
        (blueprint(aws={"account": 123456789012}), ["aws/account"]),
        (blueprint(stream_manager={"url": "x", "access_token": 5}), ["stream_manager/access_token"]),
        (blueprint(state={"backend": "gcs"}), ["state"]),
        (blueprint(variables={"v": {"type": "int"}}), ["variables/v/type"]),
        (blueprint(variables={"v": {}}), ["variables/v"]),
        (blueprint(variables={"a b": {"type": "list"}}), ["variables"]),
        (blueprint(lookups={"p": {"kind": "toy.place", "where": {"nmae": "x"}}}), ["lookups/p/where"]),
        (blueprint(lookups={"p": {"kind": "toy.both", "where": {"tag:Name": "x"}}}), ["lookups/p/where"]),
        (blueprint(lookups={"p": {"kind": "toy.thing", "where": {}}}), ["lookups/p/kind"]),
        (blueprint(lookups={"p": {"kind": "toy.place"}}), ["lookups/p"]),
        (blueprint(resources={"a": {"kind": "toy.thin"}}), ["resources/a/kind"]),
        (blueprint(resources={"var": {"kind": "toy.fleet"}}), ["resources"]),
        (blueprint(resources={"a": {"kind": "toy.fleet", "when": "yes"}}), ["resources/a/when"]),
        (blueprint(resources={"a": {"kind": "toy.fleet", "for_each": 5}}), ["resources/a/for_each"]),
        (blueprint(resources={"a": {"kind": "toy.fleet", "lifecycle": {"x": 1}}}), ["resources/a/lifecycle"]),
        (blueprint({}), ["resources/a/spec"]),
        (blueprint({"name": "thing", "sise": 1}), ["resources/a/spec"]),
        (blueprint({"name": "thing", "size": 10}), ["resources/a/spec/size"]),
        (blueprint({"name": "thing", "size": "3"}), ["resources/a/spec/size"]),
        (blueprint({"name": {"secret": "env:A"}}), ["resources/a/spec/name"]),
        (blueprint({"name": "thing", "parts": [{"role": 5}]}), ["resources/a/spec/parts"]),
        (blueprint({"name": "thing", "mode": "slwo"}), ["resources/a/spec/mode"]),
        (blueprint({"name": "thing", "tags": {"a": 5}}), ["resources/a/spec/tags"]),
    ],
)
def test_schema_rejects_what_the_loader_rejects(value: object, where: list[str]) -> None:
    assert errors(value) == where
