"""Each rule of the guide: a blueprint that breaks it, the shipped one that keeps it, and the page about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from smplan.guide.constraints import CONSTRAINTS
from smplan.guide.rules import RULES
from tests.guide import rules_page
from tests.guide.guards import BLUEPRINTS, GUARDS, TEMPLATE, Guard, diagnostics, edited, is_of


@pytest.mark.parametrize("guard", GUARDS, ids=lambda each: f"{each.rule} of {each.on}")
def test_a_blueprint_that_breaks_a_rule_is_reported_for_that_rule_alone(guard: Guard) -> None:
    rule = RULES[guard.rule]
    (found,) = diagnostics(guard.broken())
    assert is_of(rule, found)
    assert found.severity == ("warning" if rule.advice else "error")
    assert guard.on in found.path


@pytest.mark.parametrize(
    "guard", [each for each in GUARDS if not RULES[each.rule].refused], ids=lambda each: f"{each.rule} of {each.on}"
)
def test_a_rule_that_is_allowed_is_not_reported(guard: Guard) -> None:
    assert diagnostics(guard.allowed()) == []


@pytest.mark.parametrize("path", sorted(BLUEPRINTS.iterdir()), ids=lambda path: path.name)
def test_the_blueprints_of_the_project_break_no_rule(path: Path) -> None:
    assert diagnostics(path.read_text(encoding="utf-8")) == []


def test_every_rule_has_a_check_and_a_blueprint_that_breaks_it() -> None:
    offline = {rule.id for rule in RULES.values() if not rule.asks_aws}
    assert {each.rule.id for each in CONSTRAINTS} == {guard.rule for guard in GUARDS} == offline
    assert all(rule.source and rule.text.endswith(".") for rule in RULES.values())


@pytest.mark.parametrize(
    ("id", "message", "hint"),
    [
        ("grace-perod", "the guide has no rule `grace-perod` to allow", "did you mean `grace-period`?"),
        ("x", "the guide has no rule `x` to allow", "remove it, and run `smplan validate`"),
        ("two-zones", "AWS refuses what breaks the rule `two-zones`", "remove it"),
    ],
)
def test_a_rule_that_cannot_be_allowed_is_refused(id: str, message: str, hint: str) -> None:
    text = (BLUEPRINTS / TEMPLATE).read_text(encoding="utf-8")
    (found,) = diagnostics(edited(text, (("\n  fleet:\n", f"\n  fleet:\n    lifecycle: {{allow: [{id}]}}\n"),)))
    assert (found.message, found.path[-2:]) == (message, ("allow", 0))
    assert found.hint.startswith(hint)


@pytest.mark.parametrize(
    ("line", "reported"),
    [
        ("systemctl restart --no-block red5pro", []),
        ("systemctl --no-block try-restart red5pro", []),
        ("service red5pro restart", []),
        ("/etc/init.d/red5pro restart", []),
        ("reboot", []),
        ("systemctl stop red5pro", ["address-restart"]),
        ("# systemctl --no-block restart red5pro", ["address-restart"]),
        ("systemctl -q restart red5pro", ["restart-no-block"]),
    ],
)
def test_a_restart_is_recognized_however_it_is_written(line: str, reported: list[str]) -> None:
    text = (BLUEPRINTS / TEMPLATE).read_text(encoding="utf-8")
    found = diagnostics(edited(text, (("systemctl --no-block restart red5pro", line),)))
    assert [rule.id for each in found for rule in RULES.values() if is_of(rule, each)] == reported


def test_the_page_of_rules_is_up_to_date() -> None:
    assert rules_page.PAGE.read_text(encoding="utf-8") == rules_page.text(), "run `make docs`"
