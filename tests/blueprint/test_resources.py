"""Resources: ``when``, ``for_each``, ``after`` and ``lifecycle``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from smplan.core.blueprint import Lifecycle, Resource
from smplan.core.values import Ref
from smplan.core.wording import quoted
from tests.blueprint.load_case import diagnostics_of, errors, loaded

VARIABLES = """
variables:
  flag: {type: boolean, default: true}
  none: {type: boolean, default: false}
  text: {type: string, default: a}
  zones: {type: list, default: [a, b]}
  sizes: {type: map, default: {small: 1, large: {nn: 9}}}
lookups:
  place: {kind: toy.place, where: {name: x}}
resources:
"""


def made(folder: Path, text: str) -> dict[str, Resource]:
    return {resource.address: resource for resource in loaded(folder, VARIABLES + text).resources}


def reported(folder: Path, text: str, head: str = VARIABLES) -> list[tuple[str, str]]:
    return [(diagnostic.message, diagnostic.hint) for diagnostic in diagnostics_of(folder, head + text)]


def thing(rest: str = "", *, name: str = "a", data: str = "1") -> str:
    return f"  {name}: {{kind: toy.thing, spec: {{name: thing, data: {data}}}{', ' if rest else ''}{rest}}}\n"


def test_a_resource_is_one_instance(tmp_path: Path) -> None:
    text = thing('after: [b], lifecycle: {prevent_destroy: "${var.flag}", ignore: [tags], adopt: true}') + thing(
        name="b"
    )
    assert made(tmp_path, text)["a"] == Resource(
        address="a",
        name="a",
        key=None,
        kind="toy.thing",
        spec={"name": "thing", "data": 1},
        after=("b",),
        lifecycle=Lifecycle(prevent_destroy=True, ignore=("tags",), adopt=True),
        path=("resources", "a"),
    )


@pytest.mark.parametrize(
    ("when", "there"),
    [
        ("true", True),
        ("false", False),
        ('"${var.flag}"', True),
        ('"${!var.flag}"', False),
        ('"${ ! var.none }"', True),
        ('"${var.none}"', False),
    ],
)
def test_when_decides_whether_the_resource_exists(tmp_path: Path, when: str, there: bool) -> None:
    assert list(made(tmp_path, thing(f"when: {when}"))) == (["a"] if there else [])


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ('"true"', "`when` must be true, false, a variable or its negation"),
        ('"${var.flag} "', "`when` must be true, false, a variable or its negation"),
        ("1", "`when` must be true or false or text, not an integer"),
        ('"${var.text}"', "`when` must be true or false, not text"),
        ('"${var.flg}"', "there is no variable `flg`"),
        ('"${var}"', "`${var}` does not name a variable"),
        ('"${place.id}"', "`${place.id}` is not known before planning; `when` must be"),
        ('"${each.key}"', "`${each.key}` is valid only in a resource with `for_each`"),
        ('"${a b}"', "`a b` is not a reference"),
    ],
)
def test_when_must_be_known_before_planning(tmp_path: Path, when: str, message: str) -> None:
    assert [found for found, _ in reported(tmp_path, thing(f"when: {when}"))] == [message]


def test_for_each_makes_one_instance_of_each(tmp_path: Path) -> None:
    listed = made(tmp_path, thing("for_each: [x, z]", data='"${each.key}-${each.value}"'))
    assert {address: resource.spec["data"] for address, resource in listed.items()} == {
        'a["x"]': "x-x",
        'a["z"]': "z-z",
    }
    assert [resource.key for resource in listed.values()] == ["x", "z"]
    variable = made(tmp_path, thing('for_each: "${var.sizes}"', data='["${each.value}", "${each.key}"]'))
    assert [resource.spec["data"] for resource in variable.values()] == [[1, "small"], [{"nn": 9}, "large"]]
    deep = made(tmp_path, thing("for_each: {x: {nn: [5]}, z: {nn: [6]}}", data='"${each.value.nn[0]}"'))
    assert [resource.spec["data"] for resource in deep.values()] == [5, 6]
    assert made(tmp_path, thing("for_each: []")) == {}
    assert list(made(tmp_path, thing("for_each: null"))) == ["a"]


def test_values_of_for_each_may_be_references(tmp_path: Path) -> None:
    found = made(tmp_path, thing('for_each: {x: "${place.arn}"}', data='"${each.value}"'))
    assert found['a["x"]'].spec["data"] == Ref("place", path=("arn",))


def test_each_key_refers_to_the_instance_of_the_same_key(tmp_path: Path) -> None:
    text = thing("for_each: [x, z]") + thing(
        "for_each: [x]", name="b", data="\"${a[each.key].arn} ${a['z'].arn}\"".replace("'", '\\"')
    )
    assert [str(part) for part in made(tmp_path, text)['b["x"]'].spec["data"].parts] == [
        '${a["x"].arn}',
        " ",
        '${a["z"].arn}',
    ]


def test_when_may_differ_from_instance_to_instance(tmp_path: Path) -> None:
    found = made(tmp_path, thing('for_each: {x: true, z: false}, when: "${!each.value}"'))
    assert list(found) == ['a["z"]']


@pytest.mark.parametrize(
    ("each", "message"),
    [
        ("abc", "`for_each` must be a list of names, a map, or a variable that holds one"),
        ("5", "`for_each` must be a list or a map or text, not an integer"),
        ('"${var.text}"', "`for_each` must be a list or a map, not text"),
        ('"${var.flag}"', "`for_each` must be a list or a map, not true or false"),
        ('"${place.list}"', "`for_each` must be known before planning; `${place.list}` is not"),
        ('["${place.id}"]', "a key of `for_each` must be text, not a reference"),
        ("[1]", "a key of `for_each` must be text, not an integer"),
        ("[a, b, a]", "`a` is in `for_each` twice"),
        ("['a b']", "`a b` cannot be a key: no spaces, quotes, brackets, $ or \\"),
        ("{'a\"': 1}", '`a"` cannot be a key: no spaces, quotes, brackets, $ or \\'),
        (f"[{'ü' * 128}]", f"{quoted('ü' * 128)} is too long: the address does not fit in a tag of 256 characters"),
        ("['']", "`` cannot be a key: no spaces, quotes, brackets, $ or \\"),
    ],
)
def test_for_each_must_be_known_before_planning(tmp_path: Path, each: str, message: str) -> None:
    assert [found for found, _ in reported(tmp_path, thing(f"for_each: {each}"))] == [message]


def test_resource_with_invalid_for_each_is_still_checked(tmp_path: Path) -> None:
    text = thing("for_each: 5", data='"${each.key} ${each.value.x} ${each.kee} ${b[each.key].id} ${nope.id}"')
    assert [message for message, _ in reported(tmp_path, text)] == [
        "`${each.kee}` is neither `${each.key}` nor `${each.value}`",
        "`nope` is neither a resource nor a lookup",
        "`for_each` must be a list or a map or text, not an integer",
    ] or len(reported(tmp_path, text)) == 4


def test_each_is_valid_only_with_for_each(tmp_path: Path) -> None:
    text = thing(data='["${each.key}", "${b[each.key].id}"]') + thing(
        "for_each: [x]", name="b", data='"${each.value.nn}"'
    )
    assert [message for message, _ in reported(tmp_path, text)] == [
        "`${each.key}` is valid only in a resource with `for_each`",
        "`${b[each.key].id}` is valid only in a resource with `for_each`",
        "`${each.value.nn}` cannot be resolved: there is no `nn` in it",
    ]


def after(folder: Path, entry: str, rest: str = "") -> tuple[str, ...]:
    """What the resource ``z`` comes after, beside ``one``, ``many`` (blue, green), ``gone`` and ``half``."""
    text = (
        thing(name="one")
        + thing("for_each: [blue, green]", name="many")
        + thing("when: false", name="gone")
        + thing('for_each: {blue: true, green: false}, when: "${each.value}"', name="half")
        + thing(f"after: [{entry}]{rest}", name="z_")
    )
    found = made(folder, text)
    return next(resource.after for address, resource in found.items() if address.startswith("z_"))


@pytest.mark.parametrize(
    ("entry", "rest", "addresses"),
    [
        ("one", "", ("one",)),
        ("one, one", "", ("one",)),
        ("many", "", ('many["blue"]', 'many["green"]')),
        ("'many[\"green\"]'", "", ('many["green"]',)),
        ("many", ", for_each: [green]", ('many["green"]',)),
        ("'many[each.key]'", ", for_each: [green]", ('many["green"]',)),
        ("many", ", for_each: [red]", ('many["blue"]', 'many["green"]')),
        ("gone", "", ()),
        ("half", "", ('half["blue"]',)),
        ("'half[\"green\"]', one", "", ("one",)),
        ("half", ", for_each: [green]", ()),
    ],
)
def test_after_becomes_addresses(tmp_path: Path, entry: str, rest: str, addresses: tuple[str, ...]) -> None:
    assert after(tmp_path, entry, rest) == addresses


@pytest.mark.parametrize(
    ("entry", "message", "hint"),
    [
        ("ona", "there is no resource `ona` to come after", "did you mean `one`?"),
        ("place", "`place` is a lookup, and lookups come before every resource", "remove it"),
        ("a", "`a` cannot come after itself", ""),
        ("'one[\"x\"]'", "`one` has no instance `x`", ""),
        ("'many[\"bleu\"]'", "`many` has no instance `bleu`", "did you mean `blue`?"),
        ("'many[each.key]'", "this is not the name of a resource", 'write its name alone: `alb`, `alb["blue"]`'),
        ("one.id", "this is not the name of a resource", 'write its name alone: `alb`, `alb["blue"]`'),
        ('"${one}"', "this is not the name of a resource", "write `one`"),
        ("5", "this is not the name of a resource", 'write its name alone: `alb`, `alb["blue"]`'),
    ],
)
def test_after_must_name_existing_resources(tmp_path: Path, entry: str, message: str, hint: str) -> None:
    text = thing(name="one") + thing("for_each: [blue]", name="many") + thing(f"after: [{entry}]")
    assert reported(tmp_path, text) == [(message, hint)]


def test_after_an_invalid_resource_is_not_reported_again(tmp_path: Path) -> None:
    text = "  wrong: {spec: {}}\n" + thing("after: [wrong, yes]")
    assert reported(tmp_path, text)[0][0] == "`kind` is missing"
    assert len(reported(tmp_path, text)) == 2


@pytest.mark.parametrize(
    ("lifecycle", "message"),
    [
        ("{prevent_destroi: true}", "`prevent_destroi` is not a known field"),
        ("{adopt: 1}", "`adopt` must be true or false or a map, not an integer"),
        ('{adopt: "${place.id}"}', "`${place.id}` is not known before planning; this must be"),
        ('{adopt: "x${place.id}"}', "`x${place.id}` is not known before planning; this must be"),
        ('{ignore: [{secret: "env:A"}]}', "a secret is not allowed here"),
        ("[]", "`lifecycle` must be a map, not a list"),
    ],
)
def test_lifecycle_is_validated(tmp_path: Path, lifecycle: str, message: str) -> None:
    assert [found for found, _ in reported(tmp_path, thing(f"lifecycle: {lifecycle}"))] == [message]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("  a: {spec: {}}", "`kind` is missing"),
        ("  a: thing", "`a` must be a map, not text"),
        ("  a: {kind: toy.thing, specs: {name: thing}, spec: {name: thing}}", "`specs` is not a known field"),
        ("  a: {kind: toy.thing, spec: []}", "`spec` must be a map, not a list"),
        ('  a: {kind: toy.fleet, spec: {secret: "env:A"}}', "`spec` must be a map of the kind's fields"),
        (
            "  a: {kind: toy.thing, spec: {secret: yes}}",
            "`yes` is a boolean to some YAML parsers and text to others",
        ),
        ("  a: {kind: [], spec: {}}", "`kind` must be text, not a list"),
    ],
)
def test_resource_entry_is_validated(tmp_path: Path, text: str, message: str) -> None:
    assert reported(tmp_path, text)[0][0] == message


@pytest.mark.parametrize("name", ["var", "each", "1a", "'a b'", "a.b", "x" * 65, "é"])
def test_resource_name_must_be_usable_in_references(tmp_path: Path, name: str) -> None:
    ((message, _),) = reported(tmp_path, f"  {name}: {{kind: toy.thing, spec: {{name: thing}}}}")
    assert message.endswith("cannot be a name")


def test_resources_and_lookups_share_their_names(tmp_path: Path) -> None:
    text = "lookups: {a: {kind: toy.place, where: {name: x}}}\nresources: {a: {kind: toy.thing, spec: {name: thing}}}"
    assert [message for message, _ in reported(tmp_path, text, "")] == ["`a` is already the name of a lookup"]


@pytest.mark.parametrize(
    ("lookups", "messages"),
    [
        ("[]", ["`lookups` must be a map, not a list"]),
        ("{a: {kind: toy.place}}", ["`where` is missing"]),
        ("{a: {kind: toy.place, where: {name: x}, when: true}}", ["`when` is not a known field"]),
        ("{a: {kind: toy.place, where: x}}", ["`where` must be a map, not text"]),
    ],
)
def test_lookup_entry_is_validated(tmp_path: Path, lookups: str, messages: list[str]) -> None:
    assert [message for message, _ in reported(tmp_path, f"lookups: {lookups}\nresources: {{}}", "")] == messages


def test_number_of_resources_is_limited(tmp_path: Path) -> None:
    keys: Any = ", ".join(f"k{number}" for number in range(20_001))
    ((_, message, hint),) = errors(tmp_path, f"resources: {{a: {{kind: toy.fleet, for_each: [{keys}]}}}}")
    assert (message, hint) == ("a blueprint can have at most 20000 resources", "split it into several blueprints")


def test_number_of_after_entries_is_limited(tmp_path: Path) -> None:
    keys = ", ".join(f"k{number}" for number in range(500))
    others = ", ".join(f"j{number}" for number in range(500))
    text = f"""
    resources:
      a: {{kind: toy.fleet, for_each: [{keys}]}}
      b: {{kind: toy.fleet, for_each: [{others}], after: [a]}}
    """
    ((_, message, _),) = errors(tmp_path, text)
    assert message.startswith("the expanded blueprint is too large")
