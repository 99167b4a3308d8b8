"""Plain YAML scalars: the core schema of YAML 1.2 without its ambiguous forms."""

from __future__ import annotations

import math
import re

from smplan.core.values import Json

_NUMBER = re.compile(
    r"(?P<int>[-+]?[0-9]+)|0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)"
    r"|(?P<float>[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?)"
    r"|(?P<odd>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_WORDS: dict[str, Json] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_AMBIGUOUS = frozenset(
    form for word in ("on", "off", "yes", "no", "y", "n") for form in (word, word.capitalize(), word.upper())
)
_STARTS = frozenset("+-.0123456789")
_LONGEST_NUMBER = 40
_LARGEST = 2**63


class InvalidScalar(ValueError):
    """The scalar is not supported as written; the message says why, ``hint`` how to write it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def plain(text: str) -> Json:
    """The value of the plain (unquoted) scalar ``text``. Raises InvalidScalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text in _AMBIGUOUS:
        raise InvalidScalar(
            f"`{text}` is a boolean to some YAML parsers and text to others",
            f'quote it: "{text}"; or write true or false',
        )
    return number(text) if text[0] in _STARTS else text


def number(text: str) -> Json:
    """The number in ``text``, or ``text`` if it is not a number. Raises InvalidScalar."""
    found = _NUMBER.fullmatch(text)
    if not found:
        return text
    if found["odd"]:
        raise InvalidScalar(f"`{text}` is not a supported number", "write a finite number")
    if len(text) > _LONGEST_NUMBER:
        raise InvalidScalar(f"a number of {len(text)} characters is too long", "quote it if it is text")
    if found["float"]:
        return finite(text)
    digits = text.lstrip("+-")
    if found["int"] and digits != "0" and digits.startswith("0"):
        raise InvalidScalar(f"`{text}` begins with 0, which a number would lose", f'quote it: "{text}"')
    return bounded(int(text) if found["int"] else int(text, 0))


def bounded(value: int) -> int:
    """``value``, if it fits in 64 bits. Raises InvalidScalar."""
    if not -_LARGEST <= value < _LARGEST:
        raise InvalidScalar(f"{value} is too large a number", "quote it if it is text")
    return value


def finite(text: str) -> float:
    """The floating-point number in ``text``. Raises InvalidScalar if it is out of range."""
    value = float(text)
    if not math.isfinite(value):
        raise InvalidScalar(f"`{text}` is too large a number", "quote it if it is text")
    return value
