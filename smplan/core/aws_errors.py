"""AWS errors about credentials, which mean the same to drivers and to the S3 store: codes, exceptions and hints."""

from __future__ import annotations

import re
from typing import Any

EXPIRED_CODES = re.compile(r"ExpiredToken(Exception)?|RequestExpired|TokenRefreshRequired")
NO_CREDENTIALS_HINT = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
UNKNOWN_CREDENTIALS_HINT = (
    "use other credentials (AWS does not know these: deleted, disabled, mistyped?), then run the same command again"
)

_NO_CREDENTIALS = frozenset({"NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError"})
_EXPIRED = frozenset(
    {
        "UnauthorizedSSOTokenError",
        "SSOTokenLoadError",
        "TokenRetrievalError",
        "RefreshWithMFAUnsupportedError",
        "LoginRefreshRequired",
        "LoginTokenLoadError",
    }
)


def code_and_message(response: Any) -> tuple[str, str]:
    """The error code in ``response``, empty if there is none, and its message without anything confidential."""
    error = response.get("Error", {})
    code = str(error.get("Code", ""))
    message = str(error.get("Message", "")) or code
    if "Signature" in code:  # what follows the first line is what was signed, session token and all
        message = message.partition("\n")[0]
    return code, message


def has_no_credentials(error: Exception) -> bool:
    """Whether botocore raised ``error`` because it found no credentials."""
    return _is_any(error, _NO_CREDENTIALS)


def has_expired(error: Exception) -> bool:
    """Whether botocore raised ``error``, before it sent anything, because credentials expired and were not renewed."""
    if isinstance(error, RuntimeError):  # botocore has no error of its own for credentials that it could not refresh
        return "still expired" in str(error)
    return _is_any(error, _EXPIRED)


def _is_any(error: Exception, names: frozenset[str]) -> bool:
    """Whether the class of ``error`` has one of ``names``: this package does without botocore."""
    return any(base.__name__ in names for base in type(error).__mro__)
