"""What the sandbox's servers refuse: web pages, other hosts, moto's own interface, unsigned and endless requests."""

from __future__ import annotations

import os
from http.client import HTTPConnection, HTTPResponse

import pytest

from smplan.sandbox.admission import LARGEST_BODY
from smplan.sandbox.sandbox import Sandbox

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=a/20260101/us-east-1/sts/aws4_request, Signature=x"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
IDENTITY = "Action=GetCallerIdentity&Version=2011-06-15"


def asked(
    port: int, method: str, path: str, headers: dict[str, str], body: str | None = None
) -> tuple[HTTPResponse, bytes]:
    """The response to a request exactly as it is written here."""
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.putrequest(method, path, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None and "Content-Length" not in headers:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders((body or "").encode() or None)
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_signed_requests_are_answered_without_cors(box: Sandbox) -> None:
    for host in ("127.0.0.1", "localhost"):
        own = f"{host}:{box.port}"
        headers = {**SIGNED, **FORM, "Host": own, "Origin": f"http://{own}"}
        response, body = asked(box.port, "POST", "/", headers, IDENTITY)
        assert (response.status, b"123456789012" in body) == (200, True)
        assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("POST", "/", {"Host": "rebound.example.com"}, 403),
        ("POST", "/", {"Host": "127.0.0.1:1"}, 403),
        ("POST", "/", {"Host": "bucket.s3.amazonaws.com"}, 403),
        ("POST", "/", {"Host": ""}, 403),
        ("POST", "/", {"Origin": "https://evil.test"}, 403),
        ("POST", "/", {"Origin": "null"}, 403),
        ("OPTIONS", "/", {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}, 403),
        ("POST", "/", {"Authorization": ""}, 403),
        ("GET", "/?Action=DescribeInstances&Version=2016-11-15", {"Authorization": ""}, 403),
        ("POST", "/moto-api/reset", {}, 403),
        ("POST", "//moto-api/reset", {}, 403),
        ("POST", "/%6doto-api/reset", {}, 403),
        ("POST", "/moto-api/recorder/start-recording", {}, 403),
        ("GET", "/moto-api/recorder/download-recording", {}, 403),
        ("GET", "/moto-api/data.json", {}, 403),
        ("POST", "/", {"Content-Length": str(LARGEST_BODY + 1)}, 413),
        ("POST", "/", {"Content-Length": "-1"}, 400),
        ("POST", "/", {"Content-Length": "9" * 13}, 400),
    ],
)
def test_other_requests_are_refused(box: Sandbox, method: str, path: str, headers: dict[str, str], status: int) -> None:
    response, body = asked(box.port, method, path, {**SIGNED, **FORM, **headers})
    assert response.status == status
    assert b"123456789012" not in body
    assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]


def test_the_gateway_refuses_web_pages_of_other_sites(box: Sandbox) -> None:
    assert box.env()["SMPLAN_CONNECT_TO"] == os.environ["SMPLAN_CONNECT_TO"]
    port = int(os.environ["SMPLAN_CONNECT_TO"].split(",")[0].rpartition(":")[2])
    own, _ = asked(port, "GET", "/", {"Host": "sm.example.com", "Origin": "http://sm.example.com"})
    assert own.status == 404
    for origin in ("https://evil.test", "null"):
        response, _ = asked(port, "GET", "/", {"Host": "sm.example.com", "Origin": origin})
        assert response.status == 403
        assert not [name for name, _ in response.getheaders() if name.lower().startswith("access-control")]
    assert asked(port, "POST", "/", {"Host": "a", "Content-Length": "²".encode().decode("latin-1")})[0].status == 413
