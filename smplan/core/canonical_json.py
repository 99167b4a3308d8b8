"""The canonical form of JSON, and its digest."""

from __future__ import annotations

import hashlib
import json

from smplan.core.values import Json

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical(data: Json) -> bytes:
    """``data`` with sorted keys, without white space, in ASCII. Raises ValueError or TypeError if it is not JSON."""
    return _ENCODER.encode(data).encode("ascii")


def digest(data: Json) -> str:
    """The SHA-256 of the canonical form, in hex."""
    return hashlib.sha256(canonical(data)).hexdigest()
