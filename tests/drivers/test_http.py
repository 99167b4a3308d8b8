"""The HTTP client: redirected connections, errors, and redacted tokens."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from smplan.drivers.http import HttpClient, redacted
from smplan.errors import Invalid, LostAnswer, Unreachable
from tests.drivers.red5.server import Server, serving


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


def test_the_host_header_stays_the_real_name_whatever_is_connected_to(server: Server) -> None:
    server.answers["GET /x"] = (200, "ok")
    by_host = HttpClient(f"http://sm.example.com:{server.port}", connect_to="127.0.0.1")
    by_map = HttpClient("http://sm.example.com:5080", connect_map=f"other:1:nowhere:2,:5080:127.0.0.1:{server.port}")
    after_host = HttpClient("http://sm.example.com", connect_to="alb", connect_map=f"alb:80:127.0.0.1:{server.port}")
    for http in (by_host, by_map, after_host):
        assert http.send("GET", "/x").text == "ok"
    assert [asked[2] for asked in server.asked] == [
        f"sm.example.com:{server.port}",
        "sm.example.com:5080",
        "sm.example.com",
    ]


def test_map_entries_may_leave_parts_out(server: Server) -> None:
    server.answers["GET /"] = (200, "")
    assert (
        HttpClient(f"http://sm.example.com:{server.port}", connect_map="sm.example.com::127.0.0.1:")
        .send("GET", "/")
        .status
        == 200
    )
    assert HttpClient("http://127.0.0.1:1", connect_map=f"127.0.0.1:1::{server.port}").send("GET", "/").status == 200


def test_a_bad_connect_map_is_invalid() -> None:
    with pytest.raises(Invalid, match="HOST1:PORT1"):
        HttpClient("http://a", connect_map="nonsense")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://a", "must begin with"),
        ("http://", "must begin with"),
        ("http://user:pw@a", "user name or password"),
        ("http://a:99999", "not a URL"),
        ("http://169.254.169.254/latest", "metadata"),
        ("http://[fd00:ec2::254]/", "metadata"),
    ],
)
def test_forbidden_urls_are_refused(url: str, told: str) -> None:
    with pytest.raises(Invalid, match=told):
        HttpClient(url)
    if "metadata" in told and "[" not in url:
        with pytest.raises(Invalid, match=told):
            HttpClient("http://a", connect_to="169.254.169.254")


def test_ipv6_addresses_are_bracketed() -> None:
    assert HttpClient("http://[::1]:5080/base/")._target == "http://[::1]:5080"
    assert HttpClient("http://[::1]:5080/base/").path == "/base"


def test_a_refused_connection_is_unreachable(server: Server) -> None:
    with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:1 cannot be reached"):
        HttpClient("http://127.0.0.1:1").send("GET", "/")


def test_a_write_without_a_response_is_lost(server: Server) -> None:
    server.answers["POST /x"] = server.answers["GET /x"] = (0, "")
    with pytest.raises(LostAnswer):
        HttpClient(server.url).send("POST", "/x", once=True)
    with pytest.raises(Unreachable):
        HttpClient(server.url).send("GET", "/x")


def test_redirects_are_never_followed(server: Server) -> None:
    server.answers["GET /x"] = (302, "")
    server.headers["Location"] = "http://elsewhere.example.com/?accessToken=s3cret"
    with pytest.raises(Invalid, match="redirect") as caught:
        HttpClient(server.url).send("GET", "/x", query={"accessToken": "s3cret"})
    assert "s3cret" not in str(caught.value)
    assert len(server.asked) == 1


def test_no_token_reaches_a_log(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    server.answers["GET /x"] = (200, "")
    with caplog.at_level(logging.DEBUG):
        HttpClient(server.url).send("GET", "/x", query={"accessToken": "s3cret"})
        with pytest.raises(Unreachable):
            HttpClient("http://127.0.0.1:1").send("GET", "/x", query={"accessToken": "s3cret"})
    assert caplog.records
    assert "s3cret" not in caplog.text


def test_redaction_keeps_the_rest() -> None:
    assert redacted("x?accessToken=abc&y=1 'accessToken=d'") == "x?accessToken=[redacted]&y=1 'accessToken=[redacted]'"
    assert repr(HttpClient("http://a.example.com/?accessToken=x")) == "HttpClient(a.example.com)"
