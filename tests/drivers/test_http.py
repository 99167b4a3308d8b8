"""The HTTP client: redirected connections, errors, and redacted tokens."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from smplan.drivers.destinations import SecretHosts
from smplan.drivers.http import HttpClient, Response
from smplan.errors import GuardRefused, Invalid, LostAnswer, Unreachable
from smplan.redaction import redacted
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
        ("http://@a", "user name or password"),
        ("http://a b/", "not the name or address"),
        ("http://a\\b/", "not the name or address"),
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
    assert HttpClient("http://[::1]:5080/base/")._connect.netloc == "[::1]:5080"
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


SPELLINGS = (
    "169.254.169.254",
    "2852039166",
    "0xA9FEA9FE",
    "0251.0376.0251.0376",
    "169.254.43518",
    "169.254.169.254.",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::1]",
    "[::a9fe:a9fe]",
    "[fd00:ec2::254]",
    "[fe80::1]",
    "169.254.170.2",
    "169.254.170.23",
    "0.0.0.0",
    "0",
    "[::]",
    "[::ffff:0.0.0.0]",
    "\uff11\uff16\uff19\u3002254.169.254",
    "100.100.100.200",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_metadata_addresses_are_refused_in_every_spelling(spelling: str) -> None:
    with pytest.raises(Invalid, match="metadata"):
        HttpClient(f"http://{spelling}/latest/meta-data")
    with pytest.raises(Invalid, match="metadata"):
        HttpClient("http://a.example.com", connect_to=spelling)
    with pytest.raises(Invalid, match="metadata"):
        HttpClient("http://a.example.com", connect_map=f":80:{spelling}:80")


@pytest.mark.parametrize("host", ["http://alb", "alb:80", "alb/x", "me@alb", "a b", "999.1.1.1", "0x", "a%00b", "."])
def test_connect_to_is_a_host(host: str) -> None:
    with pytest.raises(Invalid, match="`connect_to` is not the name or address of a host"):
        HttpClient("http://a.example.com", connect_to=host)


@pytest.mark.parametrize("address", ["169.254.169.254", "fd00:ec2::254", "fe80::1%eth0", "::ffff:169.254.170.2"])
def test_names_that_lead_to_metadata_are_refused_before_any_connection(address: str) -> None:
    def lookup(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", ("192.0.2.1", port)), (0, 0, 0, "", (address, port))]

    with pytest.raises(Invalid, match=r"innocent\.example\.com leads to"):
        HttpClient("http://innocent.example.com", lookup=lookup).send("GET", "/")


def test_a_name_is_resolved_once_for_each_connection_and_that_address_is_used(server: Server) -> None:
    server.answers["GET /"] = (200, "ok")
    answers = ["127.0.0.1", "169.254.169.254"]

    def rebinding(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", (answers.pop(0), port))]

    client = HttpClient(f"http://rebinding.example.com:{server.port}", lookup=rebinding)
    assert client.send("GET", "/").text == "ok"
    assert answers == ["169.254.169.254"]
    with pytest.raises(Invalid, match="metadata"):
        client.send("GET", "/")


def test_the_next_address_is_tried_where_one_refuses(server: Server) -> None:
    server.answers["GET /"] = (200, "ok")

    def lookup(host: str, port: int, **_: object) -> list[object]:
        return [(0, 0, 0, "", (each, port)) for each in ("::1", "127.0.0.1")]

    assert HttpClient(f"http://two.example.com:{server.port}", lookup=lookup).send("GET", "/").text == "ok"


@pytest.mark.parametrize("error", [OSError("no such name"), UnicodeError("label too long")])
def test_a_name_without_an_address_is_unreachable(error: Exception) -> None:
    def lookup(host: str, port: int, **_: object) -> list[object]:
        raise error

    with pytest.raises(Unreachable, match="cannot be reached"):
        HttpClient("http://nowhere.example.com", lookup=lookup).send("GET", "/")
    with pytest.raises(Unreachable, match="has no address"):
        HttpClient("http://nowhere.example.com", lookup=lambda *_, **__: []).send("GET", "/")


def test_names_in_other_scripts_are_sent_as_punycode(server: Server) -> None:
    server.answers["GET /"] = (200, "ok")
    client = HttpClient(f"http://m\u00fcnchen.example:{server.port}", connect_to="127.0.0.1")
    assert client.send("GET", "/").text == "ok"
    assert server.asked[0][2] == f"xn--mnchen-3ya.example:{server.port}"
    with pytest.raises(Invalid, match="not the name or address"):
        HttpClient(f"http://{chr(252) * 70}.example")


def test_a_response_that_is_too_large_is_refused(server: Server) -> None:
    server.answers["GET /x"] = server.answers["POST /x"] = (200, "x" * (17 << 20))
    with pytest.raises(Unreachable, match="larger than 16 MiB"):
        HttpClient(server.url).send("GET", "/x")
    with pytest.raises(LostAnswer, match="larger than 16 MiB"):
        HttpClient(server.url).send("POST", "/x", once=True)


def trickle(connection: socket.socket) -> None:
    """Send a header without end, a byte at a time."""
    with connection, suppress(OSError):
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        while True:
            connection.sendall(b"x")
            time.sleep(0.05)


def test_a_response_that_takes_too_long_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=lambda: trickle(listener.accept()[0]), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        with pytest.raises(Unreachable, match=r"takes too long|timed out"):
            HttpClient(url, total_seconds=0.5).send("GET", "/")
        assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, "[" * 65 + "]" * 65, '{"a":' * 70 + "1" + "}" * 70, "NaN", "[1e999]", "[-1e999]", "9" * 5000, "{"],
)
def test_json_that_no_server_should_send_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - json's and our own messages
        Response(200, text).json()


def test_halves_of_characters_become_replacement_characters() -> None:
    found = Response(200, '{"\\ud800": ["\\udc00x", 1.5, "\\ud83d\\ude00"]}').json()
    assert found == {"\ufffd": ["\ufffdx", 1.5, "\U0001f600"]}


def test_the_query_of_a_url_is_kept() -> None:
    assert HttpClient("http://a/b?c=d").query == "?c=d"
    assert HttpClient("http://a/b").query == ""


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        (("sm.example.com",), "https://sm.example.com"),
        (("sm.example.com",), "https://SM.example.com.:8443"),
        (("sm.example.com:8443",), "https://sm.example.com:8443"),
        (("*.example.com",), "https://sm.example.com"),
        (("https://sm.example.com/",), "https://sm.example.com"),
        (("http://sm.example.com:5080",), "http://sm.example.com:5080"),
        (("http://[::1]:5080",), "http://[::1]:5080"),
        (("[::1]",), "https://[::1]:5080"),
    ],
)
def test_secrets_may_be_sent_where_the_operator_allows_it(entries: tuple[str, ...], url: str) -> None:
    HttpClient(url).check_secrets_allowed(SecretHosts(entries))


@pytest.mark.parametrize(
    ("entries", "url"),
    [
        ((), "https://sm.example.com"),
        (("sm.example.com",), "http://sm.example.com"),
        (("sm.example.com",), "https://sm.example.com.evil.test"),
        (("sm.example.com",), "https://evil-sm.example.com"),
        (("*.example.com",), "https://example.com"),
        (("*.example.com",), "https://evilexample.com"),
        (("*",), "https://sm.example.com"),
        (("sm.example.com:443",), "https://sm.example.com:8443"),
        (("http://sm.example.com:5080",), "http://sm.example.com:80"),
        (("http://sm.example.com",), "https://sm.example.com"),
    ],
)
def test_secrets_are_sent_nowhere_else(entries: tuple[str, ...], url: str) -> None:
    with pytest.raises(GuardRefused, match="no secret is sent to") as caught:
        HttpClient(url).check_secrets_allowed(SecretHosts(entries))
    assert "export SMPLAN_SECRET_HOSTS=" in caught.value.hint


def test_in_clear_text_what_is_connected_to_must_be_allowed() -> None:
    allowed = SecretHosts(("sm.example.com", "http://sm.example.com"))
    HttpClient("https://sm.example.com", connect_to="alb.test").check_secrets_allowed(allowed)  # TLS proves the name
    with pytest.raises(GuardRefused, match=r"alb\.test in clear text"):
        HttpClient("http://sm.example.com", connect_to="alb.test").check_secrets_allowed(allowed)


def test_where_the_operator_redirects_connections_secrets_may_be_sent() -> None:
    redirected = HttpClient("http://sm.example.com", connect_map=":80:127.0.0.1:5080")
    redirected.check_secrets_allowed(SecretHosts())
    with pytest.raises(GuardRefused):
        HttpClient("http://evil.test", connect_map=":80::5080").check_secrets_allowed(SecretHosts())
