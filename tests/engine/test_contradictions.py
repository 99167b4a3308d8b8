"""A plan that contradicts itself or the state is refused whole, before the first request, whoever vouches for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from smplan.core.plan.model import Op, from_text, to_json
from smplan.errors import Stale, Untrusted
from tests.campaigns.forge import sources
from tests.campaigns.forge.attacks import ATTACKS, Attack
from tests.campaigns.forge.campaign import judged
from tests.campaigns.forge.forgeries import SECRET, sealed
from tests.campaigns.forge.judge import Source, contradictions

Document = dict[str, Any]
Edit = Callable[[Document], object]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    """The real plans by name."""
    return {source.name: source for source in sources.sources(tmp_path_factory.mktemp("real"))}


def step(document: Document, id: str) -> Document:
    """The step of that id."""
    found: Document = next(each for each in document["steps"] if each["id"] == id)
    return found


def put(id: str, *path: str | int, to: Any) -> Edit:
    """Put a value into a step; with an empty id, into the plan."""

    def edit(document: Document) -> None:
        holder: Any = step(document, id) if id else document
        for part in path[:-1]:
            holder = holder[part]
        holder[path[-1]] = to

    return edit


def test_every_op_is_in_a_real_plan_and_no_real_plan_contradicts_itself(real: dict[str, Source]) -> None:
    assert {each.op for source in real.values() for each in source.plan.steps} == set(Op)
    assert {name: contradictions(source, source.plan) for name, source in real.items()} == dict.fromkeys(real, "")


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_refused_before_any_call(real: dict[str, Source], attack: Attack) -> None:
    assert judged(real["changed"], attack).wrong == ""


def restore_of_the_current(document: Document) -> None:
    """As if the current generation were an older one."""
    step(document, "image:restore")["resource"]["id"] = next(iter(step(document, "group:update")["before"]["uses"]))


PASSWORD = {"path": "password", "before": "hunter2", "after": {"$secret": "env:PASSWORD"}}
EDITS: dict[str, list[tuple[Edit, str]]] = {
    "first": [
        (put("", "id", to="p1"), "id: it is not a UUID"),
        (put("", "name", to="A b"), "base: name `A b` is not made of"),
        (put("", "base", "serial", to=1), "base: it has a serial or a digest of a state that did not exist"),
        (put("", "base", "digest", to="0"), "base: it has a serial or a digest of a state that did not exist"),
        (put("", "mode", to="other"), "mode: it is 'other'"),
        (put("", "mode", to="scale"), "mode: it is 'scale'"),
        (put("", "backend", "options", to={"url": "x"}), "backend: it is not one that smplan has"),
        (put("", "permits", to={"all": []}), "permits: there are only"),
        (put("", "stream_manager", to=[1]), "stream_manager: it is not how a Stream Manager is reached"),
        (put("", "stream_manager", "proxy", to="x"), "stream_manager: it is not how a Stream Manager is reached"),
        (put("", "stream_manager", "url", to=SECRET), "stream_manager: a secret is not allowed here"),
        (put("", "stream_manager", "access_token", to="hunter2"), "its `access_token` must be a secret, by its source"),
        (
            put("", "stream_manager", "access_token", to={"$secret": "file:x"}),
            "stream_manager: its `access_token` must be",
        ),
        (put("", "outputs", to={"x": {"$ref": "!"}}), "outputs or stream_manager: `!` is not a reference"),
        (put("", "lookups", "found", "id", to={"$ref": "new.id"}), "lookups: their values are not pinned"),
        (put("", "lookups", "found", to=1), "lookups: each has attributes"),
        (put("", "account", to=""), "region: a plan has account and region, or neither"),
        (
            put("new:create", "depends_on", 0, "step", to="new:create"),
            "would wait for a step that does not come before",
        ),
        (put("new:create", "depends_on", 0, "seconds", to=-1), "depends_on: it would wait without end"),
        (lambda document: document["steps"].append(document["steps"][0]), "it is in the plan twice"),
        (put("port:create", "depends_on", to=[]), "depends_on: it refers to kept, which is created later"),
        (put("port:create", "known_after_apply", to={"of": "nobody"}), "the plan says nothing of nobody"),
        (put("port:create", "known_after_apply", to={}), "known_after_apply: it is not what the spec refers to"),
        (put("new:create", "resource", "address", to="a b"), "resource.address: it is not an address"),
        (put("new:create", "id", to="new:update"), "id: it is not that of a create of new"),
        (put("new:create", "pending_key", to="k"), "pending_key: it belongs to the steps that clear"),
        (put("new:create", "previous_address", to="k"), "previous_address: it belongs to the steps that move"),
        (put("new:create", "expected_seconds", to=-5), "expected_seconds: it is not a number of seconds"),
        (put("new:create", "wait_seconds", to=1e9), "wait_seconds: it is not a number of seconds"),
        (put("new:create", "resource", "id", to="t-foreign"), "resource.id: what is created has none yet"),
        (put("new:create", "resource", "outputs", to={"arn": "x"}), "resource.outputs: they are not known before"),
        (put("new:create", "resource", "outputs", to={"arn": SECRET}), "resource.outputs: a secret is not allowed"),
        (put("new:create", "resource", "status", to="incomplete"), "resource.status: it is not ready"),
        (put("new:create", "adopt", to=None), "adopt: it belongs to the steps that apply a spec"),
        (put("new:create", "adopt", "keep", to=True), "`prevent_destroy` and `keep` are not those"),
        (put("new:create", "before", to={"name": "new"}), "before: it is not what was read before a create"),
        (put("new:create", "precondition", to="0"), "precondition: a create of toy.thing has none"),
        (put("value:create", "precondition", to="0"), "precondition: a create of core.value has none"),
        (put("new:create", "resource", "spec", to={}), "resource.spec.name: Field required"),
        (put("new:create", "resource", "spec", "name", to=SECRET), "resource.spec.name: a secret is not allowed here"),
        (put("new:create", "resource", "spec", "password", to="x"), "password: it is not a secret by its source"),
        (put("new:create", "resource", "spec", "password", to={"$secret": "x"}), "password: it is not a source"),
        (put("new:create", "resource", "spec", "name", to={"$ref": "!"}), "its values cannot be compared (toy.thing"),
        (put("new:create", "changes", to=[{"path": "size", "before": 1, "after": 1}]), "changes: they do not lead"),
    ],
    "changed": [
        (put("kept:update", "resource", "id", to=""), "resource.id: it is missing"),
        (put("kept:update", "resource", "id", to="t-foreign"), "the state has no toy.thing t-foreign at kept"),
        (put("kept:update", "resource", "generation", to=2), "resource.generation: it is not that of the state"),
        (put("kept:update", "resource", "name", to="x"), "resource: its name or the size at which it is held"),
        (put("kept:update", "before", to=3), "before: it is not what was read before a update"),
        (put("kept:update", "before", "password", to=SECRET), "before: a secret is not allowed here"),
        (put("kept:update", "before", to=None), "precondition: it is not that of what was read"),
        (put("kept:update", "precondition", to=""), "precondition: it is missing"),
        (put("kept:update", "changes", to=[]), "changes: they do not lead from `before` to the spec: size"),
        (put("kept:update", "changes", 0, "after", to=3), "changes: they do not lead from `before` to the spec: size"),
        (put("kept:update", "changes", 0, "replaces", to=True), "changes: one of them cannot be made in place"),
        (lambda it: step(it, "kept:update")["changes"].append(step(it, "kept:update")["changes"][0]), "in them twice"),
        (put("kept:update", "changes", 1, "after", to="mine"), "changes: note is not what will be applied"),
        (put("user:update", "changes", to=[PASSWORD]), "changes: password shows a secret"),
        (put("new:create", "depends_on", to=[{"step": "kept:update", "reason": "x", "seconds": -1}]), "without end"),
        (put("kept:update", "resource", "spec", "size", to={"$map": 1}), "resource.spec.size: Input should be"),
        (put("value:update", "changes", to=[]), "changes: they do not lead from `before` to the spec: input"),
        (put("value:update", "changes", 0, "after", to="x"), "changes: they do not lead from `before` to the spec"),
        (put("replaced:replace", "precondition", to=""), "precondition: it is missing"),
        (put("replaced:replace", "resource", "generation", to=3), "the state has no generation before it"),
        (put("replaced:replace", "resource", "address", to="new"), "another step applies a spec to new"),
        (put("replaced:delete#1", "precondition", to=""), "step replaced:delete#1: precondition: it is missing"),
        (put("replaced:delete#1", "resource", "keep", to=True), "it is not the record of the state: keep"),
        (put("replaced:delete#1", "known_after_apply", to={"a": "kept"}), "changes: a step that applies no spec has"),
        (put("foreign:adopt", "resource", "id", to="t-kept"), "resource.id: the state has toy.thing t-kept at kept"),
        (put("after:move", "previous_address", to="kept"), "the state has no toy.thing t-before at kept"),
        (put("after:move", "resource", "outputs", to={}), "resource: it is not the record of the state: outputs"),
        (put("after:move", "before", to={}), "before: it is not what was read before a move"),
        (put("", "permits", to={}), "permits.abandon: nothing permits to abandon it"),
    ],
    "restored": [
        (put("image:restore", "previous_address", to="kept"), "previous_address: what is restored has its own address"),
        (put("image:restore", "previous_address", to=""), "previous_address: it belongs to the steps that move"),
        (put("image:restore", "precondition", to=""), "precondition: it is missing"),
        (put("image:restore", "resource", "id", to="t-group"), "the state has no toy.image t-group at image"),
        (restore_of_the_current, "resource.id: the state has no toy.image "),
        (put("image:restore", "resource", "outputs", to={}), "resource: it is not the record of the state: outputs"),
    ],
    "interrupted": [
        (put("made:delete#pending-1", "pending_key", to="x"), "pending_key: no create is pending under it"),
        (put("made:delete#pending-1", "pending_key", to=""), "pending_key: it belongs to the steps that clear"),
        (put("made:delete#pending-1", "precondition", to=""), "precondition: it is missing"),
        (put("made:delete#pending-1", "resource", "id", to="t-kept"), "the state has toy.thing t-kept already"),
    ],
    "scaled": [
        (put("herd:scale", "resource", "spec", "most", to=99), "resource.spec: a scale changes no more than its own"),
        (put("herd:scale", "changes", 0, "after", to=7), "changes: they do not lead from `before` to the spec: least"),
        (put("gate:gate", "precondition", to="0"), "precondition: a gate of toy.gate has none"),
    ],
    "destroyed": [
        (put("kept:unprotect#1", "resource", "spec", "size", to=9), "a unprotect changes no more than its own fields"),
        (put("", "permits", "unprotect", to=["old"]), "permits.unprotect: nothing permits to remove its protection"),
        (put("", "permits", "unprotect", to=["kept"]), "protected by `prevent_destroy`, and nothing permits"),
        (put("shared:delete#1", "op", to="delete"), "it is shared (`keep`), and never deleted"),
    ],
}


@pytest.mark.parametrize(
    ("name", "edit", "message"),
    [pytest.param(name, *each, id=f"{name}-{each[1]}") for name, edits in EDITS.items() for each in edits],
)
def test_a_contradiction_is_named_and_refused_before_any_call(
    real: dict[str, Source], name: str, edit: Edit, message: str
) -> None:
    source = real[name]
    document = copy.deepcopy(to_json(source.plan))
    edit(document)
    plan = from_text(sealed(document))
    assert message in contradictions(source, plan)
    calls, before = source.calls(), source.store.read().folded
    with pytest.raises(Untrusted, match="smplan has not made this plan"):
        source.attempt(plan)
    assert (source.calls(), source.store.read().folded) == (calls, before)


@pytest.mark.parametrize("times", [{"expires": "soon"}, {"created": 3}, {"expires": "2026-01-09T12:00:00"}])
def test_times_that_smplan_does_not_write_are_refused(real: dict[str, Source], times: Document) -> None:
    document = to_json(real["first"].plan) | times
    try:
        plan = from_text(sealed(document))
    except Stale:
        return
    assert "the plan has no times that smplan writes" in contradictions(real["first"], plan)


def test_no_more_than_twenty_contradictions_are_shown(real: dict[str, Source]) -> None:
    document = to_json(real["first"].plan)
    document["steps"] = [each | {"expected_seconds": 5, "adopt": None} for each in document["steps"]] * 3
    assert len(contradictions(real["first"], from_text(sealed(document))).splitlines()) == 21
