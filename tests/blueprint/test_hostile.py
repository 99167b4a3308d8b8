"""Nothing a person can write ends in a traceback, or takes long."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from smplan.blueprint.load import load
from smplan.core.blueprint import Blueprint
from smplan.drivers.registry import catalogue
from smplan.errors import BlueprintInvalid
from tests.blueprint.load_case import HEAD, toys

MANY = 250_000
THING = "resources: {a: {kind: toy.thing, spec: {name: thing, data: %s}}}\n"


def things(row: str, count: int) -> str:
    return HEAD + "resources:\n" + "".join(f"  a{number}: {row}\n" for number in range(count))


def keys(count: int) -> str:
    return ",".join(f"k{number}" for number in range(count))


def matching(pattern: str) -> str:
    return f"resources: {{}}\nvariables: {{v: {{type: string, pattern: '{pattern}', default: {'a' * 50_000}!}}}}"


NASTY = {
    "alias bomb": "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    "alias circle": "&a [*a]",
    "open lists": "[" * MANY,
    "open maps": "{a: " * MANY,
    "nested dashes": "- " * MANY,
    "nested keys": "? " * MANY,
    "colons": ": " * MANY,
    "open quote": '"' + "a" * MANY,
    "long text": "a" * MANY,
    "long block": "a: |\n" + " x\n" * MANY,
    "blanks": " " * MANY,
    "tabs": "\t" * MANY,
    "comments": "#\n" * MANY,
    "documents": "---\n" * MANY,
    "anchors": "".join(f"- &a{number} x\n" for number in range(MANY // 10)),
    "tags": "- !t x\n" * (MANY // 10),
    "bad date": "a: 2024-13-45",
    "long integer": "a: " + "9" * MANY,
    "long float": "a: 1" + "0" * MANY + ".5e5",
    "empty !!int": 'a: !!int ""',
    "bad !!float": "a: !!float x",
    "bad !!bool": "a: !!bool x",
    "bad !!timestamp": "a: !!timestamp x",
    "bad !!binary": "a: !!binary ü",
    "python tag": "a: !!python/object/apply:os.system [ls]",
    "surrogate": 'a: "\\ud800"',
    "keys": "".join(f"k{number}: 1\n" for number in range(MANY // 4)),
    "equal keys": "a: 1\n" * MANY,
    "unknown kinds": things("{kind: toy.thingg}", 15_000),
    "many resources": things("{kind: toy.fleet}", 25_000),
    "unknown names": things("{kind: toy.thing, spec: {name: thing, data: '${resource_nr_9.id}'}}", 12_000),
    "names": HEAD + THING % ('"' + "${a.id}" * 60_000 + '"'),
    "dots": HEAD + THING % ('"${a' + ".b" * MANY + '}"'),
    "index": HEAD + THING % ('"${a.b[' + "9" * MANY + ']}"'),
    "opened": HEAD + THING % ('"' + "${" * MANY + '"'),
    "secrets": HEAD + THING % ("[" + "{secret: 'env:A'}," * 30_000 + "]"),
    "many keys": HEAD + f"resources: {{a: {{kind: toy.thing, for_each: [{keys(70_000)}]}}}}",
    "instances of much": HEAD
    + f"resources: {{a: {{kind: toy.thing, for_each: [{keys(15_000)}], spec: {{data: [{keys(20_000)}]}}}}}}",
    "pattern": HEAD + matching("^(a+)+$"),
    "patterns": HEAD + matching("(a*)*" * 90),
    "lookup circle": HEAD
    + "resources: {}\nlookups:\n"
    + "".join(f"  l{n}: {{kind: toy.place, where: {{name: '${{l{(n + 1) % 10_000}.id}}'}}}}\n" for n in range(10_000)),
}
NASTY_JSON = {
    "open lists": "[" * MANY,
    "open maps": '{"a":' * MANY,
    "lists": "[" * 900 + "]" * 900,
    "long integer": '{"a": ' + "9" * MANY + "}",
    "infinity": '{"a": -Infinity, "b": 1e999, "c": NaN}',
    "equal keys": "{" + ",".join(['"a": 1'] * 60_000) + "}",
    "surrogates": json.dumps({"\ud800": "\udfff", "a": "\0"}),
    "commas": "," * MANY,
    "quotes": '"' * MANY,
    "escapes": '"' + "\\" * MANY,
    "values": "[" + ",".join(["[]"] * MANY) + "]",
    "nothing": "",
    "control": '{"a": "\x01"}',
}


def outcome(path: Path) -> Blueprint | BlueprintInvalid:
    """The blueprint, or its diagnostics: each with words and, but for the last of very many, with a place."""
    try:
        return load(path, catalogue=toys(), environ={})
    except BlueprintInvalid as invalid:
        found = invalid
    assert found.diagnostics
    for diagnostic in found.diagnostics:
        assert diagnostic.message
        assert diagnostic.message.isprintable()
        assert diagnostic.file == str(path)
        assert len(diagnostic.message) + len(diagnostic.hint) + len(diagnostic.source) < 1500
    return found


def quick(path: Path) -> None:
    before = time.process_time()
    outcome(path)
    # A second on a machine of its own; measured beside other work, and under a coverage tracer.
    assert time.process_time() - before < 30


@pytest.mark.parametrize("name", NASTY)
def test_hostile_yaml_is_rejected_quickly(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(NASTY[name], encoding="utf-8")
    quick(path)


@pytest.mark.parametrize("name", NASTY_JSON)
def test_hostile_json_is_rejected_quickly(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(NASTY_JSON[name], encoding="utf-8")
    quick(path)


def test_ten_thousand_resources_load_quickly(tmp_path: Path) -> None:
    rows = [
        f'  r{n}:\n    kind: core.value\n    spec:\n      input: "{f"${{r{n - 1}.output}}" if n % 10 else "first"}"\n'
        for n in range(10_000)
    ]
    path = tmp_path / "a.yaml"
    path.write_text(HEAD + "resources:\n" + "".join(rows))
    before = time.process_time()
    assert len(load(path, environ={}, catalogue=catalogue()).resources) == 10_000
    assert time.process_time() - before < 30


GOOD = """\
smplan: 1
name: toy
aws: {region: us-east-1, account: "123456789012"}
stream_manager: {url: "https://${a.name}", access_token: {secret: "env:TOKEN"}}
state: {backend: s3, bucket: abc, key: a}
variables:
  flag: {type: boolean, default: true}
  zones: {type: list, default: [x, z], min_items: 1}
