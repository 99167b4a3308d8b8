"""``smplan scale``: which groups, which size, and what is only saved."""

from __future__ import annotations

import pytest

from smplan.cli import wiring
from smplan.core.plan.model import Plan, from_text
from tests.cli.conftest import Shell

GROUP = """
  {name}:
    kind: aws.autoscaling.group
    spec:
      {{name: {name}, launch_configuration: c, min_size: 1, max_size: 2, subnet_ids: [subnet-11111111]}}
"""
HEAD = "smplan: 1\nname: toy\naws: {region: us-east-1}\nresources:"


@pytest.mark.parametrize("to", ["-1", "many", "1.5", "²", ""])
def test_a_size_is_a_number_or_that_of_the_blueprint(smplan: Shell, to: str) -> None:
    done = smplan("scale", "toy.yaml", f"--to={to}")
    assert done.code == 1
    assert f"`{to}` is neither a number of instances nor `blueprint`" in done.err


def test_the_size_is_required(smplan: Shell) -> None:
    assert "Missing option '--to'" in smplan("scale", "toy.yaml").err


def test_a_blueprint_without_groups_has_nothing_to_scale(smplan: Shell) -> None:
    assert "the blueprint has no scaling group" in smplan("scale", "toy.yaml", "--to", 0).err


def test_one_of_several_groups_must_be_chosen(smplan: Shell) -> None:
    smplan.write("two.yaml", HEAD + GROUP.format(name="blue") + GROUP.format(name="green"))
    refused = smplan("scale", "two.yaml", "--to", 0)
    assert "the blueprint has 2 scaling groups" in refused.err
    assert "name those to scale: its scaling groups are blue, green" in refused.err
    unknown = smplan("scale", "two.yaml", "bleu", "--to", 0)
    assert "`bleu` is no scaling group of the blueprint" in unknown.err
    assert "did you mean `blue`" in unknown.err


def test_the_plan_is_only_saved_where_a_file_is_named(smplan: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    smplan.write("one.yaml", HEAD + GROUP.format(name="blue"))
    smplan.ok("plan", "toy.yaml", "--out", "made.json")
    made = from_text((smplan.folder / "made.json").read_text())
    asked: list[dict[str, int | None]] = []

    def plan_scale(_: object, sizes: dict[str, int | None]) -> Plan:
        asked.append(sizes)
        return made

    monkeypatch.setattr(wiring, "plan_scale", plan_scale)
    done = smplan.ok("scale", "one.yaml", "--to", "blueprint", "--out", "scale.json")
    assert "to create" in done.out
    assert done.err == "\nNext: smplan apply scale.json\n"
    as_json = smplan.ok("scale", "one.yaml", "blue", "--to", 2, "--out", "scale.json", "--json")
    assert as_json.data["id"] == made.id
    assert asked == [{"blue": None}, {"blue": 2}]
    assert "cannot prompt" in smplan("scale", "one.yaml", "--to", 0).err
