"""``aws.elbv2.listener``: a port of the load balancer that forwards to a target group."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, PartialMap, Spec
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.elbv2 import _checks, _common
from smplan.drivers.aws.requests import accepted, batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import PLAIN_TEXT
from smplan.drivers.base import Claim, Live, Owner
from smplan.drivers.checks import Check, PlannedResources
from smplan.errors import DriverError, Invalid, NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_elbv2.type_defs import ActionOutputTypeDef, ListenerTypeDef

_CERTIFICATE_HINT = "use a certificate that is ISSUED and in the region of the load balancer"


class ListenerSpec(Spec):
    """A listener whose default action forwards to one target group."""

    sent_as: ClassVar = SentAs(
        "elbv2:CreateListener",
        {"certificate_arn": "Certificates[].CertificateArn", "target_group_arn": "DefaultActions[].TargetGroupArn"},
    )

    load_balancer_arn: Annotated[
        str,
        references.LOAD_BALANCER,
        IMMUTABLE,
        Field(pattern="^arn:", description="The load balancer, such as ${load_balancer.arn}."),
    ]
    port: Annotated[int, IMMUTABLE, Field(ge=1, le=65535, description="The port; 5080 and 443 in the guide.")]
    protocol: Annotated[Literal["HTTP", "HTTPS"], Field(description="The protocol of clients.")]
    certificate_arn: Annotated[
        str | None,
        references.CERTIFICATE,
        Field(pattern="^arn:", description="The certificate: required with HTTPS, not allowed with HTTP."),
    ] = None
    ssl_policy: Annotated[
        str | None,
        Field(
            min_length=1,
            description="The TLS policy, required with HTTPS: the API's default is of 2016. "
            "The console suggests ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09.",
        ),
    ] = None
    target_group_arn: Annotated[
        str,
        references.TARGET_GROUP,
        Field(pattern="^arn:", description="The target group to forward to, such as ${target_group.arn}."),
    ]
    tags: Annotated[
        PartialMap[str] | None, Field(description="Tags, besides those smplan sets.", max_length=48), PLAIN_TEXT
    ] = None

    @model_validator(mode="after")
    def _tls_fits(self) -> Self:
        if not self.known("protocol"):
            return self
        fields = ("certificate_arn", "ssl_policy")
        given = [name for name in fields if getattr(self, name) is not None]
        if self.protocol == "HTTP" and given:
            raise ValueError(f"`{given[0]}` goes with HTTPS only: leave it out, or write `protocol: HTTPS`")
        missing = [name for name in fields if name not in given]
        if self.protocol == "HTTPS" and missing:
            raise ValueError(f"HTTPS needs `{missing[0]}`")
        return self


class Listener(_common.TaggedDriver[ListenerSpec]):
    """A port can have one listener, so a replacement deletes first."""

    kind = "aws.elbv2.listener"
    summary = "A listener: a port of the load balancer that forwards to a target group."
    spec = ListenerSpec
    outputs: ClassVar = {"arn": Output("Its ARN.")}
    iam_actions = IamActions(
        read=("elasticloadbalancing:DescribeListeners", "elasticloadbalancing:DescribeTags"),
        write=(
            "elasticloadbalancing:CreateListener",
            "elasticloadbalancing:ModifyListener",
            "elasticloadbalancing:AddTags",
            "elasticloadbalancing:RemoveTags",
            "elasticloadbalancing:DeleteListener",
        ),
        check=_checks.LISTENER_ACTIONS,
    )
    key_fields = ("load_balancer_arn", "port")
    create_before_delete = False

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, of a replacement (the port has no listener meanwhile), and of every update but tags."""
        port = effect.was("port")
        if effect.removes:
            yield Risk(Category.SERVING, f"nothing answers on port {port}: new connections of clients are refused")
        if effect.op == "replace":
            yield Risk(
                Category.SERVING, f"nothing answers on port {port} from the delete until the new listener is there"
            )
        if effect.alters("target_group_arn"):
            before, after = effect.was("target_group_arn"), effect.becomes("target_group_arn")
            yield Risk(Category.SERVING, f"requests to port {port} go to {after}, not {before}")
        if effect.alters("protocol"):
            before, after = effect.was("protocol"), effect.becomes("protocol")
            yield Risk(Category.SERVING, f"port {port} speaks {after}: clients that speak {before} fail")
        if effect.alters("certificate_arn") and effect.after.get("certificate_arn"):
            after = effect.becomes("certificate_arn")
            yield Risk(
                Category.SERVING, f"clients of port {port} are shown {after}: its names and issuer must suit them"
            )
        if effect.alters("ssl_policy") and effect.after.get("ssl_policy"):
            after = effect.becomes("ssl_policy")
            yield Risk(
                Category.SERVING, f"clients of port {port} without a protocol or cipher of {after} cannot connect"
            )

    def checks(self, planned: PlannedResources) -> Iterable[Check]:
        """TLS policy, certificate, load balancer, target group, and the quota."""
        return _checks.of_listeners(self.context.aws, planned)

    def read_many(self, ids: Collection[str]) -> dict[str, Live[ListenerSpec]]:
        """One Describe and one DescribeTags per 20; by load balancer for a batch with a missing one."""
        found: list[ListenerTypeDef] = []
        for batch in batched(set(ids), _common.BATCH):
            try:
                found += self.context.aws.read.elbv2.describe_listeners(ListenerArns=batch)["Listeners"]
            except NotFound:
                for balancer in sorted({_balancer_of(arn) for arn in batch}):
                    found += [item for item in self._listeners_of(balancer) if item["ListenerArn"] in batch]
        return self._to_live(found)

    def _listeners_of(self, balancer: str) -> list[ListenerTypeDef]:
        pages = self.context.aws.read.elbv2.get_paginator("describe_listeners").paginate(LoadBalancerArn=balancer)
        try:
            return [item for page in pages for item in page["Listeners"]]
        except NotFound:
            return []

    def _to_live(self, found: list[ListenerTypeDef]) -> dict[str, Live[ListenerSpec]]:
        by_arn = {item["ListenerArn"]: item for item in found}
        tagged = _common.all_tags(self.context.aws, by_arn)
        return {arn: _live(by_arn[arn], tagged[arn]) for arn in sorted(tagged)}

    def find(self, spec: ListenerSpec) -> Live[ListenerSpec] | None:
        """The listener of that port of that load balancer."""
        found = [item for item in self._listeners_of(spec.load_balancer_arn) if item["Port"] == spec.port]
        return next(iter(self._to_live(found).values()), None)

    def create(self, spec: ListenerSpec, claim: Claim) -> str:
        """The ARN. AWS returns an existing one of equal settings, so the engine calls ``find`` first."""
        with _with_certificate_hint():
            response = self.context.aws.write.elbv2.create_listener(
                LoadBalancerArn=spec.load_balancer_arn,
                Port=spec.port,
                Tags=tags.listed(tags.merged(spec.tags, claim.tags)),
                **_settings(spec),
            )
        return response["Listeners"][0]["ListenerArn"]

    def update(self, live: Live[ListenerSpec], spec: ListenerSpec) -> None:
        """What differs, in one call; AWS drops certificate and policy if HTTPS becomes HTTP."""
        before, wanted = _settings(live.spec), _settings(spec)
        changes = {key: value for key, value in wanted.items() if value != before.get(key)}
        if "DefaultActions" in changes:
            changes["DefaultActions"] = self._actions(live.id, spec.target_group_arn)
        if changes:
            with _with_certificate_hint():
                self.context.aws.write.elbv2.modify_listener(ListenerArn=live.id, **changes)
        _common.retag(self.context.aws, live.id, live=live.spec.tags, wanted=spec.tags)

    def _actions(self, arn: str, target_group: str) -> list[dict[str, Any]]:
        """The actions as they are, with another target group: who must log in, and stickiness, are not managed."""
        client = self.context.aws.write.elbv2
        shape: Any = client.meta.service_model.shape_for("Actions")
        found = self.context.aws.read.elbv2.describe_listeners(ListenerArns=[arn])["Listeners"]
        actions = accepted(shape, [action for each in found for action in each.get("DefaultActions", [])])
        return [*map(_again, filter(_is_check, actions)), _forward(actions, target_group)]

    def delete(self, id: str) -> None:
        """Open connections continue until they end."""
        with suppress(NotFound):
            self.context.aws.write.elbv2.delete_listener(ListenerArn=id)


