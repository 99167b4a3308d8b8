"""``aws.acm.certificate``: a lookup of the HTTPS listener's certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from smplan.core.resource_type import IamActions, Output
from smplan.core.values import Json
from smplan.drivers import references
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
"""All key types: without them ListCertificates lists RSA of 1024 and 2048 bits only (API reference)."""


class Certificate(Lookup):
    """An issued certificate in the region: a listener accepts no other."""

    kind = "aws.acm.certificate"
    summary = "The certificate of the fleet's name."
    keys: ClassVar = {
        "domain": "A name of the certificate, compared literally: `*.example.com` is not `www.example.com`.",
        "arn": "The certificate's ARN, if several have the same name.",
    }
    key_references: ClassVar = {"arn": references.CERTIFICATE}
    outputs: ClassVar = {
        "id": Output("The certificate's ARN."),
        "arn": Output("The certificate's ARN."),
        "domain": Output("The certificate's first name."),
        "not_after": Output("When it expires, in ISO 8601."),
    }
    iam_actions = IamActions(read=("acm:ListCertificates", "acm:DescribeCertificate"))

    def read(self, where: Mapping[str, Json]) -> dict[str, Json]:
        """The issued certificate of that name."""
        if not where or set(where) - set(self.keys):
            raise Invalid("a certificate is looked up by its domain", hint='write `where: {domain: "*.example.com"}`')
        listed = self._listed()
        found = [each for each in listed if each.get("Status") == "ISSUED" and self._matches(each, where)]
        summary = _filters.only("issued certificate", where, found, _describe)
        if summary is None:
            raise self._missing(where, listed)
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

    def _matches(self, certificate: CertificateSummaryTypeDef, where: Mapping[str, Json]) -> bool:
        if "arn" in where and certificate.get("CertificateArn") != where["arn"]:
            return False
        return "domain" not in where or str(where["domain"]).lower() in self._names(certificate)

    def _names(self, certificate: CertificateSummaryTypeDef) -> set[str]:
        """All names; the list has up to a hundred of a certificate, and DescribeCertificate the others."""
        listed = certificate.get("SubjectAlternativeNameSummaries")
        if listed is None or certificate.get("HasAdditionalSubjectAlternativeNames", False):
            response = self.context.aws.read.acm.describe_certificate(CertificateArn=certificate["CertificateArn"])
            listed = response["Certificate"].get("SubjectAlternativeNames", [])
        return {name.lower() for name in (certificate.get("DomainName", ""), *listed)}

    def _missing(self, where: Mapping[str, Json], existing: Sequence[CertificateSummaryTypeDef]) -> NotFound:
        """The error without a match; usually the certificate is not validated yet, or in another region."""
        error = _filters.missing("issued certificate", where, [_describe(each) for each in existing])
        hint = f"{error.hint}; it must be ISSUED and in {self.context.aws.region}, the region of the load balancer"
        return NotFound(error.message, hint=hint)


def _describe(certificate: CertificateSummaryTypeDef) -> str:
    return f"{certificate.get('DomainName')} {certificate.get('Status')} {certificate['CertificateArn']}"
