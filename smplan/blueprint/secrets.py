"""Errors of secrets that are written in a blueprint, a variable or a file that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from smplan.blueprint.interpolate import Files
from smplan.blueprint.variables import Given
from smplan.core.blueprint import SourceMap
from smplan.core.secret_patterns import secret_form
from smplan.core.values import PartialValue, leaves
from smplan.errors import Diagnostic

_READABLE = "; plans and the state, which others can read, would hold it"
_HINT = (
    'remove it here and renew it; a field that takes secrets takes {secret: "env:NAME"}, `smplan kinds KIND` lists them'
)
_WEBHOOK = "let a Lambda function hold the address, and subscribe the function: protocol lambda"
_FILE = "let the script fetch it when it runs, from SSM or Secrets Manager"


def written_secrets(document: PartialValue, source_map: SourceMap) -> Iterator[Diagnostic]:
    """The secrets written in ``document``, without their values."""
    for path, text in leaves(document):
        form = secret_form(text) if isinstance(text, str) else ""
        if form:
            hint = _WEBHOOK if path[-1] == "endpoint" else _FILE if path[-1] == "user_data" else _HINT
            yield replace(source_map.diagnostic(path, f"this is {form}{_READABLE}", hint), source="")


def given_secrets(given: Mapping[str, Given], files: Files) -> Iterator[Diagnostic]:
    """The secrets in values of variables given from outside, and in the files that the blueprint reads."""
    for value in given.values():
        for _, text in leaves(value.value):
            if isinstance(text, str) and (form := secret_form(text)):
                yield replace(value.diagnostic(f"this is {form}{_READABLE}", _HINT), source="")
    for name, data in files.read.items():
        text = data.decode()
        for number, line in enumerate(text.splitlines(), 1):
            if form := secret_form(line):
                file = str(files.folder / name)
                yield Diagnostic(f"this is {form}{_READABLE}", _FILE, file=file, line=number, column=1)
