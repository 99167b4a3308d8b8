"""``lifecycle`` and ``moved``: what a blueprint says of owners and addresses."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplan.blueprint.load import load
from smplan.core.blueprint import Blueprint, Moved
from smplan.drivers import registry
from smplan.errors import BlueprintInvalid

HEAD = "smplan: 1\nname: toy\nresources:\n"


def loaded(folder: Path, text: str) -> Blueprint:
    path = folder / "toy.yaml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load(path, catalogue=registry.catalogue(), environ={})


def errors(folder: Path, text: str) -> list[str]:
    with pytest.raises(BlueprintInvalid) as caught:
        loaded(folder, text)
    return [each.message for each in caught.value.diagnostics]


def topic(lifecycle: str) -> str:
    return f"  a: {{kind: aws.sns.topic, spec: {{name: a}}, lifecycle: {lifecycle}}}\n"


def test_adopt_may_name_the_owner(tmp_path: Path) -> None:
    assert loaded(tmp_path, topic("{adopt: true}")).resources[0].lifecycle.adopt_from == ""
    lifecycle = loaded(tmp_path, topic("{adopt: {from: 0b0e/a}}")).resources[0].lifecycle
    assert (lifecycle.adopt, lifecycle.adopt_from) == (True, "0b0e/a")
    assert errors(tmp_path, topic("{adopt: {from: 0b0e}}")) == ["`adopt` must name the owner"]


def test_keep_excludes_adopt(tmp_path: Path) -> None:
    assert loaded(tmp_path, topic("{keep: true}")).resources[0].lifecycle.keep
    assert "exclude each other" in errors(tmp_path, topic("{keep: true, adopt: true}"))[0]


def image(lifecycle: str) -> str:
    return (
        f"  a: {{kind: aws.ec2.image, spec: {{name: sm-1, instance_id: i-1, reboot: false}}, lifecycle: {lifecycle}}}\n"
    )


def test_generations_are_kept_of_what_does_nothing_by_itself(tmp_path: Path) -> None:
    assert loaded(tmp_path, image("{keep_generations: 2}")).resources[0].lifecycle.keep_generations == 2
    assert loaded(tmp_path, topic("{keep_generations: 0}")).resources[0].lifecycle.keep_generations == 0
    assert errors(tmp_path, topic("{keep_generations: 1}")) == [
        "no replaced aws.sns.topic can be kept: it would go on working beside the new one"
    ]
    assert errors(tmp_path, image("{keep_generations: -1}")) == ["`keep_generations` must be at least 0"]
    assert errors(tmp_path, image("{keep_generations: true}")) == [
        "`keep_generations` must be an integer, not true or false"
    ]
    assert "exclude each other" in errors(tmp_path, image("{keep_generations: 1, keep: true}"))[0]
    values = "variables: {most: {type: string, default: x}}\n"
    assert len(errors(tmp_path, image('{keep_generations: "${var.most}"}') + values)) == 1


def test_moved_names_addresses(tmp_path: Path) -> None:
    text = topic("{}") + "moved:\n  - {from: b, to: a}\n  - {from: 'x[\"k\"]', to: a}\n"
    assert loaded(tmp_path, text).moved == (Moved("b", "a", ("moved", 0)), Moved('x["k"]', "a", ("moved", 1)))


@pytest.mark.parametrize("entry", ["{from: b}", "{to: a}", "{from: b.id, to: a}", "{from: 'x[each.key]', to: a}"])
def test_moved_without_two_addresses_is_an_error(tmp_path: Path, entry: str) -> None:
    assert "must be an address" in errors(tmp_path, topic("{}") + f"moved: [{entry}]\n")[0]


def test_two_addresses_of_one_resource_are_an_error(tmp_path: Path) -> None:
    two = topic("{}") + "  b: {kind: aws.sns.topic, spec: {name: a}}\n"
    assert errors(tmp_path, two) == ['b and a are the same aws.sns.topic: {"name":"a"}']


def test_equal_references_make_resources_equal(tmp_path: Path) -> None:
    subscription = (
        "kind: aws.sns.subscription, spec: {topic_arn: '${a.arn}', protocol: https, endpoint: 'https://x.example/'}"
    )
    two = topic("{}") + f"  s: {{{subscription}}}\n  t: {{{subscription}}}\n"
    assert errors(tmp_path, two)[0].startswith("t and s are the same aws.sns.subscription")


def test_wrong_specs_are_not_compared(tmp_path: Path) -> None:
    two = "".join(f"  {name}: {{kind: aws.sns.topic, spec: {{name: [1]}}}}\n" for name in "ab")
    assert not any("the same" in each for each in errors(tmp_path, two))
