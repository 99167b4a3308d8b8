"""Which requests the emulated AWS admits: signed ones from this machine's tools, none from a web page."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qs

LARGEST_BODY = 300 * 1024 * 1024
"""More than the largest state."""
HOSTS = ("127.0.0.1", "localhost")

_LENGTH = re.compile(r"[0-9]{1,12}")


def refusal(environ: dict[str, Any]) -> tuple[int, str] | None:
    """The status and reason with which a request is refused; None if it is admitted."""
    if not _LENGTH.fullmatch(environ.get("CONTENT_LENGTH") or "0"):
        return 400, "invalid Content-Length"
    if int(environ.get("CONTENT_LENGTH") or 0) > LARGEST_BODY:
        return 413, "the body is too large"
    own = {f"{host}:{environ['SERVER_PORT']}" for host in HOSTS}
    if environ.get("HTTP_HOST", "") not in own | {*HOSTS}:  # a name that leads here is another site's
        return 403, "this host is not the sandbox"
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None and origin not in {f"http://{host}" for host in own}:
        return 403, "requests of web pages are refused"
    if not _is_signed(environ):
        return 403, "the request is not signed"
    return None


def _is_signed(environ: dict[str, Any]) -> bool:
    """Whether it carries a signature, of any key: pages and moto's own interface do without one."""
    if environ.get("PATH_INFO", "").lstrip("/").startswith("moto-api"):
        return False
    if environ.get("HTTP_AUTHORIZATION", "").startswith("AWS"):
        return True
    return bool({"X-Amz-Signature", "Signature"} & parse_qs(environ.get("QUERY_STRING", "")).keys())
