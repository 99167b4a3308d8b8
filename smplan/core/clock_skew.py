"""Clock skew of this machine, by the ``Date`` of a server's responses: AWS refuses requests that are 300 s off.

SDKs for Python do not correct a wrong clock (github.com/boto/boto3/issues/1252), and AWS has many names for it.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

WARN_SECONDS = 60.0
MAX_SECONDS = 240.0
"""With more skew nothing is sent; a signature is valid for five minutes (IAM User Guide, SigV4)."""
FIX_CLOCK_HINT = (
    "set this machine's clock right (Linux: `sudo timedatectl set-ntp true`; macOS: `sudo sntp -sS time.apple.com`), "
    "then run the same command again"
)


def skew_seconds(date: str, sent: float, received: float) -> float | None:
    """By how many seconds at least a clock is ahead of the one that wrote ``date``; negative if it is behind.

    ``sent`` and ``received`` are the times of request and response by that clock (seconds since 1970); ``date`` was
    written in between, in whole seconds. None if it is not a date.
    """
    try:
        written = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None
    return max(sent - written - 1, 0.0) or min(received - written, 0.0)
