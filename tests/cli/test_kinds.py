"""``smplan kinds`` and ``schema``."""

from __future__ import annotations

import json

import pytest

from smplan.drivers import registry
from smplan.render.schema import generate
from tests.cli.conftest import Shell

KINDS = sorted({*registry.drivers(), *registry.lookups()})


def test_every_kind_is_listed(smplan: Shell) -> None:
    done = smplan.ok("kinds")
    assert [line.split()[0] for line in done.out.splitlines()] == KINDS
    assert "aws.ec2.vpc" in done.out
    assert "(lookup) " in done.out
    assert registry.driver("core.value") is not None
    assert done.err == "\nNext: smplan kinds KIND   # its fields and outputs\n"


def test_every_kind_can_be_shown(smplan: Shell) -> None:
    for each in KINDS:
        assert smplan.ok("kinds", each).out.startswith(f"{each}\n")


def test_a_kind_is_shown_with_its_fields_and_outputs(smplan: Shell) -> None:
    shown = smplan.ok("kinds", "aws.ec2.image").out
    for part in ("\nspec:\n", "  reboot (initial, required)\n", "\noutputs:\n", "\nwhere (lookup):\n"):
        assert part in shown


def test_a_field_is_shown_with_type_limits_default_and_what_is_inside(smplan: Shell) -> None:
    shown = smplan.ok("kinds", "aws.autoscaling.group").out
    for part in (
        "      integer, at least 0; default 300\n",
        '      string, 1 to 32 characters, pattern ^(EC2|EBS|ELB)(,(EC2|EBS|ELB))*$; default "ELB"\n',
        "  launch_template.id (required)\n      string, pattern ^lt-\n",
        "      Takes the ARN of a target group: aws.elbv2.target_group.arn, aws.elbv2.target_group.id.\n",
    ):
        assert part in shown
    rows = {row["path"]: row for row in smplan.ok("kinds", "aws.autoscaling.group", "--json").data["fields"]}
    assert rows["launch_template.id"]["required"] is True
    assert rows["name"]["traits"] == ["immutable"]


def test_kinds_as_json_are_json_alone(smplan: Shell) -> None:
    done = smplan.ok("kinds", "--json")
    assert done.err == ""
    found = {each["kind"]: each for each in done.data}
    assert found["core.value"]["spec"]["properties"].keys() == {"input"}
    assert found["core.value"]["lookup"] is None
    assert found["aws.ec2.vpc"]["spec"] is None
    assert "id" in found["aws.ec2.vpc"]["lookup"]["outputs"]
    assert smplan.ok("kinds", "core.value", "--json").data == found["core.value"]


@pytest.mark.parametrize("command", ["kinds", "schema"])
@pytest.mark.parametrize(
    ("kind", "hint"), [("core.valu", "did you mean `core.value`?"), ("zzz", "list them with `smplan kinds`")]
)
def test_unknown_kind_is_reported_with_the_nearest_one(smplan: Shell, command: str, kind: str, hint: str) -> None:
    done = smplan(command, kind)
    assert (done.code, done.err) == (1, f"error: there is no kind `{kind}`\n  = {hint}\n")


def test_schemas_are_printed(smplan: Shell) -> None:
    assert smplan.ok("schema").out == generate(registry.drivers(), registry.lookups())["blueprint.schema.json"]
    assert smplan.ok("schema", "core.value").data["title"] == "core.value"


def test_every_kind_has_a_schema(smplan: Shell) -> None:
    for each in KINDS:
        json.loads(smplan.ok("schema", each).out)


def test_schemas_are_written_and_stale_ones_removed(smplan: Shell) -> None:
    folder = smplan.folder / "made"
    (folder / "kinds").mkdir(parents=True)
    stale = folder / "kinds" / "gone.schema.json"
    foreign = [folder / "mine.schema.json", folder / "kinds" / "notes.txt"]
    for path in (stale, *foreign):
        path.write_text("{}")
    smplan.ok("schema", "--write", "made")
    assert not stale.exists()
    assert all(path.exists() for path in foreign)
    made = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.schema.json")}
    assert made == generate(registry.drivers(), registry.lookups()) | {"mine.schema.json": "{}"}
