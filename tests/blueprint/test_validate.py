"""Whether a blueprint makes sense: kinds, fields, references."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.blueprint.load_case import diagnostics_of, errors, loaded

ONLY_CREATED = "toy.thing can only be created: declare it under `resources`"
HIDDEN = "use secrets only in fields marked sensitive: `smplan kinds KIND` lists them"


def test_unknown_kind_is_reported_with_the_nearest_one(tmp_path: Path) -> None:
    text = """
    resources:
      a: {kind: toy.thin}
      b: {kind: toy.place}
      c: {kind: "no kind"}
    lookups:
      d: {kind: toy.plac, where: {}}
      e: {kind: toy.thing, where: {}}
    """
    assert errors(tmp_path, text) == [
        ("2:13", "there is no kind `toy.thin`", "did you mean `toy.thing`?"),
        ("3:13", "there is no kind `toy.place`", "toy.place can only be looked up: declare it under `lookups`"),
        ("4:13", "there is no kind `no kind`", ""),
        ("6:13", "nothing of kind `toy.plac` can be looked up", "did you mean `toy.place`?"),
        ("7:13", "nothing of kind `toy.thing` can be looked up", ONLY_CREATED),
    ]


def test_malformed_kind_is_not_searched_for(tmp_path: Path) -> None:
    (diagnostic,) = diagnostics_of(tmp_path, f"resources: {{a: {{kind: toy.{'x' * 200}}}}}")
    assert diagnostic.message.startswith("there is no kind `toy.xxx")


def test_a_lookup_takes_only_the_keys_of_its_kind(tmp_path: Path) -> None:
    text = """
    resources: {}
    lookups:
      a: {kind: toy.place, where: {nmae: x, "tag:Name": v, zone: [a, b]}}
      b: {kind: toy.both, where: {"tag:Name": v, name: {secret: "env:A"}}}
    """
    assert errors(tmp_path, text) == [
        ("3:32", "toy.place cannot be looked up by `nmae`", "did you mean `name`?"),
        ("4:31", "toy.both cannot be looked up by `tag:Name`", "did you mean `name`?"),
        ("4:52", "a secret is not allowed here: the plan would show it", ""),
    ]


def test_a_lookup_may_refer_to_lookups_only(tmp_path: Path) -> None:
    text = """
    resources:
      r: {kind: toy.thing, spec: {name: thing}}
    lookups:
      a: {kind: toy.place, where: {name: "${r.id}"}}
      b: {kind: toy.place, where: {name: "${a.id}-${a.arm}", zone: "${c.id}"}}
    """
    assert errors(tmp_path, text) == [
        (
            "4:38",
            "a lookup is made while planning, before `r` exists",
            "look it up by a known value, or refer to the resource itself",
        ),
        ("5:38", "`a` (toy.place) has no `arm`", "did you mean `arn`?"),
        ("5:64", "`c` is neither a resource nor a lookup", "one of: a, b, r"),
    ]


def test_lookup_cycle_is_reported(tmp_path: Path) -> None:
    text = """
    resources: {}
    lookups:
      a: {kind: toy.place, where: {name: "${b.id}"}}
      b: {kind: toy.place, where: {name: "${a.id}"}}
      c: {kind: toy.place, where: {name: "${b.id}"}}
    """
    ((_, message, hint),) = errors(tmp_path, text)
    assert message.startswith("lookups depend on each other in a cycle: `")
    assert "`a` needs `b`" in message
    assert hint == "look one of them up by a known value"


def test_chain_of_lookups_is_not_a_cycle(tmp_path: Path) -> None:
    rows = [f"      l{n}: {{kind: toy.place, where: {{name: '${{l{n - 1}.id}}'}}}}" for n in range(1, 3000)]
    text = "resources: {}\nlookups:\n      l0: {kind: toy.place, where: {name: x}}\n" + "\n".join(rows)
    assert len(loaded(tmp_path, text).lookups) == 3000


def test_red5_kinds_need_a_stream_manager(tmp_path: Path) -> None:
    text = "resources: {a: {kind: toy.fleet}}\n"
    assert [diagnostic.message for diagnostic in diagnostics_of(tmp_path, text)] == [
        "toy.fleet needs a Stream Manager, and `stream_manager` is missing"
    ]
    there = 'stream_manager: {url: "https://x", access_token: {secret: "env:T"}}\n'
    assert loaded(tmp_path, text + there).stream_manager


def test_spec_errors_are_reported_at_their_position(tmp_path: Path) -> None:
    text = """
    resources:
      a:
        kind: toy.thing
        spec: {name: thing, part: {role: x, limit: 0}, sise: 1}
      b:
        kind: toy.thing
        spec: {size: 1}
      c: {kind: toy.thing}
    """
    assert errors(tmp_path, text) == [
        ("4:48", "`part.limit` must be at least 1", "How many."),
        ("4:52", "`sise` is not a known field", "did you mean `size`?"),
        ("7:5", "`name` is missing", "add it: Its name."),
        ("8:6", "`name` is missing", "add it: Its name."),
    ]


def test_a_line_that_may_hold_a_secret_is_not_shown(tmp_path: Path) -> None:
    text = "resources: {a: {kind: toy.thing, spec: {name: thing, token: very-very-long-and-secret}}}"
    (diagnostic,) = diagnostics_of(tmp_path, text)
    assert (diagnostic.message, diagnostic.source, diagnostic.line) == (
        "`token` must have at most 20 characters",
        "",
        3,
    )


def test_secrets_are_allowed_only_in_sensitive_fields(tmp_path: Path) -> None:
    text = """
    resources:
      a:
        kind: toy.thing
        spec: {name: {secret: "env:A"}, token: {secret: "env:B"}, parts: [{role: x, key: {secret: "ssm:/a"}}]}
      b:
        kind: toy.thing
        spec: {name: thing, data: [{secret: "env:A"}]}
    outputs: {o: {secret: "env:A"}}
    """
    assert errors(tmp_path, text) == [
        ("4:18", "a secret is not allowed in `name`: everyone who can read the resource would see it", HIDDEN),
        ("7:32", "a secret is not allowed in `data[0]`: everyone who can read the resource would see it", HIDDEN),
        ("8:14", "a secret is not allowed in an output: it would be shown", ""),
    ]


def test_references_must_name_existing_attributes(tmp_path: Path) -> None:
    text = """
    lookups:
      place: {kind: toy.place, where: {name: x}}
    resources:
      thing: {kind: toy.thing, spec: {name: thing, size: 3, tags: {a: b}}}
      many: {kind: toy.thing, for_each: [blue, green], spec: {name: "${each.key}"}}
      none: {kind: toy.thing, for_each: [], spec: {name: thing}}
      a: {kind: toy.thing, spec: {name: thing, data: ["${thing.arn}${thing.id}", "${place.id}", "${thing.size}"]}}
      b: {kind: toy.thing, spec: {name: thing, data: "${thng.arn}"}}
      c: {kind: toy.thing, spec: {name: thing, data: "${thing.arm}"}}
      d: {kind: toy.thing, spec: {name: thing, data: "${thing}"}}
      e: {kind: toy.thing, spec: {name: thing, data: "${many.arn}"}}
      f: {kind: toy.thing, spec: {name: thing, data: '${many["bleu"].arn}'}}
      g: {kind: toy.thing, spec: {name: thing, data: '${thing["blue"].arn}'}}
      h: {kind: toy.thing, spec: {name: thing, data: "${place.zone}"}}
      i: {kind: toy.thing, spec: {name: thing, data: "${thing.tags.c} ${thing.tags.a} ${thing.arn.x}"}}
      j: {kind: toy.thing, spec: {name: thing, data: "${none.arn}"}}
      k: {kind: toy.thing, spec: {name: thing, data: ['${many["blue"].arn}', "${thing.mode}", "${place.list[0].x}"]}}
    outputs:
      o: "${thing.naem}"
    """
    some = '`${many["blue"].arn}`, or inside a `for_each` `${many[each.key].arn}`'
    none = '`${none["key"].arn}`, or inside a `for_each` `${none[each.key].arn}`'
    assert errors(tmp_path, text) == [
        ("8:50", "`thng` is neither a resource nor a lookup", "did you mean `thing`?"),
        ("9:50", "`thing` (toy.thing) has no `arm`", "did you mean `arn`?"),
        ("10:50", "`${thing}` does not name an attribute of `thing`", "for example `${thing.id}`"),
        ("11:50", "`many` has one instance per key: choose one", f"write {some}"),
        ("12:50", "`many` has no instance `bleu`", "did you mean `blue`?"),
        ("13:50", "`thing` has no instances: it has no `for_each`", "write `${thing.arn}`"),
        ("14:50", "`place` (toy.place) has no `zone`", "one of: arn, id, list"),
        ("15:50", "`thing.tags.c` cannot be resolved: there is no `c`", ""),
        ("16:50", "`none` has one instance per key: choose one", f"write {none}"),
        (
            "17:74",
            "`${thing.mode}` has no value: `thing` leaves out `mode`",
            "set `mode` of `thing`, or write the value here",
        ),
        ("19:6", "`thing` (toy.thing) has no `naem`", "did you mean `name`?"),
    ]


def test_output_takes_precedence_over_field_of_the_same_name(tmp_path: Path) -> None:
    text = """
    resources:
      a: {kind: toy.both, spec: {name: thing, size: 3}}
      b: {kind: toy.thing, spec: {name: thing, data: "${a.size.deeper}"}}
    """
    assert len(loaded(tmp_path, text).resources) == 2


def test_references_of_stream_manager_are_checked(tmp_path: Path) -> None:
    text = """
    stream_manager: {url: "https://${recrd.name}", access_token: {secret: "env:T"}}
    resources:
      record: {kind: toy.thing, spec: {name: thing}}
    """
    assert errors(tmp_path, text) == [("1:23", "`recrd` is neither a resource nor a lookup", "did you mean `record`?")]


def test_disabled_resource_cannot_be_referenced(tmp_path: Path) -> None:
    text = """
    resources:
      gone: {kind: toy.thing, when: false, spec: {name: thing}}
      half: {kind: toy.thing, for_each: {a: true, b: false}, when: "${each.value}", spec: {name: thing}}
      x: {kind: toy.thing, spec: {name: thing, data: "${gone.arn}"}}
      z: {kind: toy.thing, spec: {name: thing, data: ['${half["a"].arn}', '${half["b"].arn}']}}
    outputs: {gone: "${gone.arn}", there: "${x.arn}"}
    """
    hint = "give both the same `when`, or remove the reference"
    assert errors(tmp_path, text) == [
        ("4:50", "`gone` does not exist: its `when` is false", hint),
        ("5:71", '`half["b"]` does not exist: its `when` is false', hint),
    ]


def test_output_of_disabled_resource_is_left_out(tmp_path: Path) -> None:
    text = """
    resources:
      gone: {kind: toy.thing, when: false, spec: {name: thing}}
      there: {kind: toy.thing, spec: {name: thing}}
    outputs: {gone: "x-${gone.arn}", there: "${there.arn}"}
    """
    assert list(loaded(tmp_path, text).outputs) == ["there"]


def test_only_existing_fields_can_be_ignored(tmp_path: Path) -> None:
    text = """
    resources:
      a: {kind: toy.thing, spec: {name: thing}, lifecycle: {ignore: [tags.smplan.x, size, sise.x]}}
    """
    assert errors(tmp_path, text) == [("2:87", "toy.thing has no field `sise` to ignore", "did you mean `size`?")]


def test_references_to_invalid_resources_are_not_reported(tmp_path: Path) -> None:
    text = """
    lookups:
      l: {kind: toy.plac, where: {name: x}}
      m: {where: {name: x}}
    resources:
      a: {kind: toy.thin}
      b: {kind: toy.thing, spec: {name: thing, data: "${a.whatever} ${l.whatever} ${m.whatever} ${c.whatever}"}}
      c: {spec: {}}
    """
    assert [message for _, message, _ in errors(tmp_path, text)] == [
        "nothing of kind `toy.plac` can be looked up",
        "`kind` is missing",
        "there is no kind `toy.thin`",
        "`kind` is missing",
    ]


@pytest.mark.parametrize("count", [3, 10_000])
def test_error_shared_by_instances_is_reported_once(tmp_path: Path, count: int) -> None:
    keys = ", ".join(f"k{number}" for number in range(count))
    text = f"resources: {{a: {{kind: toy.thing, for_each: [{keys}], spec: {{name: thing, size: 0}}}}}}"
    assert len(diagnostics_of(tmp_path, text)) == 1


def test_a_secret_of_another_resource_is_taken_by_sensitive_fields_only(tmp_path: Path) -> None:
    text = """
    resources:
      a: {kind: toy.thing, spec: {name: thing, token: {secret: "env:A"}}}
      b: {kind: toy.thing, spec: {name: other, token: "${a.token}"}}
      c: {kind: toy.thing, spec: {name: third, data: "${a.token}"}}
    """
    assert errors(tmp_path, text) == [
        ("4:50", "`${a.token}` is a secret, and this would show it", "refer to the secret itself: {secret: …}")
    ]


def test_a_field_of_another_level_of_the_spec_is_suggested_there(tmp_path: Path) -> None:
    text = """
    resources:
      a: {kind: toy.thing, spec: {name: thing, role: x, part: {role: x, weight: 1}}}
    """
    assert [hint for _, _, hint in errors(tmp_path, text)] == [
        "write it in `parts`",
        "write it beside `part`, not in it",
    ]
