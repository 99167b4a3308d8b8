"""Interpolation of raw values: references, variables, ``each``, files and secrets."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path as FilePath

from smplan.blueprint.diagnostics import Diagnostics
from smplan.core.blueprint import INVALID, SourceMap
from smplan.core.secret_patterns import SECRET_SOURCE
from smplan.core.values import (
    InvalidReference,
    Json,
    PartialValue,
    Path,
    Placeholder,
    Ref,
    Secret,
    get_path,
    parse_text,
    refs,
    resolve,
)
from smplan.core.wording import one_of, quoted, shape

MAX_FILE_BYTES = 64 * 1024
MAX_VALUES = 150_000
MAX_TEXT = 16 * 1024 * 1024

_FOREIGN = re.compile(r"(?:\$|\{\{\s*|\$\(|%\{|<%=\s*)((?:var|each)\.[A-Za-z_][\w.-]*)(?:\s*\}\}|\)|\}|\s*%>)?")
"""A reference as other tools write it: ``$var.x``, ``{{ var.x }}``, ``$(var.x)``."""


def _reference_hint(problem: str) -> str:
    if "never closed" in problem:
        return "close it: `${name.attribute}`"
    if not problem.endswith("is not a reference"):
        return ""
    if re.search(r"[(?+*/|]| - |==", problem):
        return "only `${name.attribute}` is supported, no functions or operators: pass the result as a variable"
    return "write `${name.attribute}`; for the characters `${` themselves write `$${`"


@dataclass(frozen=True, slots=True)
class Each:
    """Key and value of one ``for_each`` instance; not ``known`` if the ``for_each`` is invalid."""

    key: str
    value: PartialValue
    known: bool = True


@dataclass
class SizeLimit:
    """Limits the size of a blueprint while variables and instances are expanded."""

    source_map: SourceMap
    diagnostics: Diagnostics
    values: int = MAX_VALUES
    text: int = MAX_TEXT

    def charge(self, path: Path, values: int, text: int = 0) -> None:
        """Count what was added at ``path``. Raises TooManyErrors above the limit."""
        self.values -= values
        self.text -= text
        if self.values < 0 or self.text < 0:
            message = f"the expanded blueprint is too large: more than {MAX_VALUES} values or 16 MiB of text"
            raise self.diagnostics.fatal(self.source_map.diagnostic(path, message, "split it into several blueprints"))


@dataclass
class Files:
    """The text files beside the blueprint that it reads."""

    folder: FilePath
    read: dict[str, bytes] = field(default_factory=dict)
    used: dict[Path, str] = field(default_factory=dict)
    """The path of each value that is the text of a file, with the file's name."""

    def text(self, name: str) -> str:
        """The text of ``name``. Raises ValueError with a message for the user."""
        if name not in self.read:
            self.read[name] = self._bytes(name)
        text = self.read[name].decode()
        if "\0" in text:
            raise ValueError(f"{quoted(name)} contains NUL: it is not text")
        return text

    def _bytes(self, name: str) -> bytes:
        try:
            folder = self.folder.resolve()
            path = (folder / name).resolve()
            if not name or not path.is_relative_to(folder):
                raise ValueError(f"{quoted(name)} is not in the blueprint's folder")
            if any(part.startswith(".") for part in path.relative_to(folder).parts):
                raise ValueError(f"{quoted(name)} is hidden (its name or that of a folder begins with a dot)")
            if not stat.S_ISREG(path.stat().st_mode):
                raise ValueError(f"{quoted(name)} is not a file")
            with path.open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
            data.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{quoted(name)} is not UTF-8 text") from None
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{quoted(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if len(data) > MAX_FILE_BYTES:
            raise ValueError(f"{quoted(name)} is larger than {MAX_FILE_BYTES // 1024} KiB")
        return data


@dataclass
class Interpolator:
    """Interpolates raw values. Errors are reported, and the value becomes INVALID."""

    source_map: SourceMap
    diagnostics: Diagnostics
    files: Files
    variables: Mapping[str, Json] = field(default_factory=dict)
    declared: Collection[str] = ()
    """Every declared variable, also those with an invalid value."""

    def __post_init__(self) -> None:
        self.size_limit = SizeLimit(self.source_map, self.diagnostics)
        self._weights: dict[int, tuple[PartialValue, tuple[int, int]]] = {}

    def report(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> PartialValue:
        """Report an error; returns INVALID in place of the value."""
        self.diagnostics.add(self.source_map.diagnostic(path, message, hint, key=key))
        return INVALID

    def interpolate(self, raw: PartialValue, path: Path, each: Each | None = None) -> PartialValue:
        """``raw``, found at ``path``, interpolated (for the instance ``each``)."""
        self.size_limit.charge(path, 1)
        if isinstance(raw, str):
            if "${" in raw:
                return self._text(raw, path, each)
            if found := _FOREIGN.search(raw):
                message = f"{quoted(found[0])} is not a reference here: it is sent as it is"
                hint = f"write `${{{found[1]}}}`"
                self.diagnostics.add(self.source_map.diagnostic(path, message, hint, severity="warning"))
            return raw
        if isinstance(raw, dict):
            if len(raw) == 1 and "secret" in raw:
                return self._secret(raw["secret"], (*path, "secret"), each)
            if len(raw) == 1 and "file" in raw:
                return self._file(raw["file"], (*path, "file"), each)
            return {self._key(key, path): self.interpolate(value, (*path, key), each) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self.interpolate(value, (*path, position), each) for position, value in enumerate(raw)]
        return raw

    def resolve_now(self, raw: PartialValue, path: Path, each: Each | None = None) -> PartialValue:
        """Like ``interpolate``, for values that must be known before planning."""
        return self._known_now(self.interpolate(raw, path, each), path)

    def _known_now(self, tree: PartialValue, path: Path) -> PartialValue:
        if isinstance(tree, dict):
            return {key: self._known_now(value, (*path, key)) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._known_now(value, (*path, position)) for position, value in enumerate(tree)]
        if isinstance(tree, Secret):
            return self.report(path, "a secret is not allowed here")
        if isinstance(tree, Placeholder) and tree is not INVALID and not self.from_invalid_variable(tree):
            return self.report(path, f"`{tree}` is not known before planning; this must be", "use a variable")
        return INVALID if isinstance(tree, Placeholder) else tree

    def from_invalid_variable(self, tree: PartialValue) -> bool:
        """Whether ``tree`` is unknown only because of a variable (or ``each``) already reported as invalid."""
        missing = [ref for _, ref in refs(tree)]
        return bool(missing) and all(ref.root in ("var", "each") for ref in missing)

    def _key(self, key: str, path: Path) -> str:
        if "${" in key:
            self.report((*path, key), "a key cannot contain references", "move the reference into the value", key=True)
        return key

    def _text(self, raw: str, path: Path, each: Each | None) -> PartialValue:
        try:
            return resolve(parse_text(raw), partial(self._known, path, each))
        except InvalidReference as bad:
            return self.report(path, str(bad), _reference_hint(str(bad)))

    def _known(self, path: Path, each: Each | None, ref: Ref) -> PartialValue:
        """What ``ref`` stands for, as far as it is known now. What stays open returns as it came."""
        if ref.root == "var":
            return self._variable(path, ref)
        if ref.root == "each":
            return self._each(path, each, ref)
        if not ref.index_from_each:
            return ref
        if each is None:
            self._outside(path, ref)
        if each is None or not each.known:
            return Ref("each", path=("key",))
        return replace(ref, index=each.key, index_from_each=False)

    def _variable(self, path: Path, ref: Ref) -> PartialValue:
        name = str(ref.path[0]) if ref.path else ""
        if name in self.variables and ref.index is None and not ref.index_from_each:
            return self._at_path(path, ref, self.variables[name], ref.path[1:])
        if name not in self.declared:
            missing = f"there is no variable {quoted(name)}" if name else "`${var}` does not name a variable"
            self.report(path, missing, one_of(name, self.declared))
        return ref

    def _each(self, path: Path, each: Each | None, ref: Ref) -> PartialValue:
        if each is None:
            self._outside(path, ref)
        elif ref.path != ("key",) and ref.path[:1] != ("value",):
            message = f"`{ref}` is neither `${{each.key}}` nor `${{each.value}}`"
            hint = "write one of them; an entry of a map is `${each.value.name}`"
            self.report(path, message, hint)
        elif each.known:
            return each.key if ref.path == ("key",) else self._at_path(path, ref, each.value, ref.path[1:])
        return ref

    def _outside(self, path: Path, ref: Ref) -> None:
        self.report(path, f"`{ref}` is valid only in a resource with `for_each`")

    def _at_path(self, path: Path, ref: Ref, value: PartialValue, inside: Path) -> PartialValue:
        try:
            found = get_path(value, inside)
        except KeyError as missing:
            self.report(path, f"`{ref}` cannot be resolved: there is no {quoted(str(missing.args[0]))} in it")
            return ref
        self.size_limit.charge(path, *self._weight(found))
        return found

    def _weight(self, value: PartialValue) -> tuple[int, int]:
        """The number of values, and of characters of text, in ``value``."""
        if isinstance(value, str):
            return 1, len(value)
        if not isinstance(value, (dict, list)):
            return 1, 0
        if id(value) not in self._weights:
            inside = value.values() if isinstance(value, dict) else value
            weights = [self._weight(item) for item in inside]
            weight = 1 + sum(each for each, _ in weights), sum(text for _, text in weights)
            self._weights[id(value)] = value, weight
        return self._weights[id(value)][1]

    def _secret(self, raw: PartialValue, path: Path, each: Each | None) -> PartialValue:
        source = self.interpolate(raw, path, each)
        if isinstance(source, str) and SECRET_SOURCE.fullmatch(source):
            return Secret(source)
        if source is INVALID or self.from_invalid_variable(source):
            return INVALID
        return self.report(path, "this is not a source of secrets", "write env:NAME, ssm:/path or secretsmanager:id")

    def _file(self, raw: PartialValue, path: Path, each: Each | None) -> PartialValue:
        name = self.interpolate(raw, path, each)
        if name is INVALID or self.from_invalid_variable(name):
            return INVALID
        if not isinstance(name, str):
            return self.report(path, f"the path of a file must be text known before planning, not {shape(name)}")
        try:
            text = self.files.text(name)
        except ValueError as error:
            return self.report(path, str(error), "use a path relative to the blueprint, inside its folder")
        self.size_limit.charge(path, 1, len(text))
        self.files.used[path[:-1]] = name
        return text
