"""Raw values of a document as trees: references read, variables and ``each`` filled in, files and secrets taken up."""

from __future__ import annotations

import re
import stat
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path as FilePath

from smplan.blueprint.diagnostics import Diagnostics
from smplan.core.blueprint import INVALID, SourceMap
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

MOST_FILE_BYTES = 64 * 1024
MOST_VALUES = 150_000
MOST_TEXT = 16 * 1024 * 1024

_SOURCE = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|ssm:[A-Za-z0-9_.\-/]+|secretsmanager:[A-Za-z0-9_+=,.@!:/\-]+)\Z")


@dataclass(frozen=True, slots=True)
class Each:
    """The instance being made: its key and its value; not ``known`` if its ``for_each`` is wrong."""

    key: str
    value: PartialValue
    known: bool = True


@dataclass
class Budget:
    """How much a blueprint may grow to while its variables and instances are written out."""

    marks: SourceMap
    faults: Diagnostics
    values: int = MOST_VALUES
    text: int = MOST_TEXT

    def spend(self, path: Path, values: int, text: int = 0) -> None:
        """Count what was added at ``path``. Raises TooManyErrors when it is too much."""
        self.values -= values
        self.text -= text
        if self.values < 0 or self.text < 0:
            message = f"written out, the blueprint is too large: more than {MOST_VALUES} values or 16 MiB of text"
            raise self.faults.end(self.marks.diagnostic(path, message, "split it into blueprints of their own"))


