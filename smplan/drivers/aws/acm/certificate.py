"""``aws.acm.certificate``: a lookup of the certificate that the HTTPS listener shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers.aws import _filters
from smplan.drivers.base import Lookup
from smplan.errors import Invalid, NotFound

if TYPE_CHECKING:
    from mypy_boto3_acm.literals import KeyAlgorithmType
    from mypy_boto3_acm.type_defs import CertificateSummaryTypeDef

_KEY_TYPES: Sequence[KeyAlgorithmType] = (
    "RSA_1024",
    "RSA_2048",
    "RSA_3072",
    "RSA_4096",
    "EC_prime256v1",
    "EC_secp384r1",
    "EC_secp521r1",
)
"""All there are: without them ListCertificates shows RSA of 1024 and 2048 bits only (API reference)."""


class Certificate(Lookup):
    """A certificate that exists already in the region, and is issued: no listener takes another."""

    kind = "aws.acm.certificate"
    summary = "The certificate of the fleet's name."
    keys: ClassVar = {
        "domain": "A name the certificate is for, letter by letter: `*.example.com` is not `www.example.com`.",
        "arn": "The certificate's ARN, where several are for the same name.",
    }
    outputs: ClassVar = {
        "id": Output("The certificate's ARN."),
        "arn": Output("The certificate's ARN."),
        "domain": Output("The certificate's first name."),
        "not_after": Output("When it runs out, in ISO 8601."),
    }
    iam_actions = IamActions(read=("acm:ListCertificates", "acm:DescribeCertificate"))

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The issued certificate of that name."""
        if not where or set(where) - set(self.keys):
            raise Invalid("a certificate is looked up by its domain", hint='write `where: {domain: "*.example.com"}`')
        there = self._listed()
        found = [each for each in there if each.get("Status") == "ISSUED" and self._fits(each, where)]
        summary = _filters.only("issued certificate", where, found, _said)
        if summary is None:
            raise self._missing(where, there)
        arn = summary["CertificateArn"]
        detail = self.context.aws.read.acm.describe_certificate(CertificateArn=arn)["Certificate"]
        ends = detail.get("NotAfter")
        domain = detail.get("DomainName", "")
        return {"id": arn, "arn": arn, "domain": domain, "not_after": ends.isoformat() if ends else ""}

    def _listed(self) -> list[CertificateSummaryTypeDef]:
        pages = self.context.aws.read.acm.get_paginator("list_certificates")
        return [
            each
            for page in pages.paginate(Includes={"keyTypes": _KEY_TYPES})
            for each in page["CertificateSummaryList"]
        ]

    def _fits(self, certificate: CertificateSummaryTypeDef, where: Mapping[str, Json]) -> bool:
        if "arn" in where and certificate.get("CertificateArn") != where["arn"]:
            return False
        return "domain" not in where or str(where["domain"]).lower() in self._names(certificate)

    def _names(self, certificate: CertificateSummaryTypeDef) -> set[str]:
        """The list shows up to a hundred names of a certificate; if there may be more, it is asked for all."""
        listed = certificate.get("SubjectAlternativeNameSummaries")
        if listed is None or certificate.get("HasAdditionalSubjectAlternativeNames", False):
            answer = self.context.aws.read.acm.describe_certificate(CertificateArn=certificate["CertificateArn"])
            listed = answer["Certificate"].get("SubjectAlternativeNames", [])
        return {name.lower() for name in (certificate.get("DomainName", ""), *listed)}

    def _missing(self, where: Mapping[str, Json], there: Sequence[CertificateSummaryTypeDef]) -> NotFound:
        """A near miss is most often one that waits for its validation, or is in another region."""
        error = _filters.missing("issued certificate", where, [_said(each) for each in there])
        hint = f"{error.hint}; it must be ISSUED and in {self.context.aws.region}, the region of the load balancer"
        return NotFound(error.message, hint=hint)


def _said(certificate: CertificateSummaryTypeDef) -> str:
    return f"{certificate.get('DomainName')} {certificate.get('Status')} {certificate['CertificateArn']}"