@contextmanager
def _with_certificate_hint() -> Iterator[None]:
    """Add a hint: AWS reports a certificate that is not issued as one whose key is too short."""
    try:
        yield
    except DriverError as error:
        if error.code not in {"CertificateNotFound", "UnsupportedCertificate"}:
            raise
        raise Invalid(error.message, hint=_CERTIFICATE_HINT, code=error.code, action=error.action) from error


def _balancer_of(listener: str) -> str:
    """``…:listener/app/<name>/<id>/<listener's id>`` belongs to ``…:loadbalancer/app/<name>/<id>``."""
    return listener.rpartition("/")[0].replace(":listener/", ":loadbalancer/", 1)


def _settings(spec: ListenerSpec) -> dict[str, Any]:
    """The settings of CreateListener and ModifyListener."""
    settings: dict[str, Any] = {
        "Protocol": spec.protocol,
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": spec.target_group_arn}],
    }
    if spec.certificate_arn is not None:
        settings["Certificates"] = [{"CertificateArn": spec.certificate_arn}]
    if spec.ssl_policy is not None:
        settings["SslPolicy"] = spec.ssl_policy
    return settings


def _live(item: ListenerTypeDef, tagged: Mapping[str, str]) -> Live[ListenerSpec]:
    certificates = item.get("Certificates") or []
    settings: dict[str, Any] = {
        "load_balancer_arn": item["LoadBalancerArn"],
        "port": item["Port"],
        "protocol": item["Protocol"],
        "certificate_arn": next((each.get("CertificateArn") for each in certificates), None),
        "ssl_policy": item.get("SslPolicy") or None,
        "target_group_arn": ", ".join(map(_describe, itertools.filterfalse(_is_check, item.get("DefaultActions", [])))),
        "tags": _common.own_tags(tagged),
    }
    arn = item["ListenerArn"]
    return Live(arn, ListenerSpec.model_construct(**settings), {"arn": arn}, Owner.from_tags(tagged))


