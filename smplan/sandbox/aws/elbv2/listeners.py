"""Elastic Load Balancing: listeners, their certificates and TLS policies."""

from __future__ import annotations

from typing import Any

from smplan.sandbox.aws import moto_state
from smplan.sandbox.aws.elbv2.targets import balancer_of, require_group
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

DEFAULT_POLICY = "ELBSecurityPolicy-2016-08"
"""The API's default (the console's is newer): API reference, CreateListener."""
POLICIES = (
    "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-3-PQ-2025-09",
    "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Res-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext1-2021-06",
    "ELBSecurityPolicy-TLS13-1-2-Ext2-2021-06",
    "ELBSecurityPolicy-TLS13-1-1-2021-06",
    "ELBSecurityPolicy-TLS13-1-0-2021-06",
    "ELBSecurityPolicy-TLS13-1-3-2021-06",
    "ELBSecurityPolicy-TLS-1-2-2017-01",
    "ELBSecurityPolicy-TLS-1-2-Ext-2018-06",
    "ELBSecurityPolicy-TLS-1-1-2017-01",
    "ELBSecurityPolicy-2016-08",
    "ELBSecurityPolicy-FS-2018-06",
    "ELBSecurityPolicy-FS-1-1-2019-08",
    "ELBSecurityPolicy-FS-1-2-2019-08",
    "ELBSecurityPolicy-FS-1-2-Res-2019-08",
    "ELBSecurityPolicy-FS-1-2-Res-2020-10",
    "ELBSecurityPolicy-2015-05",
)


@handles("elbv2", "DescribeSSLPolicies")
def policies(call: Call) -> Fields:
    """The predefined policies, by name."""
    names = call["Names"] or POLICIES
    for name in names:
        _check_policy(name)
    return {"SslPolicies": [{"Name": name, "SslProtocols": ["TLSv1.2"]} for name in names]}


def _check_policy(name: str) -> None:
    if name not in POLICIES:
        raise AwsError("SSLPolicyNotFound", f"SSL policy '{name}' not found")


@handles("elbv2", "CreateListener")
def create(call: Call) -> Fields:
    """One listener a port. Repeating the same settings returns the existing one (API reference: "idempotent")."""
    account = call.account
    account.moto.call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [call["LoadBalancerArn"]]})
    _check_tls(account, call["Protocol"], call["Certificates"] or [], call["SslPolicy"])
    _check_actions(account, call["LoadBalancerArn"], call["DefaultActions"])
    held = [each for each in _of(account, call["LoadBalancerArn"]) if each["Port"] == call["Port"]]
    if held:
        return {"Listeners": [_same(call, held[0])]}
    changes: Fields = {}
    if call["Protocol"] == "HTTPS":
        changes["SslPolicy"] = call["SslPolicy"] or DEFAULT_POLICY
    return {"Listeners": [_seen(each) for each in call.moto(**changes)["Listeners"]]}


def _of(account: Account, balancer_arn: str) -> list[Fields]:
    response = account.moto.call("elbv2", "DescribeListeners", {"LoadBalancerArn": balancer_arn})
    return [_seen(each) for each in response["Listeners"]]


def _seen(listener: Fields) -> Fields:
    """HTTP listeners have neither policy nor certificates."""
    if listener.get("Protocol") == "HTTPS":
        return listener
    return {key: value for key, value in listener.items() if key not in {"SslPolicy", "Certificates"}}


def _same(call: Call, held: Fields) -> Fields:
    wanted = [each.get("CertificateArn") for each in call["Certificates"] or []]
    has = [each.get("CertificateArn") for each in held.get("Certificates", [])]
    actions = [moto_state.forwarded(each) for each in call["DefaultActions"]]
    same = (
        held["Protocol"] == call["Protocol"]
        and wanted == has[: len(wanted)]
        and (held.get("SslPolicy") == (call["SslPolicy"] or DEFAULT_POLICY) or call["Protocol"] != "HTTPS")
        and actions == [moto_state.forwarded(each) for each in held["DefaultActions"]]
    )
    if not same:
        raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")
    return held


