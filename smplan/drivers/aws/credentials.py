"""When credentials run out that nobody renews: the ones that somebody put into the environment."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

EXPIRATIONS = ("AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION")
"""The AWS CLI (``aws configure export-credentials``) and aws-vault write the first, aws-vault before 7.0 the second."""


def runs_out(method: str, environ: Mapping[str, str]) -> datetime | None:
    """When credentials found by ``method`` (as botocore names it) run out for good; None if never, or if nobody tells.

    All others renew themselves as long as their source gives new ones: roles of instances and containers, assumed
    roles, SSO, processes. Those in a file may run out too, but nothing says when.
    """
    if method != "env":
        return None
    told = next((environ[name] for name in EXPIRATIONS if environ.get(name)), "")
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
