"""From a file to a blueprint: its sections, its digest, files and secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from smplan.blueprint.load import load
from smplan.core.blueprint import BackendConfig, LookupDecl
from smplan.core.values import Interpolation, Ref, Secret
from smplan.errors import BlueprintInvalid
from tests.blueprint.load_case import diagnostics_in, diagnostics_of, errors, loaded, toys, written

WHOLE = """
smplan: 1
name: streammanager
aws: {region: us-east-1, account: "123456789012"}
stream_manager: {url: "https://${record.name}", connect_to: "${record.arn}", access_token: {secret: "env:TOKEN"}}
state: {backend: s3, bucket: fleet-state, key: a/b, region: eu-west-1}
variables:
  count: {type: integer, default: 4}
lookups:
  place: {kind: toy.place, where: {"tag:Name": red5pro, zone: ["a-${var.count}"]}}
resources:
  record: {kind: toy.thing, spec: {name: thing, size: "${var.count}", data: "${place.arn}"}}
outputs: {url: "https://${record.name}", count: "${var.count}", list: [1, {a: "${place.id}"}]}
"""


def test_a_blueprint_is_read_as_it_is_written(tmp_path: Path) -> None:
    blueprint = loaded(tmp_path, WHOLE, head="")
    record = Ref("record", path=("name",))
    assert (blueprint.name, blueprint.region, blueprint.account) == ("streammanager", "us-east-1", "123456789012")
    assert blueprint.stream_manager == {
        "url": Interpolation(("https://", record)),
        "connect_to": Ref("record", path=("arn",)),
        "access_token": Secret("env:TOKEN"),
        "api_version": "4.0",
    }
    assert blueprint.state == BackendConfig("s3", {"bucket": "fleet-state", "key": "a/b", "region": "eu-west-1"})
    assert blueprint.variables == {"count": 4}
    where = {"tag:Name": "red5pro", "zone": ["a-4"]}
    assert blueprint.lookups == (LookupDecl("place", "toy.place", where, ("lookups", "place")),)
    assert [resource.spec for resource in blueprint.resources] == [
        {"name": "thing", "size": 4, "data": Ref("place", path=("arn",))}
    ]
    assert blueprint.outputs == {
        "url": Interpolation(("https://", record)),
        "count": 4,
        "list": [1, {"a": Ref("place", path=("id",))}],
    }
    assert blueprint.file == str(tmp_path / "toy.yaml")
    assert blueprint.source_map.diagnostic(("resources", "record", "kind"), "x").place.endswith("toy.yaml:12:18")


def test_minimal_blueprint_is_valid(tmp_path: Path) -> None:
    blueprint = loaded(tmp_path, "resources: {}")
    assert (blueprint.region, blueprint.account, blueprint.stream_manager) == (None, None, None)
    assert blueprint.state == BackendConfig("local", {})
    assert (blueprint.lookups, blueprint.resources, blueprint.outputs) == ((), (), {})


def test_json_and_yaml_give_the_same_blueprint(tmp_path: Path) -> None:
    value = {
        "$schema": "../schemas/blueprint.schema.json",
        "smplan": 1,
        "name": "toy",
        "resources": {
            "a": {"kind": "toy.thing", "spec": {"name": "thing", "data": "${b.id}", "size": 0}},
            "b": {"kind": "toy.thing", "spec": {"name": "other"}},
        },
    }
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(value, indent=1))
    (diagnostic,) = diagnostics_in(path)
    assert (diagnostic.place, diagnostic.message) == (f"{path}:11:13", "`size` must be at least 1")
    value["resources"]["a"]["spec"]["size"] = 1  # type: ignore[index]  # nested JSON
    path.write_text(json.dumps(value))
    assert load(path, catalogue=toys()).resources[0].spec == {
        "name": "thing",
        "data": Ref("b", path=("id",)),
        "size": 1,
    }


def test_all_errors_are_reported_with_line_and_column(tmp_path: Path) -> None:
    text = """
    smplan: 2
    name: Toy
    aws: {region: us_east, account: 123456789012}
    variables:
      size: {type: integer, default: big}
    resources:
      a: {kind: toy.thin, spec: {}}
      b: {kind: toy.thing, spec: {nam: thing}}
      b: {kind: toy.thing}
      c: {kind: toy.thing, when: yes, spec: {name: thing, data: "${d.arn}"}}
      e: {kind: toy.thing, spec: {name: thing}, after: [f]}
    outptus: {}
    """
    assert errors(tmp_path, text, head="") == [
        ("1:9", "`smplan` must be 1", "Version of the format."),
        (
            "2:7",
            "`name` does not match the pattern ^[a-z0-9-]{1,40}$",
            "Name of the state: a-z, 0-9 and -, at most 40.",
        ),
        ("3:15", "`aws.region` does not match the pattern ^[a-z]{2,}(-[a-z]+)+-[0-9]+$", "Region, such as us-east-1."),
        ("3:33", "`aws.account` must be text, not an integer", "put it in quotes"),
        ("5:34", "this must be an integer, not text", ""),
        ("7:13", "there is no kind `toy.thin`", "did you mean `toy.thing`?"),
        ("8:31", "`nam` is not a known field", "did you mean `name`?"),
        ("9:3", "`b` is given twice", "first given in line 9"),
        (
            "10:30",
            "`yes` is a boolean to some YAML parsers and text to others",
            'quote it: "yes"; or write true or false',
        ),
        ("10:61", "`d` is neither a resource nor a lookup", "one of: a, b, c, e"),
        ("11:53", "there is no resource `f` to come after", ""),
        ("12:1", "`outptus` is not a known field", "did you mean `outputs`?"),
    ]


def test_diagnostic_has_its_source_line_and_exit_code_3(tmp_path: Path) -> None:
    with pytest.raises(BlueprintInvalid) as invalid:
        load(written(tmp_path, "resources: {a: {kind: toy.thin}}"), catalogue=toys())
    (diagnostic,) = invalid.value.diagnostics
    assert diagnostic.source == "resources: {a: {kind: toy.thin}}"
    assert invalid.value.exit_code == 3
    assert str(invalid.value) == "the blueprint has 1 error"


@pytest.mark.parametrize("text", ["", "[]", "text", "5"])
def test_blueprint_must_be_a_map(tmp_path: Path, text: str) -> None:
    (diagnostic,) = diagnostics_of(tmp_path, text, head="")
    assert (diagnostic.message, diagnostic.hint) == ("a blueprint must be a map", "start the file with `smplan: 1`")


def test_syntax_error_at_top_level_is_reported_once(tmp_path: Path) -> None:
    assert [diagnostic.message for diagnostic in diagnostics_of(tmp_path, "*a", head="")] == [
        "aliases are not supported"
    ]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("resources: []", ["`resources` must be a map, not a list"]),
        ("resources:", ["`resources` must be a map, not null"]),
        ("name: x", ["`name` is given twice", "`resources` is missing"]),
        ("resources: {}\nvariables: []", ["`variables` must be a map, not a list"]),
        ("resources: {}\naws: us-east-1", ["`aws` must be a map, not text"]),
        ("resources: {}\naws: {regoin: x}", ["`aws.regoin` is not a known field"]),
        ("resources: {}\nstate: local", ["`state` must be a map, not text"]),
        ("resources: {}\nstate: {backend: gcs}", ["the backend must be one of: local, s3"]),
        ("resources: {}\nstate: {backend: [s3]}", ["the backend must be one of: local, s3"]),
        ("resources: {}\nstate: {backend: yes}", ["`yes` is a boolean to some YAML parsers and text to others"]),
        ("resources: {}\nstate: {bucket: abc}", ["`bucket` is not a known field"]),
        ("resources: {}\nstate: {backend: s3, bucket: A}", ["`key` is missing", "`bucket` does not match the pattern"]),
        ("resources: {}\noutputs: {a b: 1}", ["`a b` cannot be a name"]),
        ("resources: {}\noutputs: []", ["`outputs` must be a map, not a list"]),
        ("resources: {}\nstream_manager: {}", ["`access_token` is missing", "`url` is missing"]),
        ('resources: {}\nstream_manager: {secret: "env:A"}', ["`stream_manager` must be a map"]),
    ],
)
def test_sections_are_validated(tmp_path: Path, text: str, messages: list[str]) -> None:
    found = [diagnostic.message for diagnostic in diagnostics_of(tmp_path, text)]
    assert len(found) == len(messages)
    for message, start in zip(sorted(found), sorted(messages), strict=True):
        assert message.replace("stream_manager.", "").startswith(start)


def test_name_region_account_and_state_may_come_from_variables(tmp_path: Path) -> None:
    text = """
    smplan: 1
    name: "${var.stage}-fleet"
    aws: {region: "${var.region}"}
    state: {backend: local, path: "state/${var.stage}"}
    variables: {stage: {type: string, default: test}, region: {type: string, default: eu-west-1}}
    resources: {}
    """
    blueprint = loaded(tmp_path, text, head="")
    assert (blueprint.name, blueprint.region) == ("test-fleet", "eu-west-1")
    assert blueprint.state == BackendConfig("local", {"path": "state/test"})


def test_name_region_account_and_state_must_be_known_before_planning(tmp_path: Path) -> None:
    text = """
    aws: {region: "${a.id}"}
    state: {backend: local, path: {secret: "env:A"}}
    resources: {a: {kind: toy.thing, spec: {name: thing}}}
    """
    assert errors(tmp_path, text) == [
        ("1:15", "`${a.id}` is not known before planning; this must be", "use a variable"),
        ("2:31", "a secret is not allowed here", ""),
    ]


@pytest.mark.parametrize("token", ["hunter2hunter2", '"${var.token}"', '"${a.id}"', '{file: "token"}'])
def test_token_must_be_a_secret_and_is_never_shown(tmp_path: Path, token: str) -> None:
    (tmp_path / "token").write_text("hunter2hunter2")
    text = f"""
    variables: {{token: {{type: string, default: hunter2hunter2}}}}
    resources: {{a: {{kind: toy.thing, spec: {{name: thing}}}}}}
    stream_manager: {{url: "https://x", access_token: {token}}}
    """
    (diagnostic,) = diagnostics_of(tmp_path, text)
    assert diagnostic.message == "a token must not be written in a blueprint"
    assert "hunter2" not in repr(diagnostic)


def test_stream_manager_allows_a_secret_only_as_token(tmp_path: Path) -> None:
    text = """
    stream_manager: {url: {secret: "env:A"}, access_token: {secret: "ssm:/a/b"}, connect_to: {secret: "env:B"}}
    resources: {}
    """
    assert [(place, message) for place, message, _ in errors(tmp_path, text)] == [
        ("1:23", "a secret is not allowed here"),
        ("1:90", "a secret is not allowed here"),
    ]


def data(folder: Path, value: str) -> Any:
    """What ``value`` becomes as the ``data`` of a thing."""
    text = f"""
    variables:
      role: {{type: string, default: origin}}
      none: {{type: string, default: null}}
      m: {{type: map, default: {{a: 1}}}}
    resources: {{a: {{kind: toy.thing, spec: {{name: thing, data: {value}}}}}}}
    """
    return loaded(folder, text).resources[0].spec["data"]


def error_of(folder: Path, value: str) -> tuple[str, str]:
    """Message and hint of the one diagnostic of ``value`` as the ``data`` of a thing."""
    text = f"""
    variables:
      role: {{type: string, default: origin}}
      none: {{type: string, default: null}}
      m: {{type: map, default: {{a: 1}}}}
    resources: {{a: {{kind: toy.thing, spec: {{name: thing, data: {value}}}}}}}
    """
    (diagnostic,) = diagnostics_of(folder, text)
    return diagnostic.message, diagnostic.hint


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('"${var.role}"', "origin"),
        ('"x-${var.role}"', "x-origin"),
        ('"${var.m}"', {"a": 1}),
        ('"${var.m.a}"', 1),
        ('"${var.none}"', None),
        ('"$${var.role}"', "${var.role}"),
        ('{secret: "env:A", other: 1}', {"secret": "env:A", "other": 1}),
        ("{file: a, other: 1}", {"file": "a", "other": 1}),
    ],
)
def test_variables_are_interpolated(tmp_path: Path, value: str, expected: Any) -> None:
    assert data(tmp_path, value) == expected


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ('"${var.rol}"', "there is no variable `rol`", "did you mean `role`?"),
        ('"${var.m.b}"', "`${var.m.b}` cannot be resolved: there is no `b` in it", ""),
        ('"${var.role[0]}"', "`${var.role[0]}` cannot be resolved: there is no `0` in it", ""),
        ('"x${var.m}"', "`${var.m}` is a map and cannot be part of a text", ""),
        ('"x${var.none}"', "`${var.none}` is a null and cannot be part of a text", ""),
        (
            '"${a"',
            "`${` is opened and never closed; write `$${` for the two characters themselves",
            "close it: `${name.attribute}`",
        ),
        (
            '"${1 + 1}"',
            "`1 + 1` is not a reference",
            "only `${name.attribute}` is supported, no functions or operators: pass the result as a variable",
        ),
        ('{"${var.role}": 1}', "a key cannot contain references", "move the reference into the value"),
        ('{file: "${a.id}"}', "the path of a file must be text known before planning, not a reference", ""),
        ("{file: [a]}", "the path of a file must be text known before planning, not a list", ""),
    ],
)
def test_invalid_interpolations_are_reported(tmp_path: Path, value: str, message: str, hint: str) -> None:
    assert error_of(tmp_path, value) == (message, hint)


def test_reported_values_are_not_reported_again(tmp_path: Path) -> None:
    assert error_of(tmp_path, "{secret: yes}")[0].startswith("`yes` is a boolean")
    assert error_of(tmp_path, "{file: yes}")[0].startswith("`yes` is a boolean")
    assert error_of(tmp_path, '{file: "${var.rol}"}')[0] == "there is no variable `rol`"
    assert error_of(tmp_path, '"${var.rol} ${var.role}"')[0] == "there is no variable `rol`"


@pytest.mark.parametrize("source", ["5", '"env:"', '"vault:a"', '"${a.id}"', "[]"])
def test_invalid_secret_source_is_reported(tmp_path: Path, source: str) -> None:
    expected = ("this is not a source of secrets", "write env:NAME, ssm:/path or secretsmanager:id")
    assert error_of(tmp_path, f"{{secret: {source}}}") == expected


@pytest.mark.parametrize(
    "source", ["env:A_1", "ssm:/a/b.c", "secretsmanager:arn:aws:secretsmanager:eu-west-1:1:secret:a-X"]
)
def test_secret_keeps_its_source(tmp_path: Path, source: str) -> None:
    text = f"""
    variables: {{stage: {{type: string, default: "{source}"}}}}
    resources:
      a: {{kind: toy.thing, spec: {{name: thing, token: {{secret: "{source}"}}}}}}
      b: {{kind: toy.thing, spec: {{name: thing, token: {{secret: "${{var.stage}}"}}}}}}
    """
    assert [resource.spec["token"] for resource in loaded(tmp_path, text).resources] == [Secret(source)] * 2


def test_file_content_is_taken_literally(tmp_path: Path) -> None:
    (tmp_path / "boot").mkdir()
    (tmp_path / "boot" / "origin.sh").write_bytes("#!/bin/sh\r\necho ${var.role} ü\n".encode())
    assert data(tmp_path, '{file: "boot/${var.role}.sh"}') == "#!/bin/sh\r\necho ${var.role} ü\n"
    assert len(set(data(tmp_path, "[{file: boot/origin.sh}, {file: boot/origin.sh}]"))) == 1
    assert data(tmp_path, "{file: ./boot/../boot/origin.sh}") == data(tmp_path, "[{file: boot/origin.sh}]")[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../other.sh", "`../other.sh` is not in the blueprint's folder"),
        ("/etc/hostname", "`/etc/hostname` is not in the blueprint's folder"),
        ("outside", "`outside` is not in the blueprint's folder"),
        ("", "`` is not in the blueprint's folder"),
        ("loop", "`loop` cannot be read: "),
        ("none.sh", "`none.sh` cannot be read: No such file or directory"),
        (".", "`.` is not a file"),
        ("pipe", "`pipe` is not a file"),
        (".env", "`.env` is hidden"),
        ("boot/../.env", "`boot/../.env` is hidden"),
        (".git/config", "`.git/config` is hidden"),
        ("settings", "`settings` is hidden"),
        ("large", "`large` is larger than 64 KiB"),
        ("binary", "`binary` is not UTF-8 text"),
        ("nul", "`nul` contains NUL: it is not text"),
        ("x" * 300, f"`{'x' * 80}…` cannot be read: File name too long"),
    ],
)
def test_included_file_must_be_text_in_the_blueprints_folder(tmp_path: Path, name: str, message: str) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    (tmp_path / "other.sh").touch()
    (folder / "outside").symlink_to(tmp_path / "other.sh")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "large").write_bytes(b"x" * (64 * 1024 + 1))
    (folder / "binary").write_bytes(b"\xff")
    (folder / "nul").write_bytes(b"a\0b")
    os.mkfifo(folder / "pipe")
    (folder / ".env").write_text("PASSWORD=1")
    (folder / "settings").symlink_to(folder / ".env")
    found, hint = error_of(folder, f'{{file: "{name}"}}')
    assert found.startswith(message)
    assert hint == "use a path relative to the blueprint, inside its folder"


def test_the_digest_covers_the_blueprint_its_files_and_its_variables(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_text("one")
    text = """
    variables: {v: {type: integer, default: 1}}
    resources: {a: {kind: toy.thing, spec: {name: thing, data: {file: a.sh}}}}
    """
    first = loaded(tmp_path, text).digest
    assert len(first) == 64
    assert loaded(tmp_path, text).digest == first
    assert loaded(tmp_path, text, variables={"v": "1"}).digest == first
    assert loaded(tmp_path, text, variables={"v": "2"}).digest != first
    assert loaded(tmp_path, text + "# a comment\n").digest != first
    (tmp_path / "a.sh").write_text("two")
    assert loaded(tmp_path, text).digest != first


def test_variables_default_to_the_process_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMPLAN_VAR_v", "7")
    path = written(tmp_path, "variables: {v: {type: integer}}\nresources: {}\n")
    assert load(path, catalogue=toys()).variables == {"v": 7}


def test_number_of_expanded_values_is_limited(tmp_path: Path) -> None:
    many = ", ".join(["a"] * 1000)
    text = f"""
    variables: {{v: {{type: list, default: [{many}]}}}}
    resources: {{a: {{kind: toy.thing, spec: {{name: thing, data: [{", ".join(['"${var.v}"'] * 200)}]}}}}}}
    """
    ((_, message, _),) = errors(tmp_path, text)
    assert message == "the expanded blueprint is too large: more than 150000 values or 16 MiB of text"


def test_size_of_expanded_text_is_limited(tmp_path: Path) -> None:
    text = f"""
    variables: {{v: {{type: string, default: {"a" * 100_000}}}}}
    resources: {{a: {{kind: toy.thing, spec: {{name: thing, data: "{"${var.v}" * 200}"}}}}}}
    """
    ((_, message, _),) = errors(tmp_path, text)
    assert message.startswith("the expanded blueprint is too large")