lookups:
  place: {kind: toy.place, where: {"tag:Name": a, name: ["${var.zones[0]}"]}}
resources:
  a:
    kind: toy.thing
    when: "${var.flag}"
    spec: {name: thing, size: 3, parts: [{role: x, limit: 1}], tags: {a: b}, data: {file: a.txt}}
  b:
    kind: toy.both
    for_each: "${var.zones}"
    spec: {name: "${each.key}${each.value}", data: ["${a.tags.a}", "${place.arn}", 1.5, null]}
    after: [a]
    lifecycle: {prevent_destroy: "${var.flag}", ignore: [tags.a]}
outputs: {url: 'https://${b["x"].id}'}
"""
MARKS = "${ } ${var.zones} ${each.key} ${a.id} ${b[each.key].id} $${ { [ ] , - ? | > \" ' # % ~ yes null .nan 012 1e999"
TEXTS = [": ", "\n", "\n  ", "- ", "&a ", "*a", "!t ", "? ", "---\n", "<<: ", "a: a: a", "[[[[", "{{{{", '${b["x"].id}']
ENTRIES = ["{secret: x}", "{file: ../x}", "{file: a.txt}", "toy.thing", "for_each: ", "when: ", "spec: ", "9" * 30]
ODD = ["\t", "\x00", "\x1b", "\u2028", "\ufeff", "é", "\U0001f600"]
PIECES = st.sampled_from([*MARKS.split(), *TEXTS, *ENTRIES, *ODD])
EDITS = st.lists(
    st.tuples(st.integers(0, len(GOOD)), st.integers(0, 12), PIECES | st.text(max_size=4)), min_size=1, max_size=5
)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for at, drop, piece in edits:
        text = text[:at] + piece + text[at + drop :]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("fuzz")
    (made / "a.txt").write_text("text")
    return made


def test_fuzz_seed_is_valid(folder: Path) -> None:
    path = folder / "seed.yaml"
    path.write_text(GOOD)
    assert isinstance(outcome(path), Blueprint)


fuzzed = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])


@fuzzed
@given(EDITS)
def test_randomly_edited_blueprint_loads_or_has_diagnostics(folder: Path, edits: list[tuple[int, int, str]]) -> None:
    path = folder / "edited.yaml"
    path.write_bytes(edited(GOOD, edits).encode("utf-8", errors="replace"))
    outcome(path)


@fuzzed
@given(st.binary(max_size=200))
def test_random_bytes_load_or_have_diagnostics(folder: Path, data: bytes) -> None:
    for name in ("bytes.yaml", "bytes.json"):
        (folder / name).write_bytes(data)
        outcome(folder / name)


KEYS = "smplan name kind spec where when for_each after lifecycle type default secret file a b data list string"
words = st.sampled_from([*KEYS.split(), "toy.thing", "toy.place", "${a.id}", "${var.a}", "${each.key}", "${!var.a}"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | words | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
sections = st.fixed_dictionaries(
    {"smplan": st.just(1), "name": st.just("toy")},
    optional={
        "resources": st.dictionaries(words, st.dictionaries(words, values, max_size=6), max_size=3) | values,
        "lookups": st.dictionaries(words, st.dictionaries(words, values, max_size=3), max_size=3) | values,
        "variables": st.dictionaries(words, st.dictionaries(words, values, max_size=4), max_size=3) | values,
        "outputs": values,
        "aws": values,
        "state": values,
        "stream_manager": st.dictionaries(st.sampled_from(["url", "access_token", "connect_to"]), values) | values,
    },
)


@fuzzed
@given(sections)
def test_sections_of_any_shape_load_or_have_diagnostics(folder: Path, value: object) -> None:
    path = folder / "shapes.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    outcome(path)
