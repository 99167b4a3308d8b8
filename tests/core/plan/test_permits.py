"""What is protected or cannot be read: refused together, and permitted by `--unprotect` and `--abandon`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from smplan.core.plan.changes import ChangeSet, Violation
from smplan.core.plan.model import Op
from smplan.core.plan.observed import Hidden
from smplan.core.risk import Category, Risk
from smplan.core.state.model import State
from smplan.errors import GuardRefused
from tests.core.plan.scenario import LINEAGE, Have, Planned, created, deposed, have, observed, pending, planned, want

LOCKED: Mapping[str, Any] = {"outputs": {"locked": True}}


def refusal(plan: Planned, command: str = "smplan destroy toys.yaml") -> tuple[list[str], str]:
    """The messages and the hint."""
    with pytest.raises(GuardRefused) as caught:
        plan.changes.raise_if_refused(command)
    return caught.value.message.splitlines(), caught.value.hint


# Protection.


def test_everything_protected_or_unreadable_is_named_at_once_with_the_command_that_permits_it() -> None:
    existing = [
        have("a", **LOCKED),
        have("b", prevent_destroy=True),
        have('c["x"]', "remote", after=["a"], prevent_destroy=True, **LOCKED),
        have("d"),
    ]
    messages, hint = refusal(planned([], existing, destroy=True, unreadable={'c["x"]': "down"}))
    assert messages == [
        "a (id-a) would be deleted and has a lock",
        "b would be deleted and is protected by `prevent_destroy`",
        'c["x"] cannot be deleted: it is not readable now, down',
    ]
    command = "smplan destroy toys.yaml --unprotect a --unprotect b --abandon 'c[\"x\"]'"
    assert hint.endswith(f": `{command}`")
    planned(
        [], existing, destroy=True, unreadable={'c["x"]': "down"}, unprotect=["a", "b"], abandon=['c["x"]']
    ).changes.raise_if_refused()


def test_a_protection_is_removed_by_a_step_of_its_own_before_the_delete() -> None:
    plan = planned([], [have("a", **LOCKED), have("b", after=["a"])], destroy=True, unprotect=["a"])
    assert plan.story == [
        "b:delete#1",
        "a:unprotect#1 after b:delete#1",
        "a:delete#1 after b:delete#1, a:unprotect#1",
    ]
    step = plan["a:unprotect#1"]
    assert (step.op, step.after, step.physical_id) == (Op.UNPROTECT, None, "id-a")
    assert step.risks == (Risk(Category.PROTECTION, "without a lock, anything may delete id-a"),)
    assert len(step.precondition) == 64
    assert plan["a:delete#1"].precondition == ""
    assert plan["b:delete#1"].precondition


def test_prevent_destroy_needs_the_permission_and_no_step() -> None:
    for wants, existing in (
        ([], have("a", prevent_destroy=True)),
        ([want("a", zone="y")], have("a", zone="x", prevent_destroy=True)),
    ):
        plan = planned(wants, [existing], unprotect=["a"])
        plan.changes.raise_if_refused()
        assert "`prevent_destroy` protects it" in plan["a:delete#1"].risks[-1].reason
        assert not [step for step in plan.steps if step.op is Op.UNPROTECT]


def test_the_protection_of_a_replaced_generation_is_found_and_removed() -> None:
    wants, existing = [want("a", zone="y")], [have("a", zone="x", **LOCKED)]
    messages, hint = refusal(planned(wants, existing), "smplan plan toys.yaml")
    assert messages == ["a (id-a) would be deleted and has a lock"]
    assert "`smplan plan toys.yaml --unprotect a`" in hint
    plan = planned(wants, existing, unprotect=["a"])
    assert list(plan.ops) == ["a:replace", "a:unprotect#1", "a:delete#1"]


def test_a_resource_that_is_not_protected_is_deleted_in_one_step_also_where_that_is_permitted() -> None:
    assert planned([], [have("a", outputs={"locked": False})], destroy=True, unprotect=["a"]).story == ["a:delete#1"]


def test_the_protection_of_an_older_generation_that_was_read_is_found() -> None:
    plan = planned([want("a")], [have("a")], deposed=[deposed("a", outputs={"locked": True})])
    assert plan.story == ["a:delete#1"]  # what was read says that nothing protects it
    old = replace(deposed("a"), prevent_destroy=True)
    messages, hint = refusal(planned([want("a")], [have("a", generation=2)], deposed=[old]))
    assert messages == ["a would be deleted and is protected by `prevent_destroy`"]
    assert "--unprotect a" in hint


# Abandoning.


def test_what_is_abandoned_is_forgotten_and_the_risk_says_what_it_goes_on_doing() -> None:
    plan = planned([], [have("a", **LOCKED, prevent_destroy=True), have("b", after=["a"])], destroy=True, abandon=["a"])
    plan.changes.raise_if_refused()
    step = plan["a:abandon#1"]
    assert (step.op, step.depends_on) == (Op.FORGET, ())
    assert step.reasons == ("everything is destroyed", "it is abandoned: forgotten, and not deleted")
    assert [str(risk) for risk in step.risks] == [
        "left behind: nothing deletes thing id-a any more: it continues to cost"
    ]
    assert plan.ops["b:delete#1"] == "delete"


def test_what_the_blueprint_has_is_not_abandoned() -> None:
    messages, hint = refusal(planned([want("a")], [have("a")], abandon=["a"]))
    assert messages == ["a cannot be abandoned: the blueprint has it, so remove it from the blueprint first"]
    assert hint == ""


def test_the_old_generation_of_a_replaced_resource_can_be_abandoned() -> None:
    plan = planned([want("a", zone="y")], [have("a", zone="x", **LOCKED)], abandon=["a"])
    plan.changes.raise_if_refused()
    assert plan.story == ["a:abandon#1", "a:replace"] or plan.story == ["a:replace", "a:abandon#1"]


def test_what_cannot_exist_beside_its_replacement_is_not_abandoned() -> None:
    plan = planned([want("p", "port", of="y")], [have("p", "port")], abandon=["p"])
    assert refusal(plan)[0][0].startswith("p cannot be abandoned")


def test_what_exists_no_more_is_simply_forgotten() -> None:
    plan = planned([], [have("a", gone=True), have("g", "gate", of="x")], destroy=True, abandon=["a", "g"])
    assert sorted(plan.ops.values()) == ["forget", "forget"]
    assert [step.risks for step in plan.steps] == [(), ()]


@pytest.mark.parametrize("destroy", [True, False])
def test_what_interrupted_runs_may_have_left_is_listed_or_refused_and_can_be_abandoned(destroy: bool) -> None:
    create, old = pending("n", "remote"), deposed("m", "remote")
    hidden = [Hidden(create.resource, "down", create.key), Hidden(old, "down")]
    more: dict[str, Any] = {"deposed": [old], "pending": [create], "hidden": hidden, "destroy": destroy}
    plan = planned([], **more)
    if destroy:
        messages, hint = refusal(plan)
        assert messages == [
            "m cannot be deleted: it is not readable now, down",
            "n (remote): an interrupted run may have created it, and it is not readable now, down",
        ]
        assert hint.endswith("`smplan destroy toys.yaml --abandon m --abandon n`")
    else:
        assert (plan.story, plan.changes.unreadable) == (
            [],
            {"m": "generation 1: down", "n": "an interrupted run may have created it: down"},
        )
    plan = planned([], **more, abandon=["m", "n"])
    plan.changes.raise_if_refused()
    assert plan.ops == {"m:abandon#1": "forget", "n:abandon#pending-1": "forget"}
    assert plan["n:abandon#pending-1"].pending_key == create.key
    assert "nothing deletes the remote that may exist" in plan["n:abandon#pending-1"].risks[0].reason


def test_what_an_interrupted_run_created_can_be_abandoned_although_it_was_found() -> None:
    create = pending("n")
    plan = planned([], pending=[create], untracked=[created(create)], abandon=["n"])
    assert plan.ops == {"n:abandon#pending-1": "forget"}


def test_a_wanted_resource_with_a_hidden_pending_create_is_created_and_listed() -> None:
    create = pending("n", "remote")
    plan = planned([want("n", "remote")], pending=[create], hidden=[Hidden(create.resource, "down", create.key)])
    assert plan.story == ["n:create"]
    assert list(plan.changes.unreadable) == ["n"]


def test_a_successor_of_another_kind_counts_as_none() -> None:
    plan = planned([want("a", "value", input=1)], [have("a")])
    assert plan["a:delete#1"].risks == (Risk(Category.DATA_LOSS, "a is lost"),)


def test_the_have_of_a_locked_thing_reads_as_locked() -> None:
    found: Have = have("a", **LOCKED)
    assert found.live
    assert found.live.outputs == {"locked": True}


def test_the_removal_of_a_protection_waits_for_nothing_that_the_delete_does_not_wait_for() -> None:
    wants = [want("c"), want("d", uses=["${c.id}"])]
    plan = planned(wants, [have("a", **LOCKED)], unprotect=["a"])
    assert sorted(plan.story) == [
        "a:delete#1 after a:unprotect#1",
        "a:unprotect#1",
        "c:create",
        "d:create after c:create",
    ]


def test_the_older_generation_of_a_resource_that_is_refused_has_no_successor() -> None:
    theirs = {"a": observed("thing", "id-x", {"name": "a"}, "other/a")}
    plan = planned([want("a")], deposed=[deposed("a", zone="y")], found=theirs)
    assert plan.ops == {"a:delete#1": "delete"}
    assert plan.changes.unowned


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        (
            "smplan destroy f.yaml --var a=b --var 'c=d e' --unprotect x",
            "start it with `smplan scale f.yaml --to blueprint --var a=b --var 'c=d e'`, then run `smplan destroy ",
        ),
        ("", "start it with `smplan scale BLUEPRINT --to blueprint`, then run the same command again; "),
    ],
)
def test_what_is_behind_a_stopped_group_is_refused_with_the_commands_to_type(command: str, hint: str) -> None:
    violation = Violation("nodes cannot be deleted", "--abandon", "nodes", stopped=True)
    refused = ChangeSet({}, State("toys", LINEAGE, 1, {}), guard_violations=[violation])
    with pytest.raises(GuardRefused) as caught:
        refused.raise_if_refused(command)
    assert caught.value.hint.startswith(hint)
    assert "--abandon nodes`" in caught.value.hint