def _check_tls(account: Account, protocol: str, certificates: list[Fields], policy: str | None) -> None:
    """HTTPS needs one issued certificate (codes: terraform-provider-aws#26245, #17505)."""
    if protocol != "HTTPS":
        if certificates or policy:
            raise AwsError(
                "InvalidConfigurationRequest", "You cannot specify certificates or an SSL policy for an HTTP listener"
            )
        return
    if not certificates:
        raise AwsError("ValidationError", "A certificate must be specified for HTTPS listeners")
    if policy:
        _check_policy(policy)
    for each in certificates:
        check_certificate(account, each["CertificateArn"])


def check_certificate(account: Account, arn: str) -> None:
    """Unknown: CertificateNotFound. Not issued: UnsupportedCertificate, with AWS's misleading text."""
    try:
        found = account.moto.call("acm", "DescribeCertificate", {"CertificateArn": arn})["Certificate"]
    except AwsError as error:
        raise AwsError("CertificateNotFound", f"Certificate '{arn}' not found") from error
    if found["Status"] != "ISSUED":
        raise AwsError(
            "UnsupportedCertificate",
            f"The certificate '{arn}' must have a fully-qualified domain name, a supported signature, "
            "and a supported key size.",
        )


def _check_actions(account: Account, balancer_arn: str, actions: list[Fields]) -> None:
    """A target group serves one load balancer (API reference: TargetGroupAssociationLimit)."""
    for action in actions:
        for arn in moto_state.forwarded(action):
            require_group(account, arn)
            owner = balancer_of(account, arn)
            if owner is not None and owner.arn != balancer_arn:
                raise AwsError(
                    "TargetGroupAssociationLimit",
                    f"The following target groups cannot be associated with more than one load balancer: {arn}",
                )


@handles("elbv2", "ModifyListener")
def modify(call: Call) -> Fields:
    """The same rules as at creation; what is not sent stays."""
    account, changes = call.account, dict[str, Any]()
    held = account.moto.call("elbv2", "DescribeListeners", {"ListenerArns": [call["ListenerArn"]]})["Listeners"][0]
    protocol = call["Protocol"] or held["Protocol"]
    was_https = held["Protocol"] == "HTTPS"
    certificates = call["Certificates"] or (held.get("Certificates", []) if was_https and protocol == "HTTPS" else [])
    _check_tls(account, protocol, certificates, call["SslPolicy"])
    _check_actions(account, held["LoadBalancerArn"], call["DefaultActions"] or [])
    port = call["Port"]
    if port and any(
        each["Port"] == port and each["ListenerArn"] != call["ListenerArn"]
        for each in _of(account, held["LoadBalancerArn"])
    ):
        raise AwsError("DuplicateListener", "A listener already exists on this port for this load balancer")
    if protocol == "HTTPS" and not was_https and not call["SslPolicy"]:
        changes["SslPolicy"] = DEFAULT_POLICY
    if protocol == "HTTPS" and not call["Certificates"]:
        changes["Certificates"] = [{"CertificateArn": each["CertificateArn"]} for each in certificates]
    return {"Listeners": [_seen(each) for each in call.moto(**changes)["Listeners"]]}


@handles("elbv2", "DescribeTags")
def tags(call: Call) -> Fields:
    """Of load balancers, target groups and listeners mixed; an unknown one fails the whole call (API reference)."""
    balancers = list(moto_state.balancers(call.account.id))
    known = {each.arn for each in balancers} | {listener.arn for each in balancers for listener in each.listeners}
    for arn in call["ResourceArns"]:
        if ":targetgroup/" in arn:
            require_group(call.account, arn)
        elif arn not in known and ":listener/" in arn:
            raise AwsError("ListenerNotFound", f"Listener '{arn}' not found")
        elif arn not in known and ":loadbalancer/" in arn:
            raise AwsError("LoadBalancerNotFound", f"Load balancers '[{arn}]' not found")
    return call.moto()


@handles("elbv2", "DescribeListeners")
def describe(call: Call) -> Fields:
    """Of one load balancer, or by ARN; an unknown one fails the whole call."""
    response = call.moto()
    found = [_seen(each) for each in response["Listeners"]]
    for arn in call["ListenerArns"] or []:
        if not any(each["ListenerArn"] == arn for each in found):
            raise AwsError("ListenerNotFound", f"Listener '{arn}' not found")
    return {**response, "Listeners": found}
