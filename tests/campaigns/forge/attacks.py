"""Attacks by a forged plan that have a name: what each would gain, and what refuses it.

Each is made of the plan of the source "changed", whose state has ``protected`` (`prevent_destroy`) and whose world has
``t-foreign``, which no state owns, and ``t-shared``, which another state owns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from smplan.core import diff
from smplan.core.values import encode
from tests.campaigns.forge.forgeries import SECRET, Forgery, sealed
from tests.support.fake_specs import ThingSpec

Document = dict[str, Any]


@dataclass(frozen=True)
class Attack:
    """An attack; ``contradiction`` is a part of what is said even if a person vouches for the plan.

    Without one the plan is a possible one: only deriving it again, or an approver who reads it, can refuse it.
    """

    name: str
    edit: Callable[[Document], None]
    contradiction: str

    def forgery(self, document: Document) -> Forgery:
        """The forged plan."""
        forged = copy.deepcopy(document)
        self.edit(forged)
        return Forgery((), self.name, sealed(forged))


def _step(document: Document, id: str) -> Document:
    found: Document = next(step for step in document["steps"] if step["id"] == id)
    return found


def _foreign(document: Document, op: str, physical_id: str, **members: Any) -> None:
    """A step that does ``op`` to a thing of others, as consistent as can be."""
    model = _step(document, "kept:update") if op in ("update", "adopt") else _step(document, "old:delete#1")
    live = ThingSpec(name=physical_id.removeprefix("t-"))
    step = copy.deepcopy(model)
    end = "delete#1" if op == "delete" else op
    step |= {"id": f"stranger:{end}", "op": op, "depends_on": [], "changes": [], "risks": []}
    step |= {"before": encode(live.managed_fields()), "precondition": diff.fingerprint(live)}
    step["resource"] |= {
        "address": "stranger",
        "id": physical_id,
        "spec": encode(live.managed_fields()),
        "dependencies": [],
    }
    document["steps"].append(step | members)


def _delete_protected(document: Document) -> None:
    record = next(each for each in document["steps"] if each["id"] == "old:delete#1")
    live = ThingSpec(name="protected")
    step = copy.deepcopy(record)
    step |= {"id": "protected:delete#1", "depends_on": [], "before": encode(live.managed_fields())}
    step |= {"precondition": diff.fingerprint(live), "risks": []}
    resource = step["resource"] | {"address": "protected", "id": "t-protected", "prevent_destroy": True}
    resource |= {"spec": encode(live.managed_fields()), "dependencies": []}
    resource["outputs"] = {"arn": "arn:t-protected", "version": 1, "locked": False}
    document["steps"].append(step | {"resource": resource})


def _delete_protected_with_permit(document: Document) -> None:
    _delete_protected(document)
    document["permits"] = {**document["permits"], "unprotect": ["protected"]}


def _tag_with_secret(document: Document) -> None:
    _step(document, "new:create")["resource"]["spec"]["tags"] = {"Name": dict(SECRET)}


def _name_with_secret(document: Document) -> None:
    _step(document, "new:create")["resource"]["spec"]["name"] = {"$template": ["x-", dict(SECRET)]}


def _secret_for_another(document: Document) -> None:
    document["stream_manager"] = {"url": "https://attacker.example", "access_token": dict(SECRET)}


def _hidden_change(document: Document) -> None:
    _step(document, "kept:update")["resource"]["spec"]["size"] = 9


def _blind_update(document: Document) -> None:
    _step(document, "kept:update")["precondition"] = ""


def _shown_before(document: Document) -> None:
    step = _step(document, "kept:update")
    step["before"]["size"] = step["changes"][0]["before"] = 7


def _put(name: str, value: Any) -> Callable[[Document], None]:
    return lambda document: document.update({name: value})


ATTACKS = (
    Attack("deletes what is not ours", lambda it: _foreign(it, "delete", "t-foreign"), "the state has no toy.thing"),
    Attack(
        "deletes it as if an interrupted run had created it",
        lambda it: _foreign(it, "delete", "t-foreign", id="stranger:delete#pending-1", pending_key="k"),
        "no create is pending under it",
    ),
    Attack("overwrites what is not ours", lambda it: _foreign(it, "update", "t-foreign"), "the state has no toy.thing"),
    Attack(
        "adopts what is not ours, and permits it itself",
        lambda it: _foreign(it, "adopt", "t-foreign", adopt={"adopt": True}),
        "",
    ),
    Attack("adopts it without a permission, against its tags", lambda it: _foreign(it, "adopt", "t-foreign"), ""),
    Attack("deletes what `prevent_destroy` protects", _delete_protected, "it is protected by `prevent_destroy`"),
    Attack("deletes it, and permits it itself", _delete_protected_with_permit, ""),
    Attack("sends a secret to a server of its own", _secret_for_another, ""),
    Attack("puts a secret into an output", _put("outputs", {"url": dict(SECRET)}), "outputs: a secret is not allowed"),
    Attack("puts a secret into a variable", _put("variables", {"x": dict(SECRET)}), "variables: a secret"),
    Attack("puts a secret into a tag", _tag_with_secret, "a secret is not allowed here"),
    Attack("puts a secret into a name", _name_with_secret, "values cannot be compared"),
    Attack(
        "skips the check of the account", lambda it: it.update(account="", region=""), "account: it is not the number"
    ),
    Attack("skips the check of the region", _put("region", ""), "region: a plan has account and region"),
    Attack("keeps its state elsewhere", _put("backend", {"backend": "s3", "options": {"bucket": "b", "key": "k"}}), ""),
    Attack(
        "keeps it in no known backend", _put("backend", {"backend": "ftp", "options": {}}), "backend: it is not one"
    ),
    Attack("never expires", _put("expires", "9999-01-01T00:00:00+00:00"), "expires at 9999"),
    Attack("is made in the future", _put("created", "2026-01-03T00:00:00+00:00"), "was made at 2026-01-03"),
    Attack("changes more than it shows", _hidden_change, "changes: they do not lead from `before` to the spec: size"),
    Attack("relies on nothing", _blind_update, "precondition: it is missing"),
    Attack("shows another state of things", _shown_before, "precondition: it is not that of what was read"),
    Attack("turns the order round", lambda it: it["steps"].reverse(), "a step that does not come before it"),
    Attack("destroys everything", _put("mode", "destroy"), "mode: it is 'destroy'"),
)
