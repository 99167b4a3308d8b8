"""Whether this machine's clock is right, by the ``Date`` of a server's answers: AWS refuses what is 300 seconds off.

SDKs for Python do not correct a wrong clock (github.com/boto/boto3/issues/1252), and AWS has many names for it.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime

WARN_SECONDS = 60.0
MAX_SECONDS = 240.0
"""A clock that is so far off is not relied on; a signature holds for five minutes (IAM User Guide, SigV4)."""
FIX_CLOCK_HINT = (
    "set this machine's clock right (Linux: `sudo timedatectl set-ntp true`; macOS: `sudo sntp -sS time.apple.com`), "
    "then run the same command again"
)


def skew_seconds(date: str, sent: float, heard: float) -> float | None:
    """By how many seconds at least a clock is ahead of the one that wrote ``date``; behind is negative.

    ``sent`` and ``heard`` are what the clock showed (seconds since 1970) around the request; ``date`` was written in
    between, and cut to the second. None if it is no date.
    """
    try:
        told = parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError):
        return None
    return max(sent - told - 1, 0.0) or min(heard - told, 0.0)
