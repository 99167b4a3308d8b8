"""Hints for unknown keys: what other tools call it, or where in the blueprint it belongs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice

from smplan.blueprint.diagnostics import MAX_DIAGNOSTICS
from smplan.blueprint.schema import BlueprintForm, LifecycleForm, LookupForm, ResourceForm, VariableForm
from smplan.core.resource_type import Catalogue, ResourceType
from smplan.core.spec import Spec
from smplan.core.spec_errors import SpecError, nested, walk
from smplan.core.values import Path
from smplan.core.wording import one_of

_UNDER_AWS = "write it under `aws`: `aws: {region: us-east-1}`"
_SPEC = "write `spec`"
_VARIABLES = "write `variables`"
_WHERE = "write `where`"
_MEANT: Mapping[type[Spec], Mapping[str, str]] = {
    BlueprintForm: {
        **dict.fromkeys(("region", "account", "provider", "providers"), _UNDER_AWS),
        **dict.fromkeys(("var", "vars", "parameters", "params", "inputs", "locals"), _VARIABLES),
        **dict.fromkeys(("data", "sources"), "write `lookups`"),
        **dict.fromkeys(("backend", "terraform"), "write `state: {backend: s3, bucket: …, key: …}`"),
        **dict.fromkeys(("kind", "spec"), "write it in a resource: `resources: {name: {kind: …, spec: {…}}}`"),
        "version": "write `smplan: 1`",
        "tags": "write tags in the `spec` of each resource",
    },
    ResourceForm: {
        "type": "write `kind`",
        **dict.fromkeys(("properties", "config", "attributes", "parameters", "args", "arguments", "values"), _SPEC),
        **dict.fromkeys(("depends_on", "dependsOn", "DependsOn", "needs", "requires"), "write `after: [name]`"),
        "count": "write `for_each: [a, b]`: a list of names, one for each instance",
        **dict.fromkeys(("if", "condition", "enabled"), 'write `when: "${var.name}"`'),
        **dict.fromkeys(LifecycleForm.model_fields, "write it under `lifecycle`"),
        **dict.fromkeys(("provider", "region"), "remove it: a blueprint has one region, under `aws`"),
    },
    LookupForm: {
        **dict.fromkeys(("spec", "filter", "filters", "properties"), _WHERE),
        "type": "write `kind`",
    },
    VariableForm: {
        "value": "write `default`",
        "required": "leave out `default`: a variable without one must be given",
        "sensitive": 'a variable cannot hold a secret: write {secret: "env:NAME"} in the field that takes it',
        "validation": "write `pattern`, `enum`, `minimum` or `maximum`",
    },
    LifecycleForm: {
        "ignore_changes": "write `ignore`",
        "create_before_destroy": "remove it: the new one is created first wherever AWS allows that",
        "prevent_deletion": "write `prevent_destroy`",
    },
}


def once(errors: Iterable[SpecError], hint: Callable[[SpecError], str]) -> Iterator[SpecError]:
    """``errors`` with the ``hint`` for unknown keys; what such a key was meant to be is not also missing.

    At most twice as many as are reported: each hint takes a search among all names.
    """
    few = islice(errors, 2 * MAX_DIAGNOSTICS)
    found = [replace(error, hint=hint(error) or error.hint) if error.unknown else error for error in few]
    meant = {name for error in found if error.unknown for name in re.findall("`([^`:]+)`", error.hint)[:1]}
    return (error for error in found if not error.missing or error.missing not in meant)


def section_hint(form: type[Spec], name: str) -> str:
    """The hint for the unknown key ``name`` of a section; empty if there is no better one than the names it has."""
    hint = _MEANT.get(form, {}).get(name, "")
    if not hint and form is ResourceForm:
        known = ", ".join(sorted(form.model_fields))
        hint = one_of(name, form.model_fields)
        return hint if hint.startswith("did") else f"write fields of the kind under `spec`; beside it: {known}"
    return hint


def field_hint(type: ResourceType, path: Path, catalogue: Catalogue) -> str:
    """The hint for the unknown field at ``path`` in a spec of ``type``."""
    name = str(path[-1])
    names = sorted({field for form in walk(type.spec, path[:-1])[0] for field in form.model_fields})
    if name in ResourceForm.model_fields:
        return f"write `{name}` beside `spec`, not in it"
    if name in LifecycleForm.model_fields:
        return f"write `lifecycle: {{{name}: …}}` beside `spec`"
    hints = (
        _by_its_aws_name(type.spec, name, names),
        one_of(name, names) if one_of(name, names).startswith("did") else "",
        _on_another_level(type.spec, path),
        _of_another_kind(type, name, catalogue),
        one_of(name, names),
    )
    return next(filter(None, hints), f"list the fields with `smplan kinds {type.kind}`")


def _by_its_aws_name(form: type[Spec], name: str, names: list[str]) -> str:
    """The field that is sent as AWS's member ``name``."""
    members: Mapping[str, str] = getattr(getattr(form, "sent_as", None), "members", {})
    reasons: Mapping[str, str] = getattr(getattr(form, "sent_as", None), "not_bound", {})
    sent = {reason.split()[0].lower(): field for field, reason in reasons.items()}
    sent |= {re.split(r"[.:]|\[\]", member)[-1].lower(): field for field, member in members.items()}
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    found = sent.get(name.lower(), snake)
    return f"write `{found}`" if found in names and found != name else ""


def _on_another_level(form: type[Spec], path: Path) -> str:
    name = str(path[-1])
    if len(path) > 1 and name in form.model_fields:
        return f"write it beside `{path[0]}`, not in it"
    holder = next((each for each in form.model_fields if any(name in at.model_fields for at in nested(form, each))), "")
    return f"write it in `{holder}`" if holder else ""


def _of_another_kind(type: ResourceType, name: str, catalogue: Catalogue) -> str:
    kinds = [kind for kind in _others(type, catalogue) if name in _fields_of(kind, catalogue)]
    if not kinds or len(kinds) > 3:
        return ""
    return f"it is a field of {' and '.join(sorted(kinds))}; list those of this kind with `smplan kinds {type.kind}`"


def _others(type: ResourceType, catalogue: Catalogue) -> Iterator[str]:
    return (kind for kind in catalogue.resources() if kind != type.kind)


def _fields_of(kind: str, catalogue: Catalogue) -> Mapping[str, object]:
    found = catalogue.resource(kind)
    return found.spec.model_fields if found else {}
