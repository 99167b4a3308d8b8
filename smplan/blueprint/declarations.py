"""The declarations of names in a blueprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from smplan.core.values import Path, Ref, instance_address
from smplan.core.wording import one_of, quoted


@dataclass(frozen=True)
class Declaration:
    """The declaration of one name: a lookup, one resource, or one instance for each of ``keys``."""

    name: str
    kind: str
    path: Path
    lookup: bool = False
    keys: tuple[str, ...] | None = None
    disabled_keys: frozenset[str | None] = frozenset()
    """The keys (None where there are no keys) whose ``when`` is false."""
    has_errors: bool = False
    """Its own errors are reported already, so references to it are not checked."""

    def present(self) -> tuple[str, ...]:
        """The addresses of the enabled instances."""
        keys: tuple[str | None, ...] = (None,) if self.keys is None else self.keys
        return tuple(instance_address(self.name, key) for key in keys if key not in self.disabled_keys)

    def wrong_instance(self, ref: Ref) -> tuple[str, str] | None:
        """Message and hint, if ``ref`` names no enabled instance of it."""
        if self.keys is not None and ref.index is None and ref.path and isinstance(ref.path[0], int):
            ref = replace(ref, path=ref.path[1:])  # an index, as other tools count instances
        if self.keys is None and ref.index is not None:
            return f"{quoted(ref.root)} has no instances: it has no `for_each`", f"write `{replace(ref, index=None)}`"
        if self.keys is not None and ref.index is None:
            key = self.keys[0] if self.keys else "key"
            example = f"`{replace(ref, index=key)}`, or inside a `for_each` `{replace(ref, index_from_each=True)}`"
            return f"{quoted(ref.root)} has one instance per key: choose one", f"write {example}"
        if self.keys is not None and ref.index not in self.keys:
            return f"{quoted(ref.root)} has no instance {quoted(str(ref.index))}", one_of(str(ref.index), self.keys)
        if ref.index in self.disabled_keys:
            message = f"{quoted(ref.address)} does not exist: its `when` is false"
            return message, "give both the same `when`, or remove the reference"
        return None


def is_disabled(ref: Ref, names: Mapping[str, Declaration]) -> bool:
    """Whether ``ref`` refers to an instance whose ``when`` is false."""
    declaration = names.get(ref.root)
    return declaration is not None and ref.index in declaration.disabled_keys
