"""What each check finds, on the sandbox: one finding for each thing that AWS would refuse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from smplan.core.values import Interpolation, Ref
from smplan.drivers import registry
from smplan.drivers.aws.client import Aws
from smplan.drivers.checks import Finding, PlannedResource, PlannedResources
from smplan.sandbox.aws import quotas
from smplan.sandbox.sandbox import Sandbox
from tests.drivers.conformance import context

TEMPLATE, CONFIGURATION = "aws.ec2.launch_template", "aws.autoscaling.launch_configuration"
GROUP, BALANCER, TARGETS = "aws.autoscaling.group", "aws.elbv2.load_balancer", "aws.elbv2.target_group"
LISTENER, RECORD = "aws.elbv2.listener", "aws.route53.record"
SECURITY_GROUP, PORT = "aws.ec2.security_group", "aws.ec2.security_group_rule"
NOT_COVERED = "the certificate is for *.example.com, example.com, not for a.b.example.com"
ARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012"


def planned(address: str, kind: str, spec: Mapping[str, Any], *changed: str, id: str = "") -> PlannedResource:
    """A resource to create, or only with these fields changed."""
    driver = registry.driver(kind)
    assert driver is not None
    valid = driver.spec.model_validate(spec)
    fields = frozenset(changed or driver.spec.model_fields)
    return PlannedResource(address, kind, valid, fields, not changed, id, str(spec.get("name", "")), written=spec)


@dataclass
class Plan:
    """The facts of the sandbox as specs, and what the checks of a plan find."""

    box: Sandbox
    aws: Aws
    url: str = ""
    deleted: list[str] = field(default_factory=list)

    def find(self, *resources: PlannedResource) -> list[Finding]:
        """What all checks find."""
        settings = {"url": self.url} if self.url else None
        everything = PlannedResources(resources, deleted=self.deleted, stream_manager=lambda: settings)
        found: list[Finding] = []
        for kind in sorted({each.kind for each in resources}):
            driver = registry.driver(kind)
            assert driver is not None
            for check in driver(context(self.aws)).checks(everything):
                found += check.find()
        return found

    def messages(self, *resources: PlannedResource) -> list[str]:
        """The address, field and message of each finding."""
        return sorted(
            f"{each.address}.{'.'.join(map(str, each.field))}: {each.message}" for each in self.find(*resources)
        )

    def template(self, **changes: Any) -> dict[str, Any]:
        facts = self.box.facts
        groups = [facts.stream_manager_security_group_id]
        spec = {"image_id": facts.image_id, "instance_type": "c5.large", "security_group_ids": groups}
        return {"name": "checked", **spec, **changes}

    def group(self, **changes: Any) -> dict[str, Any]:
        launch = {"id": Ref("template", path=("id",)), "version": Ref("template", path=("version",))}
        sizes = {"min_size": 1, "max_size": 4, "subnet_ids": list(self.box.facts.subnet_ids)}
        return {"name": "checked", "launch_template": launch, **sizes, **changes}

    def balancer(self, **changes: Any) -> dict[str, Any]:
        groups = [self.box.facts.stream_manager_security_group_id]
        return {"name": "checked", "subnets": list(self.box.facts.subnet_ids), "security_groups": groups, **changes}

    def https(self, **changes: Any) -> dict[str, Any]:
        arns = {"load_balancer_arn": Ref("alb", path=("arn",)), "target_group_arn": Ref("tg", path=("arn",))}
        policy, certificate = "ELBSecurityPolicy-TLS13-1-2-2021-06", self.box.facts.certificate_arn
        return {
            "port": 443,
            "protocol": "HTTPS",
            "ssl_policy": policy,
            "certificate_arn": certificate,
            **arns,
            **changes,
        }

    def record(self, **changes: Any) -> dict[str, Any]:
        values = [Ref("alb", path=("dns_name",))]
        spec = {
            "zone_id": self.box.facts.zone_id,
            "name": "sm.example.com",
            "type": "CNAME",
            "ttl": 60,
            "values": values,
        }
        return {**spec, **changes}

    def port(self, **changes: Any) -> dict[str, Any]:
        facts = self.box.facts
        group, peer = facts.database_security_group_id, facts.stream_manager_security_group_id
        rule = {"group": group, "direction": "ingress", "protocol": "tcp", "port": 3306, "source_group": peer}
        return {name: value for name, value in {**rule, **changes}.items() if value is not None}

    def targets(self, **changes: Any) -> dict[str, Any]:
        return {"name": "checked", "protocol": "HTTP", "port": 5080, "vpc_id": self.box.facts.vpc_id, **changes}


@pytest.fixture
def plan(box: Sandbox, aws: Aws) -> Plan:
    return Plan(box, aws)


@pytest.fixture
def limits(box: Sandbox) -> Iterator[Any]:
    """Sets quotas; they are as before at the end."""
    before = dict(box.aws.table("quotas"))
    yield lambda service, code, value: quotas.set_limit(box.aws, service, code, value)
    box.aws.table("quotas").clear()
    box.aws.table("quotas").update(before)


def test_nothing_is_found_in_what_aws_accepts(plan: Plan) -> None:
    plan.url = "https://sm.example.com"
    facts, groups = plan.box.facts, [plan.box.facts.stream_manager_security_group_id]
    configuration = {"name": "checked", "image_id": facts.image_id, "instance_type": "c5.large"}
    assert (
        plan.messages(
            planned("template", TEMPLATE, plan.template(key_name="ops", iam_instance_profile="stream-manager")),
            planned("configuration", CONFIGURATION, {**configuration, "security_groups": groups}),
            planned("fleet", GROUP, plan.group(target_group_arns=[Ref("tg", path=("arn",))])),
            planned("alb", BALANCER, plan.balancer()),
            planned("tg", TARGETS, plan.targets()),
            planned("https", LISTENER, plan.https()),
            planned("record", RECORD, plan.record()),
            planned("database", PORT, plan.port()),
        )
        == []
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_id": "ami-0123"}, "image_id: there is no image ami-0123 here"),
        ({"instance_type": "c5.lagre"}, "instance_type: us-east-1 has no instance type c5.lagre"),
        (
            {"instance_type": "c7g.large"},
            "instance_type: c7g.large runs architecture arm64, and image {image_id} has x86_64",
        ),
        ({"key_name": "opz"}, "key_name: there is no key pair `opz` in us-east-1"),
        ({"iam_instance_profile": "nope"}, "iam_instance_profile: there is no instance profile nope"),
        (
            {"iam_instance_profile": "arn:aws:iam::999999999999:instance-profile/stream-manager"},
            "iam_instance_profile: there is no instance profile arn:aws:iam::999999999999:instance-profile/stream-manager",  # noqa: E501
        ),
        ({"security_group_ids": ["sg-0123"]}, "security_group_ids: there is no security group sg-0123 here"),
        (
            {"root_device_name": "/dev/sda1", "volume_size": 15},
            "volume_size: 15 GiB is less than the 16 GiB of image {image_id}",
        ),
    ],
)
def test_launch_settings(plan: Plan, changes: dict[str, Any], message: str) -> None:
    found = plan.messages(planned("template", TEMPLATE, plan.template(**changes)))
    assert found == [f"template.{message.format(image_id=plan.box.facts.image_id)}"]


def test_another_device_than_the_root_may_be_smaller_than_the_image(plan: Plan) -> None:
    spec = plan.template(root_device_name="/dev/xvdz", volume_size=1)
    assert plan.messages(planned("template", TEMPLATE, spec)) == []


def test_only_the_fields_that_change_are_asked_about(plan: Plan) -> None:
    spec = plan.template(key_name="opz", image_id="ami-0123", user_data="x")
    assert plan.messages(planned("template", TEMPLATE, spec, "user_data", id="lt-1")) == []


def test_an_image_that_the_plan_creates_is_as_its_instance(plan: Plan) -> None:
    image = {"name": "new-image", "instance_id": plan.box.facts.instance_id, "reboot": False}
    spec = plan.template(image_id=Ref("image", path=("id",)), volume_size=8, root_device_name="/dev/sda1")
    found = plan.messages(planned("image", "aws.ec2.image", image), planned("template", TEMPLATE, spec))
    assert [each.partition(" of ")[0] for each in found] == ["template.volume_size: 8 GiB is less than the 16 GiB"]


@pytest.mark.parametrize(("kind", "field"), [(TEMPLATE, "security_group_ids"), (CONFIGURATION, "security_groups")])
def test_a_type_must_be_offered_in_every_zone_of_the_group(plan: Plan, kind: str, field: str) -> None:
    settings = plan.template(instance_type="p5en.48xlarge")
    settings[field] = settings.pop("security_group_ids")
    launch = {"launch_template": None, "launch_configuration": "checked"} if kind == CONFIGURATION else {}
    found = plan.find(planned("template", kind, settings), planned("fleet", GROUP, plan.group(min_size=0, **launch)))
    subnet = plan.box.facts.subnet_ids[1]
    message = f"instance type p5en.48xlarge is not offered in us-east-1b (subnet {subnet})"
    assert [(each.address, each.field, each.message) for each in found] == [("template", ("instance_type",), message)]
    assert found[0].hint == "choose another type, or subnets in us-east-1a, us-east-1c"


def test_new_subnets_of_an_unchanged_template_are_the_finding(plan: Plan) -> None:
    template = PlannedResource(
        "template",
        TEMPLATE,
        planned("template", TEMPLATE, plan.template(instance_type="p5en.48xlarge")).spec,
        frozenset(),
        id="lt-1",
    )
    group = plan.group(launch_template={"id": "lt-1", "version": 1})
    found = plan.find(template, planned("fleet", GROUP, group, "subnet_ids", id="fleet"))
    assert [(each.address, each.field) for each in found] == [("fleet", ("subnet_ids",))]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"subnet_ids": ["subnet-0123"]}, "subnet_ids: there is no subnet subnet-0123 here"),
        (
            {"target_group_arns": [f"{ARN}:targetgroup/x/1"]},
            f"target_group_arns: there is no target group {ARN}:targetgroup/x/1 here",
        ),
        (
            {"launch_template": {"id": "lt-0123", "version": 7}},
            "launch_template: there is no version 7 of launch template lt-0123 here",
        ),
        (
            {"launch_template": None, "launch_configuration": "gone"},
            "launch_configuration: there is no launch configuration gone here",
        ),
    ],
)
def test_what_a_group_names_exists(plan: Plan, changes: dict[str, Any], message: str) -> None:
    assert plan.messages(planned("fleet", GROUP, plan.group(**changes))) == [f"fleet.{message}"]


@pytest.fixture
def elsewhere(aws: Aws) -> Iterator[dict[str, str]]:
    """Another VPC without an internet gateway: two subnets in different zones, and a security group."""
    vpc = aws.write.ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    made = {"vpc": vpc}
    for name, zone, cidr in (("a", "us-east-1a", "10.9.0.0/24"), ("b", "us-east-1b", "10.9.1.0/28")):
        made[name] = aws.write.ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone=zone)["Subnet"]["SubnetId"]
    made["sg"] = aws.write.ec2.create_security_group(GroupName="else", Description="x", VpcId=vpc)["GroupId"]
    yield made
    aws.write.ec2.delete_security_group(GroupId=made["sg"])
    for name in ("a", "b"):
        aws.write.ec2.delete_subnet(SubnetId=made[name])
    aws.write.ec2.delete_vpc(VpcId=vpc)


def test_subnets_security_groups_and_targets_are_in_one_vpc(plan: Plan, elsewhere: dict[str, str]) -> None:
    here, there = plan.box.facts.vpc_id, elsewhere["vpc"]
    group = plan.group(target_group_arns=[Ref("tg", path=("arn",))])
    assert plan.messages(
        planned("template", TEMPLATE, plan.template(security_group_ids=[elsewhere["sg"]])),
        planned("tg", TARGETS, plan.targets(vpc_id=there)),
        planned("fleet", GROUP, group),
        planned("alb", BALANCER, plan.balancer(security_groups=[elsewhere["sg"]])),
    ) == [
        f"alb.security_groups: security group {elsewhere['sg']} is in {there}, and the subnets are in {here}",
        f"fleet.target_group_arns: the targets of tg are in {there}, the subnets in {here}",
        f"template.security_group_ids: security group {elsewhere['sg']} is in {there}, and the subnets are in {here}",
    ]
    mixed = [plan.box.facts.subnet_ids[0], elsewhere["b"]]
    found = plan.messages(
        planned("fleet", GROUP, plan.group(subnet_ids=mixed)), planned("alb", BALANCER, plan.balancer(subnets=mixed))
    )
    assert [each.partition(":")[0] for each in found] == ["alb.subnets", "fleet.subnet_ids"]


def test_an_internet_facing_load_balancer_needs_a_gateway(plan: Plan, elsewhere: dict[str, str]) -> None:
    subnets = {"subnets": [elsewhere["a"], elsewhere["b"]], "security_groups": None}
    found = plan.messages(planned("alb", BALANCER, plan.balancer(**subnets)))
    assert found == [f"alb.scheme: {elsewhere['vpc']} has no internet gateway"]
    assert plan.messages(planned("alb", BALANCER, plan.balancer(**subnets, scheme="internal"))) == []


def test_a_load_balancer_needs_one_subnet_in_each_of_two_zones(plan: Plan, aws: Aws) -> None:
    first = plan.box.facts.subnet_ids[0]
    second = aws.write.ec2.create_subnet(
        VpcId=plan.box.facts.vpc_id, CidrBlock="10.0.250.0/28", AvailabilityZone="us-east-1a"
    )["Subnet"]["SubnetId"]
    both = " and ".join(sorted((first, second)))
    assert set(plan.messages(planned("alb", BALANCER, plan.balancer(subnets=[first, second])))) == {
        f"alb.subnets: {both} are all in us-east-1a: a load balancer takes one subnet per zone",
        "alb.subnets: all subnets are in us-east-1a: a load balancer needs two availability zones",
    }
    aws.write.ec2.delete_subnet(SubnetId=second)
    found = plan.messages(planned("alb", BALANCER, plan.balancer(subnets=[first, "subnet-0123"])))
    assert found == ["alb.subnets: there is no subnet subnet-0123 here"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ssl_policy": "ELBSecurityPolicy-TLS-2"}, "ssl_policy: AWS has no TLS policy `ELBSecurityPolicy-TLS-2`"),
        (
            {"certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/gone"},
            "certificate_arn: there is no certificate arn:aws:acm:us-east-1:123456789012:certificate/gone",
        ),
        (
            {"certificate_arn": "arn:aws:acm:eu-west-1:123456789012:certificate/x"},
            "certificate_arn: the certificate is in eu-west-1, and the load balancer in us-east-1",
        ),
        (
            {"load_balancer_arn": f"{ARN}:loadbalancer/app/x/1"},
            f"load_balancer_arn: there is no load balancer {ARN}:loadbalancer/app/x/1 here",
        ),
        (
            {"target_group_arn": f"{ARN}:targetgroup/x/1"},
            f"target_group_arn: there is no target group {ARN}:targetgroup/x/1 here",
        ),
    ],
)
def test_listeners(plan: Plan, changes: dict[str, Any], message: str) -> None:
    assert plan.messages(planned("https", LISTENER, plan.https(**changes))) == [f"https.{message}"]


def test_a_certificate_must_be_issued(plan: Plan, aws: Aws) -> None:
    arn = aws.write.acm.request_certificate(DomainName="sm.example.com", ValidationMethod="DNS")["CertificateArn"]
    found = plan.messages(planned("https", LISTENER, plan.https(certificate_arn=arn)))
    assert found == ["https.certificate_arn: the certificate is PENDING_VALIDATION, not ISSUED"]
    aws.write.acm.delete_certificate(CertificateArn=arn)


def test_a_certificate_of_iam_is_left_alone(plan: Plan) -> None:
    arn = "arn:aws:iam::123456789012:server-certificate/mine"
    assert plan.messages(planned("https", LISTENER, plan.https(certificate_arn=arn))) == []


@pytest.mark.parametrize(
    ("host", "url", "message"),
    [
        ("sm.example.com", "https://sm.example.com", ""),
        ("example.com", "", ""),
        ("a.b.example.com", "", NOT_COVERED),
        (
            "a.b.example.com",
            "https://a.b.example.com",
            f"{NOT_COVERED}, where Stream Manager is reached",
        ),
        (
            "a.b.example.com",
            "http://a.b.example.com",
            NOT_COVERED,
        ),
    ],
)
def test_a_certificate_covers_the_name_of_its_load_balancer(plan: Plan, host: str, url: str, message: str) -> None:
    plan.url = url
    found = plan.messages(
        planned("alb", BALANCER, plan.balancer()),
        planned("https", LISTENER, plan.https()),
        planned(
            "record",
            RECORD,
            plan.record(
                name=host,
                type="A",
                ttl=None,
                values=None,
                alias={"dns_name": Ref("alb", path=("dns_name",)), "zone_id": "Z1"},
            ),
        ),
    )
    assert found == ([f"https.certificate_arn: {message}"] if message else [])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"zone_id": "Z0123"}, "zone_id: there is no hosted zone Z0123"),
        ({"name": "sm.example.org"}, "name: sm.example.org is not in the zone example.com ({zone_id})"),
        ({"name": "example.com"}, "type: example.com is the apex of its zone, which cannot be a CNAME"),
    ],
)
def test_records(plan: Plan, changes: dict[str, Any], message: str) -> None:
    found = plan.messages(planned("record", RECORD, plan.record(**changes)))
    assert found == [f"record.{message.format(zone_id=plan.box.facts.zone_id)}"]


def test_a_cname_must_be_alone_unless_the_plan_deletes_the_other(plan: Plan, aws: Aws) -> None:
    zone = plan.box.facts.zone_id
    other: Any = {"Name": "sm.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "192.0.2.1"}]}

    def change(action: Any) -> None:
        batch: Any = {"Changes": [{"Action": action, "ResourceRecordSet": other}]}
        aws.write.route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)

    change("CREATE")
    record = planned("record", RECORD, plan.record())
    message = "sm.example.com has a record of type A already: a CNAME must be the only record of its name"
    assert plan.messages(record) == [f"record.name: {message}"]
    plan.deleted = [f"{zone}/sm.example.com"]
    assert plan.messages(record) == []
    change("DELETE")


def test_a_private_zone_written_as_an_id_is_not_for_a_public_load_balancer(plan: Plan, aws: Aws) -> None:
    vpc: Any = {"VPCRegion": "us-east-1", "VPCId": plan.box.facts.vpc_id}
    zone = aws.write.route53.create_hosted_zone(
        Name="example.net", CallerReference="x", VPC=vpc, HostedZoneConfig={"Comment": "", "PrivateZone": True}
    )["HostedZone"]["Id"].removeprefix("/hostedzone/")
    record = plan.record(zone_id=zone, name="sm.example.net")
    public, internal = plan.balancer(), plan.balancer(scheme="internal")
    found = plan.messages(planned("alb", BALANCER, public), planned("record", RECORD, record))
    assert found == [
        f"record.zone_id: {zone} (example.net) is a private zone, and the load balancer is internet-facing"
    ]
    assert plan.messages(planned("alb", BALANCER, internal), planned("record", RECORD, record)) == []
    aws.write.route53.delete_hosted_zone(Id=zone)


ALARM = {
    "name": "a",
    "namespace": "x",
    "metric_name": "m",
    "statistic": "Sum",
    "comparison_operator": "GreaterThanThreshold",
    "threshold": 1,
    "period": 60,
    "evaluation_periods": 1,
}
EVENTS = {"auto_scaling_group_name": "g", "notification_types": ["autoscaling:EC2_INSTANCE_LAUNCH"]}


@pytest.mark.parametrize(
    ("kind", "spec", "field"),
    [
        ("aws.sns.subscription", {"protocol": "email", "endpoint": "a@b.c"}, "topic_arn"),
        ("aws.autoscaling.notification", EVENTS, "topic_arn"),
        ("aws.cloudwatch.alarm", ALARM, "ok_actions"),
    ],
)
def test_topics_exist_in_this_region(plan: Plan, kind: str, spec: dict[str, Any], field: str) -> None:
    for region, message in (
        ("us-east-1", "there is no topic {arn}"),
        ("eu-west-1", "topic {arn} is in eu-west-1, not in us-east-1"),
    ):
        arn = f"arn:aws:sns:{region}:123456789012:gone"
        value = [arn] if field == "ok_actions" else arn
        assert plan.messages(planned("it", kind, {**spec, field: value})) == [f"it.{field}: {message.format(arn=arn)}"]


def test_security_groups_rules_and_images(plan: Plan) -> None:
    rule = {"direction": "ingress", "protocol": "tcp", "port": 3306, "group": "sg-0123456789abcdef0"}
    image = {"name": "new-image", "reboot": False, "instance_id": "i-0123"}
    group = {"name": "new", "description": "x", "vpc_id": "vpc-0123"}
    assert plan.messages(
        planned("rule", "aws.ec2.security_group_rule", {**rule, "prefix_list_id": "pl-0123"}),
        planned("image", "aws.ec2.image", image),
        planned("sg", "aws.ec2.security_group", group),
        planned("tg", TARGETS, plan.targets(vpc_id="vpc-0123")),
    ) == [
        "image.instance_id: there is no instance i-0123 here",
        "rule.group: there is no security group sg-0123456789abcdef0 here",
        "rule.prefix_list_id: there is no prefix list pl-0123 here",
        "sg.vpc_id: there is no VPC vpc-0123 here",
        "tg.vpc_id: there is no VPC vpc-0123 here",
    ]


@pytest.mark.parametrize(
    ("service", "code", "message"),
    [
        ("autoscaling", "L-CDE20ADC", "fleet.name: the quota of 0 scaling groups is exceeded"),
        ("autoscaling", "L-6B80B8FA", "configuration.name: the quota of 0 launch configurations is exceeded"),
        ("ec2", "L-1216C47A", "fleet.min_size: the plan starts 2 vCPUs"),
        ("elasticloadbalancing", "L-53DA6B97", "alb.name: the quota of 0 Application Load Balancers is exceeded"),
        ("elasticloadbalancing", "L-B22855CB", "tg.name: the quota of 0 target groups is exceeded"),
        ("elasticloadbalancing", "L-B6DF7632", "https.port: the quota of 0 listeners per load balancer is exceeded"),
        ("route53", "L-E209CC9F", "record.name: the quota of 0 records per hosted zone is exceeded"),
        ("vpc", "L-0EA8095F", "rule.group: the quota of 0 incoming rules per security group is exceeded"),
        ("vpc", "L-E79EC296", "sg.name: the quota of 0 security groups per region is exceeded"),
    ],
)
def test_quotas(plan: Plan, limits: Any, service: str, code: str, message: str) -> None:
    limits(service, code, 0)
    facts, groups = plan.box.facts, [plan.box.facts.stream_manager_security_group_id]
    configuration = {
        "name": "checked",
        "image_id": facts.image_id,
        "instance_type": "c5.large",
        "security_groups": groups,
    }
    rule = {"direction": "ingress", "protocol": "tcp", "port": 3306, "group": facts.database_security_group_id}
    found = plan.find(
        planned("template", TEMPLATE, plan.template()),
        planned("configuration", CONFIGURATION, configuration),
        planned("fleet", GROUP, plan.group()),
        planned("alb", BALANCER, plan.balancer()),
        planned("tg", TARGETS, plan.targets()),
        planned("https", LISTENER, plan.https()),
        planned("record", RECORD, plan.record()),
        planned("rule", "aws.ec2.security_group_rule", {**rule, "cidr_ipv4": "192.0.2.0/24"}),
        planned("sg", "aws.ec2.security_group", {"name": "new", "description": "x", "vpc_id": facts.vpc_id}),
    )
    assert [f"{each.address}.{each.field[0]}: {each.message}".startswith(message) for each in found] == [True], found
    assert code in found[0].hint


def test_what_is_known_after_apply_is_not_asked_about(plan: Plan) -> None:
    unknown = Ref("other", path=("x",))
    assert (
        plan.messages(
            planned("template", TEMPLATE, plan.template(image_id=unknown, instance_type=unknown, key_name=unknown)),
            planned("fleet", GROUP, plan.group(subnet_ids=[unknown], min_size=unknown)),
            planned("record", RECORD, plan.record(zone_id=unknown, name=Interpolation(("x.", unknown)))),
        )
        == []
    )


def behind_a_balancer(plan: Plan, **more: Mapping[str, Any]) -> list[PlannedResource]:
    """A fleet as the guide has it; ``more`` replaces specs, and an empty one leaves the resource out."""
    tg = [Ref("tg", path=("arn",))]
    kinds = {"template": TEMPLATE, "fleet": GROUP, "alb": BALANCER, "tg": TARGETS, "https": LISTENER, "db": PORT}
    specs: dict[str, Mapping[str, Any]] = {
        "template": plan.template(),
        "fleet": plan.group(target_group_arns=tg),
        "alb": plan.balancer(),
        "tg": plan.targets(),
        "https": plan.https(),
        "db": plan.port(),
        **more,
    }
    resources = [planned(name, kinds.get(name, PORT), spec) for name, spec in specs.items() if spec]
    return [
        *resources,
        planned("own", SECURITY_GROUP, {"name": "own", "description": "x", "vpc_id": plan.box.facts.vpc_id}),
    ]


def rules_found(plan: Plan, **more: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [each for each in plan.find(*behind_a_balancer(plan, **more)) if each.rule]
    assert all(each.rule and each.hint.endswith(f"({each.rule.source})") for each in found), found
    return sorted((each.rule.id, each.address) for each in found if each.rule)


OWN = Ref("own", path=("id",))
FROM_ALL = {"group": OWN, "port": 443, "source_group": None, "cidr_ipv4": "0.0.0.0/0"}


def test_viewers_reach_each_listener(plan: Plan) -> None:
    behind = {"alb": plan.balancer(security_groups=[OWN])}
    closed = [("open-ports", "https")]
    assert rules_found(plan) == []
    assert rules_found(plan, **behind) == closed
    admitting: tuple[dict[str, Any], ...] = (
        {},
        {"cidr_ipv4": None, "prefix_list_id": "pl-1234567890"},
        {"port": None, "from_port": 400, "to_port": 500},
        {"port": None, "protocol": "all"},
    )
    for change in admitting:
        assert rules_found(plan, **behind, rule=plan.port(**{**FROM_ALL, **change})) == [], change
    refusing: tuple[dict[str, Any], ...] = (
        {"port": 80},
        {"direction": "egress"},
        {"protocol": "udp"},
        {"cidr_ipv4": None, "source_group": plan.box.facts.node_security_group_id},
        {"port": None, "from_port": Ref("x"), "to_port": Ref("x")},
    )
    for change in refusing:
        assert ("open-ports", "https") in rules_found(plan, **behind, rule=plan.port(**{**FROM_ALL, **change})), change
    internal = plan.balancer(security_groups=[OWN], scheme="internal")
    inside = plan.port(group=OWN, port=443, source_group=plan.box.facts.node_security_group_id)
    assert rules_found(plan, alb=internal, rule=inside) == []


def test_the_load_balancer_reaches_the_instances(plan: Plan) -> None:
    mine = {"template": plan.template(security_group_ids=[OWN]), "db": plan.port(source_group=OWN)}
    assert rules_found(plan, **mine) == [("open-ports", "fleet")]
    balancer = plan.box.facts.stream_manager_security_group_id
    admitting: tuple[dict[str, Any], ...] = ({}, {"source_group": None, "cidr_ipv4": "10.0.0.0/16"})
    for change in admitting:
        rule = plan.port(**{"group": OWN, "port": 5080, "source_group": balancer, **change})
        assert rules_found(plan, **mine, rule=rule) == [], change
    small = {"source_group": None, "cidr_ipv4": "10.0.0.0/20"}
    refusing: tuple[dict[str, Any], ...] = ({"port": 5081}, small, {"source_group": OWN})
    for change in refusing:
        rule = plan.port(**{"group": OWN, "port": 5080, "source_group": balancer, **change})
        assert rules_found(plan, **mine, rule=rule) == [("open-ports", "fleet")], change


def test_the_database_admits_the_stream_managers(plan: Plan) -> None:
    assert rules_found(plan, db={}) == [("database-access", "fleet")]
    assert rules_found(plan, db=plan.port(source_group=None, cidr_ipv4="10.0.0.0/8")) == []
    nodes = plan.box.facts.node_security_group_id
    assert rules_found(plan, db=plan.port(source_group=nodes)) == [("database-access", "fleet")]


def test_only_a_scaling_group_registers_targets(plan: Plan) -> None:
    client = plan.aws.read.elbv2
    vpc = plan.box.facts.vpc_id
    made = client.create_target_group(Name="by-hand", Protocol="HTTP", Port=5080, VpcId=vpc)
    arn = made["TargetGroups"][0]["TargetGroupArn"]
    fleet = plan.group(target_group_arns=[arn])
    assert rules_found(plan, fleet=fleet, tg={}, https={}) == []
    client.register_targets(TargetGroupArn=arn, Targets=[{"Id": plan.box.facts.instance_id}])
    assert rules_found(plan, fleet=fleet, tg={}, https={}) == [("no-fixed-targets", "fleet")]
    client.delete_target_group(TargetGroupArn=arn)
