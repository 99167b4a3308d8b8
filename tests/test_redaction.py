"""Redaction by value: every form in which a secret may come back."""

from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smplan.errors import Diagnostic, SmplanError
from smplan.redaction import KNOWN, Redactor, passwords, redacted, tokens

SECRET = 'p@ss"w/rd é+&<x>\\'


def knowing(*secrets: str) -> Redactor:
    """A redactor of these secrets."""
    redactor = Redactor()
    for secret in secrets:
        redactor.remember(secret)
    return redactor


@pytest.mark.parametrize(
    "form",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        quote(SECRET, safe="").lower().replace("rd", "rd"),
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        json.dumps(SECRET)[1:-1].replace("/", "\\/"),
        json.dumps(json.dumps(SECRET))[3:-3],
        html.escape(SECRET),
        repr(SECRET)[1:-1],
    ],
)
def test_a_secret_is_redacted_in_every_form(form: str) -> None:
    assert knowing(SECRET).text(f"before{form}after") == "before[redacted]after"


@settings(deadline=None)
@given(
    st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=8, max_size=40),
    st.binary(max_size=5),
    st.binary(max_size=5),
)
def test_a_secret_is_redacted_in_base64_wherever_it_begins(secret: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    safe = base64.urlsafe_b64encode(before + secret.encode() + after).decode()
    redactor = knowing(secret)
    for text in (encoded, safe, safe.rstrip("=")):
        assert len(redactor.text(text).replace("[redacted]", "")) <= 20


def test_short_secrets_are_redacted_as_whole_words_only() -> None:
    redactor = knowing("xyz123", "abc")
    assert redactor.text("xyz123, token=xyz123! xyz1234 axyz123 abc") == (
        "[redacted], token=[redacted]! xyz1234 axyz123 abc"
    )


def test_of_secrets_in_each_other_the_longest_is_redacted() -> None:
    assert knowing("longsecret", "longsecret-and-more").text("longsecret-and-more") == "[redacted]"


def test_documents_are_redacted_at_every_depth() -> None:
    found = knowing("longsecret").tree({"longsecret": [{"a": "x longsecret", "b": 1}, None]})
    assert found == {"[redacted]": [{"a": "x [redacted]", "b": 1}, None]}


def test_passwords_in_urls_and_tokens_in_queries_are_redacted_without_being_known() -> None:
    text = "GET https://me:word@a.test/x?accessToken=t0ken&y=1 and x-amz-security-token%3Dabc"
    assert redacted(text) == (
        "GET https://[redacted]@a.test/x?accessToken=[redacted]&y=1 and x-amz-security-token%3D[redacted]"
    )
    assert redacted("git@github.com:a/b https://me@a.test http://a.test:80/x@y") == (
        "git@github.com:a/b https://me@a.test http://a.test:80/x@y"
    )


def test_the_environment_gives_aws_keys_and_passwords_of_endpoints() -> None:
    redactor = Redactor()
    redactor.remember_environment(
        {
            "AWS_SECRET_ACCESS_KEY": "k" * 40,
            "AWS_SESSION_TOKEN": "test",
            "AWS_ENDPOINT_URL": "https://me:one%40word@a.test",
            "AWS_ENDPOINT_URL_S3": "https://a.test/?token=anothertoken",
            "HTTPS_PROXY": "http://me:proxyword@proxy",
            "NO_PROXY": "http://[",
            "OTHER_URL": "https://me:ordinary@a.test",
        }
    )
    text = f"{'k' * 40} test one@word one%40word anothertoken proxyword ordinary"
    assert redactor.text(text) == "[redacted] test [redacted] [redacted] [redacted] [redacted] ordinary"


def test_the_environment_variables_that_a_document_names_as_secrets_are_redacted() -> None:
    redactor = Redactor()
    document = {"a": [{"secret": "env:A"}, {"secret": "env:MISSING"}, {"secret": 1}], "b": {"secret": "ssm:/B"}}
    redactor.remember_sources(document, {"A": "value-of-a", "B": "value-of-b"})
    assert redactor.text("value-of-a value-of-b") == "[redacted] value-of-b"


def test_errors_hold_no_known_secret() -> None:
    KNOWN.remember("secret-of-this-test")
    error = SmplanError("got secret-of-this-test", hint="send secret-of-this-test")
    assert (str(error), error.message, error.hint) == ("got [redacted]", "got [redacted]", "send [redacted]")
    assert Diagnostic("m", source="a: secret-of-this-test").source == "a: [redacted]"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("https://me:word@a.test", ["word"]),
        ("curl 'ftp://me:word@a.test' && x", ["word"]),
        ("https://$USER:$PASS@a.test and https://me:<password>@a.test and https://me:xxx@a", []),
        ("https://me@a.test:80/x:y@z", []),
        ("http://[::1", []),
        ("git@a.test:x", []),
    ],
)
def test_passwords_in_urls_are_found(text: str, found: list[str]) -> None:
    assert passwords(text) == found


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://hooks.slack.com/services/T0/B0/abcdefABCDEF0123456789xy", ["abcdefABCDEF0123456789xy"]),
        (
            "https://events.pagerduty.com/integration/0123456789abcdef0123456789abcdef/enqueue",
            ["0123456789abcdef0123456789abcdef"],
        ),
        ("https://a.test/x?apiKey=0123456789&y=longer-than-that", ["0123456789"]),
        ("https://a.test/x?token=${var.token}", []),
        ("https://a.test/8f14e45f-ceea-467f-9d0a-0123456789ab/x", ["8f14e45f-ceea-467f-9d0a-0123456789ab"]),
        ("https://a.test/notifications/of-the-scaling-group-2", []),
        ("ops@example.com", []),
    ],
)
def test_tokens_in_urls_are_found(url: str, found: list[str]) -> None:
    assert tokens(url) == found
