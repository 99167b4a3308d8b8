"""Validation of one section against its schema."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smplan.blueprint.diagnostics import Diagnostics
from smplan.core.blueprint import INVALID, SourceMap
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import spec_errors
from smplan.core.values import PartialValue, Path


def validated(
    form: type[Spec], raw: PartialValue, path: Path, source_map: SourceMap, diagnostics: Diagnostics
) -> dict[str, Any]:
    """The valid entries of ``raw`` (at ``path``); the errors of the others are reported."""
    bad: set[str | int] = set()
    for error in spec_errors(form, raw, secret=SENSITIVE):
        bad.update(error.path[:1])
        diagnostic = source_map.diagnostic(
            (*path, *error.path), error.message, error.hint, key=error.key or not error.path
        )
        diagnostics.add(replace(diagnostic, source="") if error.secret else diagnostic)
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: raw[name]
        for name in form.model_fields
        if name in raw and name not in bad and raw[name] is not None and raw[name] is not INVALID
    }