@dataclass
class Files:
    """The text files beside the blueprint that it reads."""

    folder: FilePath
    read: dict[str, bytes] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The text of ``name``. Raises ValueError, in words for the user."""
        if name not in self.read:
            self.read[name] = self._bytes(name)
        text = self.read[name].decode()
        if "\0" in text:
            raise ValueError(f"{quoted(name)} holds NUL: it is not a text")
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
                data = file.read(MOST_FILE_BYTES + 1)
            data.decode()
        except UnicodeDecodeError:
            raise ValueError(f"{quoted(name)} is not UTF-8 text") from None
        except (OSError, RuntimeError) as error:
            raise ValueError(f"{quoted(name)} cannot be read: {getattr(error, 'strerror', None) or error}") from None
        if len(data) > MOST_FILE_BYTES:
            raise ValueError(f"{quoted(name)} is larger than {MOST_FILE_BYTES // 1024} KiB")
        return data


@dataclass
class Interpolator:
    """Makes trees of raw values. What is wrong is reported and becomes INVALID."""

    marks: SourceMap
    faults: Diagnostics
    files: Files
    variables: Mapping[str, Json] = field(default_factory=dict)
    declared: Collection[str] = ()
    """Every variable there is, also those whose value has a fault."""

    def __post_init__(self) -> None:
        self.budget = Budget(self.marks, self.faults)
        self._weights: dict[int, tuple[PartialValue, tuple[int, int]]] = {}

    def fault(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> PartialValue:
        """Report an error; returns INVALID in place of the value."""
        self.faults.add(self.marks.diagnostic(path, message, hint, key=key))
        return INVALID

    def fill(self, raw: PartialValue, path: Path, each: Each | None = None) -> PartialValue:
        """The tree that ``raw``, which stands at ``path``, means (for the instance ``each``)."""
        self.budget.spend(path, 1)
        if isinstance(raw, str):
            return self._text(raw, path, each) if "${" in raw else raw
        if isinstance(raw, dict):
            if len(raw) == 1 and "secret" in raw:
                return self._secret(raw["secret"], (*path, "secret"), each)
            if len(raw) == 1 and "file" in raw:
                return self._file(raw["file"], (*path, "file"), each)
            return {self._key(key, path): self.fill(value, (*path, key), each) for key, value in raw.items()}
        if isinstance(raw, list):
            return [self.fill(value, (*path, position), each) for position, value in enumerate(raw)]
        return raw

    def settled(self, raw: PartialValue, path: Path, each: Each | None = None) -> PartialValue:
        """As ``fill``, for what must be known before anything is looked up or made."""
        return self._settled(self.fill(raw, path, each), path)

    def _settled(self, tree: PartialValue, path: Path) -> PartialValue:
        if isinstance(tree, dict):
            return {key: self._settled(value, (*path, key)) for key, value in tree.items()}
        if isinstance(tree, list):
            return [self._settled(value, (*path, position)) for position, value in enumerate(tree)]
        if isinstance(tree, Secret):
            return self.fault(path, "a secret is not allowed here")
        if isinstance(tree, Placeholder) and tree is not INVALID and not self.from_faulty_variable(tree):
            return self.fault(path, f"`{tree}` is known only later; this must be known at once", "use a variable")
        return INVALID if isinstance(tree, Placeholder) else tree

    def from_faulty_variable(self, tree: PartialValue) -> bool:
        """Whether all that ``tree`` is missing is a variable (or ``each``) reported as invalid."""
        missing = [ref for _, ref in refs(tree)]
        return bool(missing) and all(ref.root in ("var", "each") for ref in missing)

    def _key(self, key: str, path: Path) -> str:
        if "${" in key:
            self.fault((*path, key), "a key cannot hold a reference", "give the value by it instead", key=True)
        return key

    def _text(self, raw: str, path: Path, each: Each | None) -> PartialValue:
        try:
            return resolve(parse_text(raw), partial(self._known, path, each))
        except InvalidReference as bad:
            hint = "write `${name.attribute}`; for the characters `${` themselves write `$${`"
            return self.fault(path, str(bad), hint if str(bad).endswith("is not a reference") else "")

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
            return self._dug(path, ref, self.variables[name], ref.path[1:])
        if name not in self.declared:
            missing = f"there is no variable {quoted(name)}" if name else "`${var}` does not say which variable"
            self.fault(path, missing, one_of(name, self.declared))
        return ref

    def _each(self, path: Path, each: Each | None, ref: Ref) -> PartialValue:
        if each is None:
            self._outside(path, ref)
        elif ref.path != ("key",) and ref.path[:1] != ("value",):
            self.fault(path, f"`{ref}` is neither `${{each.key}}` nor `${{each.value}}`")
        elif each.known:
            return each.key if ref.path == ("key",) else self._dug(path, ref, each.value, ref.path[1:])
        return ref

    def _outside(self, path: Path, ref: Ref) -> None:
        self.fault(path, f"`{ref}` has a meaning only in a resource with `for_each`")

    def _dug(self, path: Path, ref: Ref, value: PartialValue, inside: Path) -> PartialValue:
        try:
            found = get_path(value, inside)
        except KeyError as missing:
            self.fault(path, f"`{ref}` leads nowhere: there is no {quoted(str(missing.args[0]))} in it")
            return ref
        self.budget.spend(path, *self._weight(found))
        return found

    def _weight(self, value: PartialValue) -> tuple[int, int]:
        """How many values, and how much text, ``value`` holds."""
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
        source = self.fill(raw, path, each)
        if isinstance(source, str) and _SOURCE.match(source):
            return Secret(source)
        if source is INVALID or self.from_faulty_variable(source):
            return INVALID
        return self.fault(
            path, "this does not say where the secret is", "write env:NAME, ssm:/path or secretsmanager:id"
        )

    def _file(self, raw: PartialValue, path: Path, each: Each | None) -> PartialValue:
        name = self.fill(raw, path, each)
        if name is INVALID or self.from_faulty_variable(name):
            return INVALID
        if not isinstance(name, str):
            return self.fault(path, f"the path of a file is text known at once, not {shape(name)}")
        try:
            text = self.files.text(name)
        except ValueError as error:
            return self.fault(path, str(error), "give a path relative to the blueprint, inside its folder")
        self.budget.spend(path, 1, len(text))
        return text
