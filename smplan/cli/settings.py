"""What only the operator decides, never the blueprint or a file beside it: where secrets may be sent, who approves."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from smplan.core.blueprint import Blueprint
from smplan.core.plan.model import Plan
from smplan.core.resolver import Resolver
from smplan.core.values import decode, resolve
from smplan.drivers import registry
from smplan.drivers.destinations import SETTING, SecretHosts
from smplan.drivers.http import HttpClient, check_connect_to, check_url
from smplan.errors import Diagnostic, Invalid, SmplanError

FILE = Path("smplan") / "smplan.toml"
"""In ``$XDG_CONFIG_HOME``. A `smplan.toml` in a workspace only marks it: it may come with the blueprint."""
KEY = "secret_hosts"
APPROVAL = "approval"
"""The table with the policy of approvals, see ``approvals``."""


def secret_hosts(environ: Mapping[str, str]) -> SecretHosts:
    """The hosts in the environment and in the operator's `smplan.toml`. Raises SmplanError for a malformed file."""
    given = [entry.strip() for entry in environ.get(SETTING, "").split(",")]
    return SecretHosts(tuple(entry for entry in (*given, *_from_file(config_file(environ))) if entry))


def config_file(environ: Mapping[str, str]) -> Path | None:
    """The operator's `smplan.toml`; None without an absolute path to it."""
    folder = user_folder(environ, "XDG_CONFIG_HOME", Path(".config"))
    return folder / FILE if folder else None


def user_folder(environ: Mapping[str, str], variable: str, default: Path) -> Path | None:
    """The folder in ``variable``, else ``default`` in the user's home; None unless that is an absolute path."""
    folder = Path(environ.get(variable) or Path(environ.get("HOME", ""), default))
    return folder if folder.is_absolute() else None


def _from_file(path: Path | None) -> list[str]:
    hosts = read_settings(path).get(KEY, [])
    if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
        raise _malformed(path)
    return hosts


def read_settings(path: Path | None) -> dict[str, Any]:
    """What the operator's `smplan.toml` at ``path`` says; nothing without one. Raises SmplanError for another form."""
    if path is None or not os.path.lexists(path):
        return {}
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SmplanError(f"{path} cannot be read: {error}", hint="fix the file") from None
    if not found.keys() <= {KEY, APPROVAL}:
        raise _malformed(path)
    return found


def _malformed(path: Path | None) -> SmplanError:
    return SmplanError(
        f'{path} may contain only {KEY} = ["HOST", …] and [{APPROVAL}]',
        hint="see docs/reference/environment-variables.md",
    )


def url_errors(blueprint: Blueprint) -> Iterator[Diagnostic]:
    """The errors of Stream Manager's URL and of the host to connect to, as far as they are written out."""
    settings = blueprint.stream_manager or {}
    for name, check in (("url", check_url), ("connect_to", check_connect_to)):
        value = settings.get(name)
        if isinstance(value, str):
            try:
                check(value)
            except Invalid as error:
                yield blueprint.source_map.diagnostic(("stream_manager", name), error.message, error.hint)


def check_destination(plan: Plan, environ: Mapping[str, str]) -> None:
    """Check where ``plan`` sends Stream Manager's token, as far as the plan knows.

    What only the apply knows is checked there. Raises GuardRefused, Invalid.
    """
    kinds = (registry.driver(step.kind) for step in plan.steps)
    if not any(kind and kind.via_stream_manager for kind in kinds):
        return
    resolver = Resolver(plan.lookups, [step.resource for step in plan.steps])
    settings = resolve(decode(plan.stream_manager or {}), resolver)
    url, connect_to = settings.get("url"), settings.get("connect_to")
    if isinstance(url, str) and (connect_to is None or isinstance(connect_to, str)):
        client = HttpClient(url, connect_to=connect_to, connect_map=environ.get("SMPLAN_CONNECT_TO", ""))
        client.check_secrets_allowed(secret_hosts(environ))
