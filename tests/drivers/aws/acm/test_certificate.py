"""The certificate lookup."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from smplan.drivers.aws.acm.certificate import Certificate
from smplan.drivers.aws.client import Aws
from smplan.errors import Conflict, Invalid, NotFound
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import Script, context

ONE, TWO = (f"arn:aws:acm:us-east-1:123456789012:certificate/{number}" for number in (1, 2))
ENDS = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)


def listed(arn: str, domain: str, status: str = "ISSUED", *names: str, more: bool = False) -> dict[str, Any]:
    return {
        "CertificateArn": arn,
        "DomainName": domain,
        "Status": status,
        "SubjectAlternativeNameSummaries": [domain, *names],
        "HasAdditionalSubjectAlternativeNames": more,
    }


def scripted(*certificates: dict[str, Any], **detail: Any) -> Script:
    answers: dict[str, list[Any]] = {
        "ListCertificates": [{"CertificateSummaryList": list(certificates)}],
        "DescribeCertificate": [{"Certificate": {"DomainName": "*.example.com", "NotAfter": ENDS, **detail}}],
    }
    return Script(answers)


def sent_json(body: Any) -> Any:
    return json.loads(body)


def look(script: Script, **where: Any) -> dict[str, Any]:
    return Certificate(context(script.aws())).read(where)


@pytest.mark.parametrize("domain", ["*.example.com", "example.com", "*.Example.com"])
def test_a_certificate_is_found_by_any_of_its_names(box: Sandbox, aws: Aws, domain: str) -> None:
    found = Certificate(context(aws)).read({"domain": domain})
    assert found["id"] == found["arn"] == box.facts.certificate_arn
    assert found["domain"] == "*.example.com"
    assert set(found) == set(Certificate.outputs)


def test_a_wildcard_is_a_name_like_any_other(box: Sandbox, aws: Aws) -> None:
    with pytest.raises(NotFound, match=r"domain=www\.example\.com"):
        Certificate(context(aws)).read({"domain": "www.example.com"})


def test_all_key_types_are_listed_with_the_expiry(box: Sandbox) -> None:
    script = scripted(listed(ONE, "*.example.com"))
    assert look(script, domain="*.example.com")["not_after"] == "2027-01-02T03:04:05+00:00"
    name, body = script.sent[0]
    assert name == "ListCertificates"
    assert {"RSA_2048", "RSA_4096", "EC_prime256v1"} <= set(sent_json(body)["Includes"]["keyTypes"])


def test_only_an_issued_one_counts_and_the_others_are_named_with_their_status(box: Sandbox) -> None:
    with pytest.raises(NotFound) as caught:
        look(scripted(listed(ONE, "*.example.com", "PENDING_VALIDATION")), domain="*.example.com")
    assert f"*.example.com PENDING_VALIDATION {ONE}" in caught.value.hint
    assert "must be ISSUED and in us-east-1" in caught.value.hint


def test_an_expired_one_beside_its_successor_is_no_conflict(box: Sandbox) -> None:
    script = scripted(listed(ONE, "example.com", "EXPIRED"), listed(TWO, "example.com"))
    assert look(script, domain="example.com")["id"] == TWO


def test_several_of_a_name_are_selected_by_arn(box: Sandbox) -> None:
    both = (listed(ONE, "example.com"), listed(TWO, "*.example.com", "ISSUED", "example.com"))
    with pytest.raises(Conflict, match="2 issued certificates match domain=example"):
        look(scripted(*both), domain="example.com")
    assert look(scripted(*both), domain="example.com", arn=TWO)["id"] == TWO
    assert look(scripted(*both), arn=ONE)["id"] == ONE


def test_all_names_of_a_certificate_with_many_are_compared(box: Sandbox) -> None:
    script = scripted(
        listed(ONE, "a.example.com", more=True), SubjectAlternativeNames=["a.example.com", "z.example.com"]
    )
    assert look(script, domain="z.example.com")["id"] == ONE


def test_a_certificate_without_expiry_has_an_empty_one(box: Sandbox) -> None:
    assert look(scripted(listed(ONE, "example.com"), NotAfter=None), domain="example.com")["not_after"] == ""


@pytest.mark.parametrize("where", [{}, {"name": "example.com"}])
def test_an_unknown_key_of_a_lookup_names_the_known_ones(box: Sandbox, where: dict[str, Any]) -> None:
    with pytest.raises(Invalid, match="by its domain") as caught:
        look(scripted(), **where)
    assert "domain" in caught.value.hint
