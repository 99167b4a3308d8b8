"""``aws.elbv2.listener``: a port of the load balancer that forwards to a target group."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from smplan.core.resource_type import Exclusive, IamActions, Output
from smplan.core.risk import Category, Effect, Risk
from smplan.core.spec import IMMUTABLE, PartialMap, Spec
from smplan.drivers import references
from smplan.drivers.aws import tags
from smplan.drivers.aws.elbv2 import _checks, _common, _forwarding
from smplan.drivers.aws.requests import batched
from smplan.drivers.aws.sent_as import SentAs
from smplan.drivers.aws.tags import PLAIN_TEXT
from smplan.drivers.base import Claim, Live, Owner, Progress
from smplan.drivers.checks import Check, PlannedResources
from smplan.drivers.context import Context
from smplan.errors import DriverError, Invalid, NotFound

if TYPE_CHECKING:
    from typing import Self

    from mypy_boto3_elbv2.type_defs import ListenerTypeDef

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
    port: Annotated[int, Field(ge=1, le=65535, description="The port; 5080 and 443 in the guide.")]
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
    """All but its load balancer changes in place; another target group gets no requests before it can serve them."""

    kind = "aws.elbv2.listener"
    summary = "A listener: a port of the load balancer that forwards to a target group."
    spec = ListenerSpec
    outputs: ClassVar = {"arn": Output("Its ARN.")}
    iam_actions = IamActions(
        read=(
            "elasticloadbalancing:DescribeListeners",
            "elasticloadbalancing:DescribeTags",
            "elasticloadbalancing:DescribeTargetHealth",
        ),
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
    exclusive: ClassVar = Exclusive("target_group_arn", "load_balancer_arn")
    timeout_seconds = 1800  # until new instances have started and are healthy

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._passing: set[str] = set()
        """The listeners that forward to another target group once it is ready, by an update of this run."""

    @classmethod
    def risks(cls, effect: Effect) -> Iterator[Risk]:
        """Of a deletion, of a replacement that has no target group of its own, and of every update but tags."""
        port = effect.was("port")
        if effect.removes:
            yield Risk(Category.SERVING, f"nothing answers on port {port}: new connections of clients are refused")
        if effect.op == "replace" and effect.before.get("target_group_arn") == effect.after.get("target_group_arn"):
            yield Risk(
                Category.SERVING,
                f"nothing answers on port {port} from the delete until the new listener is there: both use "
                f"{effect.was('target_group_arn')}, and a target group serves one load balancer",
            )
        if effect.alters("port"):
            yield Risk(
                Category.SERVING, f"port {effect.becomes('port')} answers, and nothing answers on port {port} any more"
            )
        if effect.alters("target_group_arn"):
            before, after = effect.was("target_group_arn"), effect.becomes("target_group_arn")
            yield Risk(
                Category.SERVING,
                f"requests to port {port} go to {after}, not {before}, once it has as many healthy targets",
            )
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
                Tags=tags.listed(tags.merged(spec.tags, claim.tags)),
                **_settings(spec),
            )
        return response["Listeners"][0]["ListenerArn"]

    def update(self, live: Live[ListenerSpec], spec: ListenerSpec) -> None:
        """What differs, in one call; AWS drops certificate and policy if HTTPS becomes HTTP.

        Another target group is forwarded to with weight 0 while others serve clients; ``wait_ready`` does the rest.
        """
        before, wanted = _settings(live.spec), _settings(spec)
        changes = {key: value for key, value in wanted.items() if value != before.get(key)}
        if "DefaultActions" in changes:
            changes["DefaultActions"] = self._first_actions(live.id, spec.target_group_arn)
        if changes:
            with _with_certificate_hint():
                self.context.aws.write.elbv2.modify_listener(ListenerArn=live.id, **changes)
        _common.retag(self.context.aws, live.id, live=live.spec.tags, wanted=spec.tags)

    def _first_actions(self, arn: str, target_group: str) -> list[dict[str, Any]]:
        actions = _forwarding.actions_of(self.context.aws, arn)
        if not _forwarding.passes(self.context.aws, actions, target_group):
            return _forwarding.directly(actions, target_group)
        self._passing.add(arn)
        return _forwarding.beside(actions, target_group)

    def wait_ready(self, id: str, spec: ListenerSpec) -> Iterator[Progress]:
        """Until another target group has as many healthy targets as serve now; then it alone is forwarded to."""
        if id not in self._passing:
            return
        actions = _forwarding.actions_of(self.context.aws, id)
        yield from _forwarding.ready(self.context.aws, actions, spec.target_group_arn)
        last: Any = _forwarding.directly(actions, spec.target_group_arn)
        self.context.aws.write.elbv2.modify_listener(ListenerArn=id, DefaultActions=last)
        self._passing.discard(id)

    def diagnose_timeout(self, spec: ListenerSpec) -> str:
        """What still serves, and what is missing."""
        return (
            f"the listener forwards as before, and to {spec.target_group_arn} with weight 0: attach a scaling group of "
            "as many instances to it, and see why its targets are not healthy"
        )

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
        "Port": spec.port,
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
        "target_group_arn": _forwarding.shown(item.get("DefaultActions", [])),
        "tags": _common.own_tags(tagged),
    }
    arn = item["ListenerArn"]
    return Live(arn, ListenerSpec.model_construct(**settings), {"arn": arn}, Owner.from_tags(tagged))
