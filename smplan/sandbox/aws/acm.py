"""Certificate Manager: what certificates are used by."""

from __future__ import annotations

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account


def users(account: Account, arn: str) -> list[str]:
    """Load balancers with a listener that has the certificate."""
    return [
        balancer.arn
        for balancer in moto_state.balancers(account.id)
        if any(arn in listener.certificate_arns for listener in balancer.listeners)
    ]


@handles("acm", "DescribeCertificate")
def describe(call: Call) -> Fields:
    """InUseBy lists the load balancers (API reference, CertificateDetail)."""
    found = call.moto()["Certificate"]
    names = {"SubjectAlternativeNames": names_of(found)}
    return {"Certificate": {**found, **names, "InUseBy": users(call.account, call["CertificateArn"])}}


def names_of(certificate: Fields) -> list[str]:
    """The names it is for, its subject first: moto has them in no order."""
    others = sorted(certificate.get("SubjectAlternativeNames", []))
    return list(dict.fromkeys([certificate["DomainName"], *others]))


@handles("acm", "ListCertificates")
def list_all(call: Call) -> Fields:
    """With the names of each certificate (API reference, CertificateSummary: up to 100)."""
    response = call.moto()
    found = []
    for each in response["CertificateSummaryList"]:
        asked = {"CertificateArn": each["CertificateArn"]}
        names = names_of(call.account.moto.call("acm", "DescribeCertificate", asked)["Certificate"])
        more = {
            "SubjectAlternativeNameSummaries": names[:100],
            "HasAdditionalSubjectAlternativeNames": len(names) > 100,
        }
        found.append({**each, **more})
    return {**response, "CertificateSummaryList": found}


@handles("acm", "DeleteCertificate")
def delete(call: Call) -> None:
    """ResourceInUseException while a listener has it (API reference, DeleteCertificate)."""
    arn = call["CertificateArn"]
    if users(call.account, arn):
        raise AwsError("ResourceInUseException", f"Certificate {arn} in account {call.account.id} is in use.")
    call.moto()
