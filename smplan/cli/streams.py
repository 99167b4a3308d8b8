"""Standard output and error without the secrets that this process knows."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Any, TextIO, cast

from smplan.redaction import redacted


class Redacting:
    """A text stream that redacts what is written; everything else is that of the stream behind it."""

    encoding = "utf-8"
    """So that click writes here, not to the bytes behind it. The stream replaces what it cannot encode."""

    def __init__(self, stream: TextIO, *, best_effort: bool = False) -> None:
        """``best_effort``: what cannot be written is no error."""
        self._stream = stream
        self._errors: tuple[type[Exception], ...] = (OSError,) if best_effort else ()

    def write(self, text: str) -> int:
        """Write ``text`` without secrets."""
        with suppress(*self._errors):
            self._stream.write(redacted(text))
        return len(text)

    def flush(self) -> None:
        """Write what is buffered."""
        with suppress(*self._errors):
            self._stream.flush()

    def writelines(self, lines: Any) -> None:
        """Write each of ``lines``."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def install() -> None:
    """Redact standard output and error; what cannot be written to the latter changes no exit code.

    Closed streams become the null device: else the next file that is opened would get their number, and their output.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number: this one
    sys.stdout = cast("TextIO", Redacting(_open(sys.stdout, 1)))
    sys.stderr = cast("TextIO", Redacting(_open(sys.stderr, 2), best_effort=True))


def _open(stream: TextIO | None, number: int) -> TextIO:
    """``stream``, which is None if it was closed when Python started."""
    if stream is None:
        return open(number, "w", encoding="utf-8", errors="replace", closefd=False)
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="replace")  # a character the terminal lacks is not an error
    return stream


def unredacted() -> TextIO:
    """Standard output as it is, for what a person asked to see."""
    stream = sys.stdout
    return stream._stream if isinstance(stream, Redacting) else stream
