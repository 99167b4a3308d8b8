"""Validation of one section against its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smplan.blueprint import unknown
from smplan.blueprint.diagnostics import Diagnostics
from smplan.blueprint.schema import LookupForm, ResourceForm, VariableForm
from smplan.core.blueprint import INVALID, SourceMap
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import spec_errors
from smplan.core.values import PartialValue, Path

_EXAMPLES: Mapping[type[Spec], str] = {
    ResourceForm: "such as {kind: aws.sns.topic, spec: {name: alerts}}",
    LookupForm: "such as {kind: aws.ec2.vpc, where: {is_default: true}}",
    VariableForm: "such as {type: string, default: a}",
}


def validated(
    form: type[Spec], raw: PartialValue, path: Path, source_map: SourceMap, diagnostics: Diagnostics
) -> dict[str, Any]:
    """The valid entries of ``raw`` (at ``path``); the errors of the others are reported."""
    bad: set[str | int] = set()
    errors = spec_errors(form, raw, secret=SENSITIVE)
    for error in unknown.once(errors, lambda error: unknown.section_hint(form, str(error.path[-1]))):
        bad.update(error.path[:1])
        subject = f"`{path[-1]}` " if path and not error.path and error.message.startswith("must be") else ""
        hint = _EXAMPLES.get(form, error.hint) if subject else error.hint
        diagnostic = source_map.diagnostic(
            (*path, *error.path), subject + error.message, hint, key=error.key or not error.path
        )
        diagnostics.add(replace(diagnostic, source="") if error.secret else diagnostic)
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: raw[name]
        for name in form.model_fields
        if name in raw and name not in bad and raw[name] is not None and raw[name] is not INVALID
    }
