"""Expiry of session credentials set in the environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

EXPIRATIONS = ("AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION")
"""The AWS CLI (``aws configure export-credentials``) and aws-vault write the first, aws-vault before 7.0 the second."""


def expires_at(method: str, environ: Mapping[str, str]) -> datetime | None:
    """When credentials found by ``method`` (as botocore names it) expire; None if they do not, or if it is unknown.

    botocore renews all others: roles of instances and containers, assumed roles, SSO, processes. Those in a file may
    expire too, at an unknown time.
    """
    if method != "env":
        return None
    text = next((environ[name] for name in EXPIRATIONS if environ.get(name)), "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
