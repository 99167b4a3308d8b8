"""Names of generations: a replacement with a unique name is created beside the old one as ``name-<hash6>``."""

from __future__ import annotations

from smplan.core import canonical_json
from smplan.core.values import Json

SUFFIX_LENGTH = 7


def replacement_name(name: str, limit: int, spec: Json, generation: int) -> str:
    """The name of ``generation`` (2 or more): ``name`` cut to fit ``limit``, and six hex digits of its content."""
    return f"{name[: limit - SUFFIX_LENGTH]}-{canonical_json.digest([spec, generation])[:6]}"


def current_name(name: str, limit: int, current: str) -> str:
    """``current`` if it is a later generation of ``name``, else ``name``."""
    is_later = (
        len(current) > SUFFIX_LENGTH
        and current[-SUFFIX_LENGTH] == "-"
        and current[:-SUFFIX_LENGTH] == name[: limit - SUFFIX_LENGTH]
    )
    return current if is_later else name
