"""Where secrets are found, and text that is a secret by its form: keys, tokens, webhooks, URLs with passwords."""

from __future__ import annotations

import re

SECRET_SOURCE = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*|ssm:[A-Za-z0-9_.\-/]+|secretsmanager:[A-Za-z0-9_+=,.@!:/\-]+")
"""``env:NAME``, ``ssm:/path`` or ``secretsmanager:id``."""

_FORMS = {
    "an AWS access key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "an AWS secret key": r"(?i:aws_secret_access_key|aws_session_token)[\"']?\s*[=:]\s*[\"']?[A-Za-z0-9/+=]{16,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----[A-Za-z0-9+/=\s]*",
    "a bearer token": r"\b[Bb]earer\s+[A-Za-z0-9._~+/=-]{16,}",
    "a JSON web token": r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a token of Slack": r"\bxox[a-z]-[A-Za-z0-9-]{10,}",
    "a webhook, whose address is a secret": (
        r"(?:hooks\.slack(?:-gov)?\.com/(?:services|workflows|triggers)|discord(?:app)?\.com/api/webhooks"
        r"|webhook\.office\.com|hooks\.zapier\.com/hooks|events\.pagerduty\.com/integration"
        r"|chat\.googleapis\.com/v1/spaces)/[^\s\"'<>]{8,}"
    ),
    "a URL with a token": (
        r"[?&](?i:[\w-]*token|[\w-]*api[_-]?key|[\w-]*secret|password|passwd|pwd|sig|signature|auth)=[^&\s\"'$]{6,}"
    ),
    "a URL with credentials": r"\b(?:https?://[^/\s\"'@${}]+@|[a-z][a-z0-9+.-]{0,20}://[^/\s\"':@${}]*:[^/\s\"'@${}]+@)",
}
_ANY = re.compile("|".join(f"(?P<s{number}>{form})" for number, form in enumerate(_FORMS.values())))
_NAMES = tuple(_FORMS)


_TRIGGERS = (
    "AKIA",
    "ASIA",
    "PRIVATE",
    "earer",
    "eyJ",
    "gh",
    "xox",
    "hooks",
    "webhook",
    "pagerduty",
    "googleapis",
    "://",
    "=",
)
"""Each secret has one of these: text without any is not searched."""


def secret_form(text: str) -> str:
    """What secret is in ``text``, in words such as ``a private key``; empty if there is none."""
    found = _ANY.search(text) if any(each in text for each in _TRIGGERS) else None
    return _NAMES[int(str(found.lastgroup)[1:])] if found else ""


def masked(text: str) -> str:
    """``text`` with an asterisk for each character of a secret."""
    return _ANY.sub(lambda found: "*" * len(found[0]), text)