def _is_check(action: Mapping[str, Any]) -> bool:
    """Whether the action only lets some requests pass on to the next one."""
    return str(action["Type"]).startswith(("authenticate-", "jwt-"))


def _again(action: Mapping[str, Any]) -> dict[str, Any]:
    """A check as a request takes it again: AWS does not return the secret of OIDC."""
    oidc = action.get("AuthenticateOidcConfig")
    return {**action, **({"AuthenticateOidcConfig": {**oidc, "UseExistingClientSecret": True}} if oidc else {})}


def _forward(actions: list[dict[str, Any]], target_group: str) -> dict[str, Any]:
    """The action that forwards to ``target_group``, with the order and the stickiness of the last of ``actions``."""
    last: Mapping[str, Any] = next((action for action in reversed(actions) if action["Type"] == "forward"), {})
    made: dict[str, Any] = {"Type": "forward", "TargetGroupArn": target_group}
    if "Order" in last:
        made["Order"] = last["Order"]
    if sticky := last.get("ForwardConfig", {}).get("TargetGroupStickinessConfig"):
        groups = [{"TargetGroupArn": target_group}]
        made["ForwardConfig"] = {"TargetGroups": groups, "TargetGroupStickinessConfig": sticky}
    return made


def _describe(action: ActionOutputTypeDef) -> str:
    """The target group that an action forwards to; for another action, set by hand, its type, which is a difference."""
    if action["Type"] != "forward":
        return action["Type"]
    groups = action.get("ForwardConfig", {}).get("TargetGroups") or []
    return action.get("TargetGroupArn") or ", ".join(group.get("TargetGroupArn", "") for group in groups)
