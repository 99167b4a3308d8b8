"""Expiry of session credentials set in the environment."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from smplan.drivers.aws.credentials import expires_at

AT = datetime(2026, 1, 2, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2026-01-02T12:00:00Z", "2026-01-02T12:00:00+00:00", "2026-01-02T13:00:00+01:00"])
@pytest.mark.parametrize("name", ["AWS_CREDENTIAL_EXPIRATION", "AWS_SESSION_EXPIRATION"])
def test_expiry_is_read_from_the_environment(name: str, text: str) -> None:
    assert expires_at("env", {name: text}) == AT


def test_a_time_without_zone_is_utc_and_the_newer_name_counts() -> None:
    both = {"AWS_CREDENTIAL_EXPIRATION": "2026-01-02T12:00:00", "AWS_SESSION_EXPIRATION": "1999-01-01T00:00:00Z"}
    assert expires_at("env", both) == AT


@pytest.mark.parametrize("environ", [{}, {"AWS_CREDENTIAL_EXPIRATION": ""}, {"AWS_SESSION_EXPIRATION": "soon"}])
def test_credentials_without_expiry_have_none(environ: dict[str, str]) -> None:
    assert expires_at("env", environ) is None


@pytest.mark.parametrize("method", ["assume-role", "iam-role", "sso", "container-role", "shared-credentials-file"])
def test_renewable_credentials_ignore_the_environment(method: str) -> None:
    assert expires_at(method, {"AWS_CREDENTIAL_EXPIRATION": "2026-01-02T12:00:00Z"}) is None
