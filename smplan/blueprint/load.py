"""From a file to a Blueprint, or to every fault in it at once."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.interpolate import Files, Interpolator
from smplan.blueprint.resources import ResourceReader
from smplan.blueprint.schema import NAME, STATES, BlueprintForm, StreamManagerForm
from smplan.blueprint.sections import validated
from smplan.blueprint.syntax import document
from smplan.blueprint.validate import Declaration, check, is_disabled
from smplan.blueprint.variables import Variables, given_values
from smplan.core.blueprint import INVALID, BackendConfig, Blueprint, SourceMap
from smplan.core.resource_type import Catalogue
from smplan.core.values import Json, PartialValue, Secret, refs
from smplan.core.wording import quoted
from smplan.errors import BlueprintInvalid

_NAME = re.compile(NAME)
_SETTLED = ("smplan", "name", "aws", "state")


def load(
    path: FilePath,
    *,
    variables: Mapping[str, str] = {},
    variable_files: Sequence[FilePath] = (),
    environ: Mapping[str, str] = os.environ,
    catalogue: Catalogue,
) -> Blueprint:
    """The blueprint in ``path``. Raises BlueprintInvalid with all its faults.

    A variable's value comes from ``variables`` (as text), else the last of ``variable_files`` that has it, else
    ``SMPLAN_VAR_<name>`` in ``environ``, else its default. ``catalogue`` says which kinds there are.
    """
    faults = Diagnostics()
    with suppress(TooManyErrors):
        data = document.read(path, faults)
        value, marks = document.parse(data, path, faults)
        if isinstance(value, dict):
            given = given_values(_map(value.get("variables")), variables, variable_files, environ, faults)
            reader = _Reader(marks, faults, FilePath(path).parent)
            blueprint = reader.read(value, given, data, catalogue)
            if not faults.found:
                return blueprint
        elif not faults.found:
            faults.add(marks.diagnostic((), "a blueprint is a map", "begin with `smplan: 1`"))
    raise BlueprintInvalid(faults.found)


def _map(value: PartialValue) -> dict[str, PartialValue]:
    return value if isinstance(value, dict) else {}


class _Reader:
    """Reads the sections of one document, in the order in which they are needed."""

    def __init__(self, marks: SourceMap, faults: Diagnostics, folder: FilePath) -> None:
        self.marks, self.faults = marks, faults
        self.files = Files(folder)
        self.filler = Interpolator(marks, faults, self.files)

    def read(
        self, value: dict[str, PartialValue], given: Mapping[str, Any], data: bytes, catalogue: Catalogue
    ) -> Blueprint:
        """The blueprint that ``value`` says, as far as it is free of faults."""
        declared = _map(value.get("variables"))
        found = Variables(self.marks, self.faults, given).values(declared)
        self.filler.variables, self.filler.declared = found, declared
        form = self.header(value)
        resources = ResourceReader(self.filler)
        lookups, instances = resources.read(form.get("lookups", {}), form.get("resources", {}))
        aws, state = form.get("aws", {}), self.state(form.get("state", {}))
        blueprint = Blueprint(
            name=form.get("name", ""),
            region=aws.get("region"),
            account=aws.get("account"),
            stream_manager=self.stream_manager(form.get("stream_manager")),
            state=state,
            variables=found,
            lookups=lookups,
            resources=instances,
            outputs=self.outputs(form.get("outputs", {}), resources.names),
            digest="",
            file=self.marks.file,
            marks=self.marks,
        )
        for fault in check(blueprint, resources.names, catalogue):
            self.faults.add(fault)
        return blueprint if self.faults.found else replace(blueprint, digest=_digest(data, self.files.read, found))

    def header(self, value: dict[str, PartialValue]) -> dict[str, Any]:
        """The sections that fit their form; those that must be known at once are."""
        plain = {
            name: self.filler.settled(raw, (name,)) if name in _SETTLED else raw
            for name, raw in value.items()
            if name != "$schema"
        }
        if "stream_manager" in plain:
            plain["stream_manager"] = self.filler.fill(plain["stream_manager"], ("stream_manager",))
        return validated(BlueprintForm, plain, (), self.marks, self.faults)

    def state(self, entries: dict[str, Json]) -> BackendConfig:
        """Where the state lives."""
        backend = entries.get("backend", "local")
        form = STATES.get(backend) if isinstance(backend, str) else None
        if form is None:
            if backend is not INVALID:
                self.filler.fault(("state", "backend"), f"a state lives in one of: {', '.join(STATES)}")
            return BackendConfig("local")
        found = validated(form, entries, ("state",), self.marks, self.faults)
        return BackendConfig(backend, {name: value for name, value in found.items() if name != "backend"})

    def stream_manager(self, tree: PartialValue) -> PartialValue | None:
        """How the API is reached; the token must be a secret, and nothing else may be one."""
        if not isinstance(tree, dict):
            if tree is not None and not self.filler.from_faulty_variable(tree):
                self.filler.fault(("stream_manager",), "`stream_manager` is a map")
            return None
        for name, value in tree.items():
            path = ("stream_manager", name)
            if name == "access_token" and not isinstance(value, Secret) and value is not INVALID:
                fault = self.marks.diagnostic(
                    path, "a token does not stand in a blueprint", 'write {secret: "env:NAME"}'
                )
                self.faults.add(replace(fault, source=""))
            elif name != "access_token" and isinstance(value, Secret):
                self.filler.fault(path, "a secret cannot stand here")
        return {"api_version": StreamManagerForm.model_fields["api_version"].default, **tree}

    def outputs(self, raw: dict[str, PartialValue], names: Mapping[str, Declaration]) -> dict[str, PartialValue]:
        """The outputs, but for those of what is switched off: they are not there either."""
        found = {}
        for name, value in raw.items():
            if not _NAME.match(name):
                self.filler.fault(("outputs", name), f"{quoted(name)} cannot be a name", key=True)
            tree = self.filler.fill(value, ("outputs", name))
            if not any(is_disabled(ref, names) for _, ref in refs(tree)):
                found[name] = tree
        return found


def _digest(data: bytes, files: Mapping[str, bytes], variables: Mapping[str, Json]) -> str:
    """SHA-256 over the blueprint, the files it reads and its variables, each with its length before it."""
    values = json.dumps(variables, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256()
    for part in (data, values, *(piece for name in sorted(files) for piece in (name.encode(), files[name]))):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()
