"""A kind as people are told of it: what may be written, what it makes known. Checks, schemas and help read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from smplan.core.spec import Spec


@dataclass(frozen=True)
class KindDoc:
    """One kind by its name: as a resource (``spec`` is not None), as a lookup (``keys`` is not None), or both."""

    name: str
    summary: str = ""
    spec: type[Spec] | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)
    """What a resource of this kind makes known beside its fields and ``id``, each with its description."""
    via_stream_manager: bool = False
    """Whether it is read and changed through a Stream Manager."""
    lookup_summary: str = ""
    keys: Mapping[str, str] | None = None
    """What ``where`` of a lookup may hold, each with its description; ``tag:*`` stands for any tag."""
    lookup_outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Catalogue:
    """Where checks find a kind by its name, and all names, which are only asked for to suggest one."""

    kind: Callable[[str], KindDoc | None]
    resources: Callable[[], Iterable[str]]
    lookups: Callable[[], Iterable[str]]
