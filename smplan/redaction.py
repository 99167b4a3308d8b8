"""The secrets that this process knows, and texts without them: by value, in every form in which a server echoes one."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

REDACTED = "[redacted]"
SHORTEST = 4
"""Shorter values are not redacted: they would match half of the text."""
SURE = 8
"""Shorter values are redacted only as whole words, and not in base64."""
_AWS_SHORTEST = 16
"""AWS's keys are longer; what is shorter is an emulator's, such as `test`."""

_AWS_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_AUTHORIZATION_TOKEN")
_URLS = re.compile(r"AWS_ENDPOINT_URL(_\w+)?|(\w+_)?PROXY", re.IGNORECASE)
_PASSWORD = re.compile(r"(://)[^/?#\s@\"'`<>]*:[^/\s@\"'`<>]+@")
_PARAMETER = re.compile(
    r"\b((?:access_?token|x-amz-signature|x-amz-security-token)(?:=|%3d|[\"']?:\s*[\"']?))(?![{$]|secret\b)[^&\s\"'`<>,}]+",
    re.IGNORECASE,
)


_URL = re.compile(r"[a-z][a-z0-9+.-]*://[^\s\"'`<>]+", re.IGNORECASE)
_SECRET_PARAMETER = re.compile(
    r".*(token|secret|signature|passw(or)?d|pwd|credential|api_?-?key)s?|sig|auth|key|code", re.IGNORECASE
)
_WEBHOOK_HOST = re.compile(r"hook|pagerduty|opsgenie|discord|telegram", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])([A-Za-z0-9_]{20,}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})")
_WEBHOOK_PART = re.compile(r"[A-Za-z0-9_:-]{16,}")
_PLACEHOLDER = re.compile(r"[$<{(*%].*|\[redacted\]|x+|\.+", re.IGNORECASE)


class Redactor:
    """Secrets, and the texts from which they are removed. Safe to share among threads."""

    def __init__(self) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._patterns: frozenset[str] = frozenset()
        self._compiled: re.Pattern[str] | None = None

    def remember(self, secret: str) -> None:
        """Redact ``secret`` from now on."""
        if len(secret) < SHORTEST or secret in self._secrets:
            return
        self._secrets |= {secret}
        self._patterns |= set(_patterns(secret))
        self._compiled = re.compile("|".join(sorted(self._patterns, key=lambda each: (-len(each), each))))

    def remember_environment(self, environ: Mapping[str, str]) -> None:
        """Redact AWS's keys, and the passwords in the URLs of endpoints and proxies."""
        for name in _AWS_SECRETS:
            if len(environ.get(name, "")) >= _AWS_SHORTEST:
                self.remember(environ[name])
        for name, value in environ.items():
            if _URLS.fullmatch(name):
                self._remember_url(value)

    def remember_sources(self, document: Any, environ: Mapping[str, str]) -> None:
        """Redact the environment variables that ``document`` names as secrets: ``{secret: "env:NAME"}``."""
        if isinstance(document, dict):
            source = document.get("secret")
            if isinstance(source, str) and source.startswith("env:"):
                self.remember(environ.get(source.removeprefix("env:"), ""))
        if isinstance(document, (dict, list)):
            for item in document.values() if isinstance(document, dict) else document:
                self.remember_sources(item, environ)

    def _remember_url(self, url: str) -> None:
        for secret in (*passwords(url), *tokens(url)):
            self.remember(secret)
            self.remember(unquote(secret))

    def text(self, text: str) -> str:
        """``text`` without secrets, passwords in URLs and access tokens."""
        if self._compiled:
            text = self._compiled.sub(REDACTED, text)
        if "://" in text:
            text = _PASSWORD.sub(rf"\1{REDACTED}@", text)
        return _PARAMETER.sub(rf"\1{REDACTED}", text)

    def tree(self, value: Any) -> Any:
        """JSON whose texts and keys are without secrets."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.tree(item) for item in value]
        if isinstance(value, dict):
            return {self.text(key): self.tree(item) for key, item in value.items()}
        return value


def passwords(text: str) -> list[str]:
    """The passwords in the URLs in ``text``; placeholders such as `$PASSWORD` are none."""
    found = [] if "://" not in text else [_split(url)[0] for url in _URL.findall(text)]
    return [each for each in found if each and not _PLACEHOLDER.fullmatch(each)]


def tokens(url: str) -> list[str]:
    """What looks like a token in ``url``: values of its query, and parts of a webhook's path."""
    _, host, path, query = _split(url)
    pairs = (pair.partition("=") for pair in query.split("&"))
    found = [value for name, _, value in pairs if len(value) >= SURE and _SECRET_PARAMETER.fullmatch(name)]
    part = _WEBHOOK_PART if _WEBHOOK_HOST.search(host) else _RANDOM
    found += [each for each in path.split("/") if part.fullmatch(each)]
    return [each for each in found if not _PLACEHOLDER.fullmatch(each)]


def _split(url: str) -> tuple[str, str, str, str]:
    """Password, host, path and query."""
    try:
        at = urlsplit(url)
        return at.password or "", at.hostname or "", at.path, at.query
    except ValueError:
        return "", "", "", ""


def _patterns(secret: str) -> Iterator[str]:
    for form in (secret, quote(secret, safe=""), quote(secret), quote_plus(secret), html.escape(secret)):
        yield _bounded(form, secret)
        if "%" in form:
            yield _bounded(re.sub(r"%..", lambda code: code[0].lower(), form), secret)
    for form in (json.dumps(secret), json.dumps(secret, ensure_ascii=False), json.dumps(json.dumps(secret)[1:-1])):
        yield _bounded(form[1:-1], secret)
        yield _bounded(form[1:-1].replace("/", "\\/"), secret)
    yield _bounded(repr(secret)[1:-1], secret)
    if len(secret) >= SURE:
        yield from _base64(secret.encode(errors="surrogatepass"))


def _bounded(form: str, secret: str) -> str:
    pattern = re.escape(form)
    return pattern if len(secret) >= SURE else rf"(?<![A-Za-z0-9]){pattern}(?![A-Za-z0-9])"


def _base64(data: bytes) -> Iterator[str]:
    """The characters of base64 that hold ``data``, wherever in the encoded text it begins."""
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        start, spare = (0, 2, 3)[before], (before + len(data)) % 3
        middle = encoded[start : len(encoded) - (0, 3, 2)[spare]]
        yield re.escape(middle)
        yield re.escape(middle.replace("+", "-").replace("/", "_"))


KNOWN = Redactor()
"""The secrets of this process."""


def redacted(text: str) -> str:
    """``text`` without the secrets that this process knows."""
    return KNOWN.text(text)
