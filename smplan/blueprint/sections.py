"""A raw map held against its form: its faults told, and of its entries those that can be worked with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from smplan.blueprint.diagnostics import Diagnostics
from smplan.core.blueprint import INVALID, SourceMap
from smplan.core.spec import SENSITIVE, Spec
from smplan.core.spec_errors import spec_errors
from smplan.core.values import PartialValue, Path


def validated(form: type[Spec], raw: PartialValue, path: Path, marks: SourceMap, faults: Diagnostics) -> dict[str, Any]:
    """The entries of ``raw`` (at ``path``) that fit ``form``; what does not fit is told and left out."""
    bad: set[str | int] = set()
    for misfit in spec_errors(form, raw, secret=SENSITIVE):
        bad.update(misfit.path[:1])
        fault = marks.diagnostic((*path, *misfit.path), misfit.message, misfit.hint, key=misfit.key or not misfit.path)
        faults.add(replace(fault, source="") if misfit.secret else fault)
    if not isinstance(raw, Mapping):
        return {}
    return {
        name: raw[name]
        for name in form.model_fields
        if name in raw and name not in bad and raw[name] is not None and raw[name] is not INVALID
    }
