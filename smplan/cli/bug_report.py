"""Bug reports: an internal error as one line on standard error, its traceback in a file without secrets."""

from __future__ import annotations

import errno
import os
import platform
import re
import sys
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from smplan import __version__, redaction
from smplan.cli.workspace import current_workspace, shown
from smplan.errors import Bug

_SECRET_NAME = re.compile(r"TOKEN|SECRET|KEY|PASSW", re.IGNORECASE)
_SHORTEST = 4
"""Shorter values are not redacted: they would match half of the text."""
_ASSIGNED = re.compile(r"(\w*(?:TOKEN|SECRET|KEY|PASSW)\w*)=\S+", re.IGNORECASE)


def report(error: BaseException) -> None:
    """Write the traceback of ``error`` to a file (mode 0600) in ``.smplan``, without secrets, and print its path."""
    name = "" if isinstance(error, Bug) else f"{type(error).__name__}: "
    message = f"smplan: this is a bug in smplan: {name}{redacted(str(error))}"
    try:
        path = _write("".join(traceback.format_exception(error)))
    except OSError as failed:
        sys.stderr.write(f"{message}\n  = report it in the project's issue tracker; no details: {failed.strerror}\n")
        return
    sys.stderr.write(f"{message}\n  = report it in the project's issue tracker and attach {path}\n")


def redacted(text: str) -> str:
    """``text`` without known secrets, and values of environment variables and assignments whose names suggest one."""
    for name, value in sorted(os.environ.items(), key=lambda item: -len(item[1])):
        if _SECRET_NAME.search(name) and len(value) >= _SHORTEST:
            text = text.replace(value, f"[{name}]")
    return redaction.redacted(_ASSIGNED.sub(r"\1=[redacted]", text))


def _write(details: str) -> Path:
    folder = shown(current_workspace() / ".smplan")
    if folder.is_symlink():
        raise OSError(errno.ELOOP, f"{folder} is a symbolic link")
    folder.mkdir(exist_ok=True)
    system = f"smplan {__version__}, Python {platform.python_version()}, {platform.platform()}"
    command = redacted(" ".join(sys.argv[1:]))
    text = f"{system}\nsmplan {command}\n\n{redacted(details)}"
    descriptor, name = tempfile.mkstemp(dir=folder, prefix=f"bug-{datetime.now(UTC):%Y%m%d-%H%M%S}-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return folder / Path(name).name
