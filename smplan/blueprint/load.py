"""Loading of a blueprint file."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path as FilePath
from typing import Any

from smplan.blueprint import scripts
from smplan.blueprint.declarations import Declaration, is_disabled
from smplan.blueprint.diagnostics import Diagnostics, TooManyErrors
from smplan.blueprint.interpolate import Files, Interpolator
from smplan.blueprint.resources import ResourceReader
from smplan.blueprint.schema import NAME, STATES, BlueprintForm, StreamManagerForm
from smplan.blueprint.secrets import given_secrets, written_secrets
from smplan.blueprint.sections import validated
from smplan.blueprint.syntax import document
from smplan.blueprint.validate import check
from smplan.blueprint.variables import Variables, given_values
from smplan.core.blueprint import INVALID, BackendConfig, Blueprint, Moved, SourceMap
from smplan.core.resource_type import Catalogue
from smplan.core.values import InvalidReference, Json, PartialValue, Secret, parse_ref, refs
from smplan.core.wording import quoted
from smplan.errors import BlueprintInvalid

_NAME = re.compile(NAME)
_RESOLVED_NOW = ("smplan", "name", "aws", "state", "moved")


def load(
    path: FilePath,
    *,
    variables: Mapping[str, str] = {},
    variable_files: Sequence[FilePath] = (),
    environ: Mapping[str, str] = os.environ,
    catalogue: Catalogue,
) -> Blueprint:
    """The blueprint in ``path``. Raises BlueprintInvalid with all its errors.

    A variable's value comes from ``variables`` (as text), else the last of ``variable_files`` that has it, else
    ``SMPLAN_VAR_<name>`` in ``environ``, else its default. ``catalogue`` holds the known kinds.
    """
    diagnostics = Diagnostics()
    with suppress(TooManyErrors):
        data = document.read(path, diagnostics)
        value, source_map = document.parse(data, path, diagnostics)
        if isinstance(value, dict):
            given = given_values(_map(value.get("variables")), variables, variable_files, environ, diagnostics)
            reader = _Reader(source_map, diagnostics, FilePath(path).parent)
            for fault in written_secrets(value, source_map):
                diagnostics.add(fault)
            blueprint = reader.read(value, given, data, catalogue)
            for fault in given_secrets(given, reader.files):
                diagnostics.add(fault)
            if not diagnostics.found:
                return replace(blueprint, warnings=tuple(diagnostics.warnings))
        elif not diagnostics.found:
            diagnostics.add(source_map.diagnostic((), "a blueprint must be a map", "start the file with `smplan: 1`"))
    raise BlueprintInvalid([*diagnostics.found, *diagnostics.warnings])


def _map(value: PartialValue) -> dict[str, PartialValue]:
    return value if isinstance(value, dict) else {}


class _Reader:
    """Reads the sections of one document, in the order in which they are needed."""

    def __init__(self, source_map: SourceMap, diagnostics: Diagnostics, folder: FilePath) -> None:
        self.source_map, self.diagnostics = source_map, diagnostics
        self.files = Files(folder)
        self.interpolator = Interpolator(source_map, diagnostics, self.files)

    def read(
        self, value: dict[str, PartialValue], given: Mapping[str, Any], data: bytes, catalogue: Catalogue
    ) -> Blueprint:
        """The blueprint in ``value``; incomplete if errors were reported."""
        declared = _map(value.get("variables"))
        found = Variables(self.source_map, self.diagnostics, given).values(declared)
        self.interpolator.variables, self.interpolator.declared = found, declared
        form = self.header(value)
        resources = ResourceReader(self.interpolator)
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
            file=self.source_map.file,
            source_map=self.source_map,
            moved=tuple(self.moved(form.get("moved", []))),
        )
        for diagnostic in check(blueprint, resources.names, catalogue):
            self.diagnostics.add(diagnostic)
        kinds = {each.kind: type for each in instances if (type := catalogue.resource(each.kind))}
        for warning in scripts.warnings(blueprint, kinds, self.files.used):
            self.diagnostics.add(warning)
        return blueprint if self.diagnostics.found else replace(blueprint, digest=_digest(data, self.files.read, found))

    def header(self, value: dict[str, PartialValue]) -> dict[str, Any]:
        """The valid sections; those that must be known before planning are fully resolved."""
        plain = {
            name: self.interpolator.resolve_now(raw, (name,)) if name in _RESOLVED_NOW else raw
            for name, raw in value.items()
            if name != "$schema"
        }
        if "stream_manager" in plain:
            plain["stream_manager"] = self.interpolator.interpolate(plain["stream_manager"], ("stream_manager",))
        return validated(BlueprintForm, plain, (), self.source_map, self.diagnostics)

    def state(self, entries: dict[str, Json]) -> BackendConfig:
        """The configuration of the state backend."""
        backend = entries.get("backend", "local")
        form = STATES.get(backend) if isinstance(backend, str) else None
        if form is None:
            if backend is not INVALID:
                self.interpolator.report(("state", "backend"), f"the backend must be one of: {', '.join(STATES)}")
            return BackendConfig("local")
        found = validated(form, entries, ("state",), self.source_map, self.diagnostics)
        return BackendConfig(backend, {name: value for name, value in found.items() if name != "backend"})

    def moved(self, entries: list[dict[str, str]]) -> Iterator[Moved]:
        """The new addresses of resources; each entry names two addresses, or two names of ``for_each``."""
        for position, entry in enumerate(entries):
            path = ("moved", position)
            wrong = [name for name in ("from", "to") if not _is_address(entry.get(name, ""))]
            if wrong:
                self.interpolator.report(
                    path, f"`{wrong[0]}` must be an address", "write {from: old_name, to: new_name}"
                )
            else:
                yield Moved(entry["from"], entry["to"], path)

    def stream_manager(self, tree: PartialValue) -> PartialValue | None:
        """The connection to the API. The token must be a secret, the other fields must not."""
        if not isinstance(tree, dict):
            if tree is not None and not self.interpolator.from_invalid_variable(tree):
                self.interpolator.report(("stream_manager",), "`stream_manager` must be a map")
            return None
        for name, value in tree.items():
            path = ("stream_manager", name)
            if name == "access_token" and not isinstance(value, Secret) and value is not INVALID:
                diagnostic = self.source_map.diagnostic(
                    path, "a token must not be written in a blueprint", 'write {secret: "env:NAME"}'
                )
                self.diagnostics.add(replace(diagnostic, source=""))
            elif name != "access_token" and isinstance(value, Secret):
                self.interpolator.report(path, "a secret is not allowed here")
        return {"api_version": StreamManagerForm.model_fields["api_version"].default, **tree}

    def outputs(self, raw: dict[str, PartialValue], names: Mapping[str, Declaration]) -> dict[str, PartialValue]:
        """The outputs, without those that refer to disabled resources."""
        found = {}
        for name, value in raw.items():
            if not _NAME.match(name):
                self.interpolator.report(("outputs", name), f"{quoted(name)} cannot be a name", key=True)
            tree = self.interpolator.interpolate(value, ("outputs", name))
            if not any(is_disabled(ref, names) for _, ref in refs(tree)):
                found[name] = tree
        return found


def _is_address(text: str) -> bool:
    try:
        ref = parse_ref(text)
    except InvalidReference:
        return False
    return not ref.path and not ref.index_from_each


def _digest(data: bytes, files: Mapping[str, bytes], variables: Mapping[str, Json]) -> str:
    """SHA-256 over the blueprint, the files it reads and its variables, each with its length before it."""
    values = json.dumps(variables, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    digest = hashlib.sha256()
    for part in (data, values, *(piece for name in sorted(files) for piece in (name.encode(), files[name]))):
        digest.update(len(part).to_bytes(8) + part)
    return digest.hexdigest()
