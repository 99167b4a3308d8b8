"""The order of steps, with reasons and sources, in the plan and in the graph."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.conftest import CliSandbox, staged

GUIDE = "Red5 Pro guide: Autoscaling Stream Manager on AWS"
BLUEPRINTS = ("stream-manager.yaml", "stream-manager-launch-configuration.yaml", "stream-manager.json")
RULED = (
    ("database_access:create", "fleet:create", "3306"),
    ("http:create", "fleet:create", "listener"),
    ("https:create", "fleet:create", "listener"),
    ("http:create", "healthy:gate", "listener"),
    ("https:create", "healthy:gate", "listener"),
    ("healthy:gate", "scale_policy:create", "healthy"),
    ("healthy:gate", "launch_config:create", "healthy"),
    ("healthy:gate", "node_group:create", "healthy"),
    ("scale_out:create", "node_group:create", "last"),
    ("scale_out_alarm:create", "node_group:create", "last"),
    ("notification:create", "node_group:create", "last"),
)
"""What no reference says, but the field's own rules do: the step before, the step after, a word of the reason."""
WORD = re.compile(r"[^\s{}\[\],]+")
KINDS = {
    "database_access": "aws.ec2.security_group_rule",
    "http": "aws.elbv2.listener",
    "https": "aws.elbv2.listener",
    "fleet": "aws.autoscaling.group",
    "healthy": "gate.targets_healthy",
    "node_group": "red5.nodegroup",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CliSandbox]:
    """One sandbox for all: nothing is ever made in it."""
    with staged(tmp_path_factory.mktemp("order")) as found:
        yield found


@pytest.fixture(scope="module", params=BLUEPRINTS)
def steps(place: CliSandbox, request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    """The steps of a plan from nothing."""
    plan = json.loads(place.done("plan", place.blueprint(request.param), "--json").stdout)
    found: list[dict[str, Any]] = plan["steps"]
    return found


def needs(steps: list[dict[str, Any]], id: str) -> dict[str, dict[str, str]]:
    return {need["step"]: need for step in steps if step["id"] == id for need in step["depends_on"]}


@pytest.mark.parametrize(("before", "after", "word"), RULED)
def test_ordering_rules_are_planned_with_reason_and_source(
    steps: list[dict[str, Any]], before: str, after: str, word: str
) -> None:
    ids = [step["id"] for step in steps]
    assert ids.index(before) < ids.index(after)
    need = needs(steps, after)[before]
    assert word in need["reason"]
    assert need["source"].startswith(GUIDE)


def test_the_node_group_is_last_and_waits_for_all_others(steps: list[dict[str, Any]]) -> None:
    assert steps[-1]["id"] == "node_group:create"
    before: set[str] = set()
    waiting = ["node_group:create"]
    while waiting:
        found = set(needs(steps, waiting.pop())) - before
        before |= found
        waiting += found
    assert before == {step["id"] for step in steps[:-1]}


def test_no_step_comes_before_what_it_needs(steps: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for step in steps:
        assert {need["step"] for need in step["depends_on"]} <= seen, step["id"]
        assert all(need["reason"] for need in step["depends_on"]), step["id"]
        seen.add(step["id"])


def test_the_plan_as_text_shows_the_same(place: CliSandbox) -> None:
    text = place.done("plan", place.blueprint()).stdout
    fleet = text.split("+ fleet ")[1].split("\n\n")[0]
    for before in ("database_access", "http", "https"):
        assert f"after {before}:create: " in fleet
    assert GUIDE in fleet
    shown = place.done("show").stdout
    assert [line for line in shown.splitlines() if line.startswith("    after ")] == [
        line for line in text.splitlines() if line.startswith("    after ")
    ]
    assert sorted(WORD.findall(shown)) == sorted(WORD.findall(text)), "attributes may come in another order"


@pytest.fixture(scope="module")
def drawn(place: CliSandbox) -> dict[str, subprocess.CompletedProcess[str]]:
    return {each: place.done("graph", place.blueprint(), "--format", each) for each in ("mermaid", "dot")}


@pytest.mark.parametrize("address", KINDS)
@pytest.mark.parametrize("language", ["mermaid", "dot"])
def test_the_graph_names_each_and_its_kind(
    drawn: dict[str, subprocess.CompletedProcess[str]], language: str, address: str
) -> None:
    labels = [line for line in drawn[language].stdout.splitlines() if KINDS[address] in line and "-->" not in line]
    assert any(f'"{address}' in line for line in labels), labels


def test_the_graph_in_dot_draws_the_rules_with_their_reasons(
    drawn: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    lines = drawn["dot"].stdout.splitlines()
    for before, after, word in RULED:
        edge = f'"{before.split(":")[0]}" -> "{after.split(":")[0]}"'
        assert any(edge in line and word in line and "bold" in line for line in lines), edge


def test_the_graph_in_mermaid_draws_the_rules_with_their_reasons(
    drawn: dict[str, subprocess.CompletedProcess[str]],
) -> None:
    lines = [line.strip() for line in drawn["mermaid"].stdout.splitlines()]
    nodes = {}
    for line in lines:
        name, bracket, label = line.partition('["')
        if bracket:
            nodes[label.split("<")[0].split('"')[0]] = name
    for before, after, word in RULED:
        ends = nodes[before.split(":")[0]], nodes[after.split(":")[0]]
        assert any(line.startswith(f"{ends[0]} ==") and line.endswith(f" {ends[1]}") and word in line for line in lines)
