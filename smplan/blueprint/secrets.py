"""Errors of secrets that are written in a blueprint, a variable or a file that it reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from smplan import redaction
from smplan.blueprint.interpolate import Files
from smplan.blueprint.variables import Given
from smplan.core.blueprint import Blueprint, SourceMap
from smplan.core.secret_patterns import secret_form
from smplan.core.values import Interpolation, PartialValue, Path, Secret, leaves
from smplan.errors import Diagnostic

_READABLE = "; plans and the state, which others can read, would hold it"
_HINT = (
    'remove it here and renew it; a field that takes secrets takes {secret: "env:NAME"}, `smplan kinds KIND` lists them'
)
_AT_USE = "remove it; in scripts, read it where it is used, for example from the SSM parameter store"
_WEBHOOK = "let a Lambda function hold the address, and subscribe the function: protocol lambda"
_FILE = "let the script fetch it when it runs, from SSM or Secrets Manager"


def written_secrets(document: PartialValue, source_map: SourceMap) -> Iterator[Diagnostic]:
    """The secrets written in ``document``, without their values."""
    for path, text in leaves(document):
        form = secret_form(text) if isinstance(text, str) else ""
        if form:
            hint = _WEBHOOK if path[-1] == "endpoint" else _FILE if path[-1] == "user_data" else _HINT
            yield replace(source_map.diagnostic(path, f"this is {form}{_READABLE}", hint), source="")


def known_secrets(blueprint: Blueprint) -> Iterator[Diagnostic]:
    """The texts that hold a secret of this run, a password in a URL or a token in the path of one.

    They are redacted from now on. What is a secret by its form alone was reported before the blueprint was read.
    """
    places = [(resource.path, "spec", resource.spec) for resource in blueprint.resources]
    places += [(lookup.path, "where", lookup.where) for lookup in blueprint.lookups]
    places += [((), name, getattr(blueprint, name)) for name in ("variables", "stream_manager", "outputs")]
    token = (blueprint.stream_manager or {}).get("access_token")
    repeated = () if isinstance(token, Secret) else ("stream_manager", "variables")  # reported where it is written
    for path, name, tree in places:
        for inside, value in leaves(tree):
            if isinstance(value, (str, Interpolation)):
                yield from _known_secret(blueprint, (*path, name, *inside), str(value), repeated)


def _known_secret(blueprint: Blueprint, path: Path, text: str, repeated: tuple[str, ...]) -> Iterator[Diagnostic]:
    found, what, hint = redaction.passwords(text), "a URL with a password", _AT_USE
    if not found and (path[-1] == "endpoint" or path[0] == "stream_manager"):
        found, what, hint = redaction.tokens(text), "a URL with a token", _WEBHOOK
    for secret in found:
        redaction.KNOWN.remember(secret)
    if secret_form(text):
        return
    if not found and path[0] not in repeated and redaction.redacted(text) != text:
        found, what, hint = [text], "the value of a secret", _AT_USE
    if found:
        yield blueprint.source_map.diagnostic(path, f"this contains {what}{_READABLE}", hint)


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
