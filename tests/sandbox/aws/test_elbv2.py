"""Elastic Load Balancing's rules, over the wire."""

from collections.abc import Callable
from typing import Any

import pytest

from smplan.sandbox.aws.elbv2 import load_balancers
from smplan.sandbox.sandbox import Sandbox
from tests.sandbox.conftest import Client, refused

Later = Callable[[float], None]


@pytest.fixture
def elb(aws_of: Client) -> Any:
    return aws_of("elbv2")


def balancer(still: Sandbox, elb: Any, name: str, **changes: Any) -> Any:
    request: dict[str, Any] = {
        "Name": name,
        "Subnets": list(still.facts.subnet_ids),
        "SecurityGroups": [still.facts.stream_manager_security_group_id],
        **changes,
    }
    return elb.create_load_balancer(**request)["LoadBalancers"][0]


def target_group(still: Sandbox, elb: Any, name: str, **changes: Any) -> str:
    request = {"Name": name, "Protocol": "HTTP", "Port": 5080, "VpcId": still.facts.vpc_id, **changes}
    arn: str = elb.create_target_group(**request)["TargetGroups"][0]["TargetGroupArn"]
    return arn


def listen(elb: Any, balancer_arn: str, group: str, **changes: Any) -> Any:
    request: dict[str, Any] = {
        "LoadBalancerArn": balancer_arn,
        "Port": 5080,
        "Protocol": "HTTP",
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": group}],
        **changes,
    }
    return elb.create_listener(**request)["Listeners"][0]


def pending_certificate(aws_of: Client) -> str:
    arn: str = aws_of("acm").request_certificate(DomainName="new.example.com", ValidationMethod="DNS")["CertificateArn"]
    return arn


def test_a_load_balancer_provisions_for_two_minutes(still: Sandbox, elb: Any, name: str, later: Later) -> None:
    made = balancer(still, elb, name)
    assert made["State"]["Code"] == "provisioning"
    later(119)

    def describe() -> Any:
        return elb.describe_load_balancers(Names=[name])["LoadBalancers"][0]

    assert describe()["State"]["Code"] == "provisioning"
    later(2)
    assert describe()["State"]["Code"] == "active"
    assert describe()["DNSName"] == made["DNSName"]
    assert made["CanonicalHostedZoneId"] == "Z35SXDOTRQ7X7K"


def test_the_same_load_balancer_again_is_the_same_and_another_is_refused(still: Sandbox, elb: Any, name: str) -> None:
    first = balancer(still, elb, name)
    assert balancer(still, elb, name)["LoadBalancerArn"] == first["LoadBalancerArn"]
    refused("DuplicateLoadBalancerName", balancer, still=still, elb=elb, name=name, Scheme="internal")


def test_one_made_again_after_deletion_has_another_dns_name(still: Sandbox, elb: Any, name: str) -> None:
    first = balancer(still, elb, name)
    elb.delete_load_balancer(LoadBalancerArn=first["LoadBalancerArn"])
    assert balancer(still, elb, name)["DNSName"] != first["DNSName"]


@pytest.mark.parametrize("bad", ["under_score", "x" * 33, "-start", "end-", "internal-x"])
def test_a_bad_name_is_refused(still: Sandbox, elb: Any, bad: str) -> None:
    refused("ValidationError", balancer, still=still, elb=elb, name=bad)


def test_subnets_in_two_zones_are_needed(still: Sandbox, elb: Any, aws_of: Client, name: str) -> None:
    make = {"still": still, "elb": elb, "name": name}
    text = refused("ValidationError", balancer, **make, Subnets=[still.facts.subnet_ids[0]])
    assert "two different Availability Zones" in text
    refused("SubnetNotFound", balancer, **make, Subnets=["subnet-0dead", still.facts.subnet_ids[0]])
    twin = aws_of("ec2").create_subnet(
        VpcId=still.facts.vpc_id, CidrBlock="10.0.192.0/24", AvailabilityZone="us-east-1a"
    )["Subnet"]["SubnetId"]
    refused("InvalidConfigurationRequest", balancer, **make, Subnets=[twin, *still.facts.subnet_ids])


def test_its_security_groups_must_be_of_its_vpc(still: Sandbox, elb: Any, name: str) -> None:
    make = {"still": still, "elb": elb, "name": name}
    refused("InvalidSecurityGroup", balancer, **make, SecurityGroups=["sg-0dead"])
    arn = balancer(**make)["LoadBalancerArn"]
    refused("InvalidSecurityGroup", elb.set_security_groups, LoadBalancerArn=arn, SecurityGroups=["sg-0dead"])
    elb.set_security_groups(LoadBalancerArn=arn, SecurityGroups=[still.facts.node_security_group_id])
    (seen,) = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert seen["SecurityGroups"] == [still.facts.node_security_group_id]


def test_without_groups_it_has_the_vpcs_default_group(still: Sandbox, elb: Any, aws_of: Client, name: str) -> None:
    made = elb.create_load_balancer(Name=name, Subnets=list(still.facts.subnet_ids))["LoadBalancers"][0]
    (group,) = aws_of("ec2").describe_security_groups(GroupIds=made["SecurityGroups"])["SecurityGroups"]
    assert group["GroupName"] == "default"


def test_facing_the_internet_needs_a_gateway(elb: Any, aws_of: Client, name: str) -> None:
    ec2 = aws_of("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.9.{number}.0/24", AvailabilityZone=f"us-east-1{zone}")["Subnet"][
            "SubnetId"
        ]
        for number, zone in enumerate("ab")
    ]
    refused("InvalidSubnet", elb.create_load_balancer, Name=name, Subnets=subnets)
    internal = elb.create_load_balancer(Name=name, Subnets=subnets, Scheme="internal")["LoadBalancers"][0]
    assert internal["DNSName"].startswith("internal-")


def test_subnets_are_checked_when_they_change_too(still: Sandbox, elb: Any, name: str) -> None:
    arn = balancer(still, elb, name)["LoadBalancerArn"]
    refused("ValidationError", elb.set_subnets, LoadBalancerArn=arn, Subnets=[still.facts.subnet_ids[0]])
    elb.set_subnets(LoadBalancerArn=arn, Subnets=list(still.facts.subnet_ids[:2]))
    (seen,) = elb.describe_load_balancers(LoadBalancerArns=[arn])["LoadBalancers"]
    assert {each["SubnetId"] for each in seen["AvailabilityZones"]} == set(still.facts.subnet_ids[:2])


def test_attributes_are_complete_and_checked(still: Sandbox, elb: Any, name: str) -> None:
    arn = balancer(still, elb, name)["LoadBalancerArn"]

    def attributes() -> dict[str, str]:
        found = elb.describe_load_balancer_attributes(LoadBalancerArn=arn)["Attributes"]
        return {each["Key"]: each["Value"] for each in found}

    assert attributes() == load_balancers.DEFAULTS
    for key, value, code in [
        ("idle_timeout.timeout_seconds", "5000", "InvalidConfigurationRequest"),
        ("deletion_protection.enabled", "perhaps", "InvalidConfigurationRequest"),
        ("no.such.key", "1", "ValidationError"),
    ]:
        change = [{"Key": key, "Value": value}]
        refused(code, elb.modify_load_balancer_attributes, LoadBalancerArn=arn, Attributes=change)
    elb.modify_load_balancer_attributes(
        LoadBalancerArn=arn, Attributes=[{"Key": "idle_timeout.timeout_seconds", "Value": "300"}]
    )
    assert attributes() == {**load_balancers.DEFAULTS, "idle_timeout.timeout_seconds": "300"}
    refused("LoadBalancerNotFound", elb.describe_load_balancer_attributes, LoadBalancerArn=arn[:-4] + "dead")


def test_a_protected_load_balancer_is_not_deleted_and_an_absent_one_is_success(
    still: Sandbox, elb: Any, name: str
) -> None:
    arn = balancer(still, elb, name)["LoadBalancerArn"]
    for value in ("true", "false"):
        elb.modify_load_balancer_attributes(
            LoadBalancerArn=arn, Attributes=[{"Key": "deletion_protection.enabled", "Value": value}]
        )
        if value == "true":
            refused("OperationNotPermitted", elb.delete_load_balancer, LoadBalancerArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[arn])


def test_its_interfaces_linger_and_hold_the_security_group_and_the_subnet(
    still: Sandbox, elb: Any, aws_of: Client, name: str, later: Later
) -> None:
    ec2 = aws_of("ec2")
    group = ec2.create_security_group(GroupName=name, Description=name, VpcId=still.facts.vpc_id)["GroupId"]
    arn = balancer(still, elb, name, SecurityGroups=[group])["LoadBalancerArn"]

    def interfaces() -> list[Any]:
        filters = [{"Name": "group-id", "Values": [group]}]
        found: list[Any] = ec2.describe_network_interfaces(Filters=filters)["NetworkInterfaces"]
        return found

    assert {each["SubnetId"] for each in interfaces()} == set(still.facts.subnet_ids)
    assert all(each["Description"] == f"ELB app/{name}/{arn[-16:]}" for each in interfaces())
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    later(29)
    refused("DependencyViolation", ec2.delete_security_group, GroupId=group)
    refused("DependencyViolation", ec2.delete_subnet, SubnetId=still.facts.subnet_ids[2])
    later(2)
    assert interfaces() == []
    ec2.delete_security_group(GroupId=group)


def test_the_same_target_group_again_is_the_same_and_another_is_refused(still: Sandbox, elb: Any, name: str) -> None:
    first = target_group(still, elb, name)
    assert target_group(still, elb, name) == first
    refused("DuplicateTargetGroupName", target_group, still=still, elb=elb, name=name, Port=80)


def test_a_target_group_tells_the_load_balancer_it_serves_now(still: Sandbox, elb: Any, name: str) -> None:
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    listen(elb, arn, group)
    listen(elb, arn, group, Port=5081)

    def served() -> list[str]:
        found: list[str] = elb.describe_target_groups(TargetGroupArns=[group])["TargetGroups"][0]["LoadBalancerArns"]
        return found

    assert served() == [arn]
    by_balancer = elb.describe_target_groups(LoadBalancerArn=arn)["TargetGroups"]
    assert [each["TargetGroupArn"] for each in by_balancer] == [group]
    refused("ResourceInUse", elb.delete_target_group, TargetGroupArn=group)
    other = balancer(still, elb, f"{name}-2")["LoadBalancerArn"]
    refused("TargetGroupAssociationLimit", listen, elb=elb, balancer_arn=other, group=group)
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert served() == []
    elb.delete_target_group(TargetGroupArn=group)


def test_a_target_groups_settings_are_checked(still: Sandbox, elb: Any, name: str) -> None:
    group = target_group(still, elb, name)
    refused(
        "InvalidConfigurationRequest",
        elb.modify_target_group,
        TargetGroupArn=group,
        HealthCheckIntervalSeconds=5,
        HealthCheckTimeoutSeconds=5,
    )
    (seen,) = elb.modify_target_group(TargetGroupArn=group, HealthCheckPath="/ok")["TargetGroups"]
    assert seen["HealthCheckPath"] == "/ok"
    for key, value in [("no.such.key", "1"), ("deregistration_delay.timeout_seconds", "3601")]:
        change = [{"Key": key, "Value": value}]
        refused(
            "InvalidConfigurationRequest", elb.modify_target_group_attributes, TargetGroupArn=group, Attributes=change
        )
    delay = [{"Key": "deregistration_delay.timeout_seconds", "Value": "30"}]
    answer = elb.modify_target_group_attributes(TargetGroupArn=group, Attributes=delay)
    assert delay[0] in answer["Attributes"]


def test_one_listener_a_port(still: Sandbox, elb: Any, name: str) -> None:
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    other = target_group(still, elb, f"{name}-2")
    first = listen(elb, arn, group)
    assert listen(elb, arn, group)["ListenerArn"] == first["ListenerArn"]
    refused("DuplicateListener", listen, elb=elb, balancer_arn=arn, group=other)
    second = listen(elb, arn, group, Port=5081)
    refused("DuplicateListener", elb.modify_listener, ListenerArn=second["ListenerArn"], Port=5080)
    refused("TargetGroupNotFound", listen, elb=elb, balancer_arn=arn, group=group[:-4] + "dead", Port=5082)
    refused("LoadBalancerNotFound", listen, elb=elb, balancer_arn=arn[:-4] + "dead", group=group)


def test_https_needs_an_issued_certificate_and_a_known_policy(
    still: Sandbox, elb: Any, aws_of: Client, name: str
) -> None:
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    issued = [{"CertificateArn": still.facts.certificate_arn}]
    pending = [{"CertificateArn": pending_certificate(aws_of)}]
    unknown = [{"CertificateArn": still.facts.certificate_arn[:-4] + "dead"}]
    https = {"elb": elb, "balancer_arn": arn, "group": group, "Protocol": "HTTPS", "Port": 443}
    refused("ValidationError", listen, **https)
    refused("UnsupportedCertificate", listen, **https, Certificates=pending)
    refused("CertificateNotFound", listen, **https, Certificates=unknown)
    refused("SSLPolicyNotFound", listen, **https, Certificates=issued, SslPolicy="ELBSecurityPolicy-Nonsense")
    made = listen(**https, Certificates=issued)
    assert made["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    assert listen(**https, Certificates=issued)["ListenerArn"] == made["ListenerArn"]
    refused("InvalidConfigurationRequest", listen, elb=elb, balancer_arn=arn, group=group, Certificates=issued)


def test_a_listener_changes_its_protocol_and_keeps_what_is_not_said(still: Sandbox, elb: Any, name: str) -> None:
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    listener = listen(elb, arn, group, Port=8443)["ListenerArn"]
    assert "SslPolicy" not in elb.describe_listeners(ListenerArns=[listener])["Listeners"][0]
    issued = [{"CertificateArn": still.facts.certificate_arn}]
    refused("ValidationError", elb.modify_listener, ListenerArn=listener, Protocol="HTTPS")
    (seen,) = elb.modify_listener(ListenerArn=listener, Protocol="HTTPS", Certificates=issued)["Listeners"]
    assert seen["SslPolicy"] == "ELBSecurityPolicy-2016-08"
    (seen,) = elb.modify_listener(ListenerArn=listener, SslPolicy="ELBSecurityPolicy-TLS13-1-2-2021-06")["Listeners"]
    assert seen["Certificates"] == issued
    (seen,) = elb.modify_listener(ListenerArn=listener, Protocol="HTTP")["Listeners"]
    assert "Certificates" not in seen


def test_a_certificate_in_use_is_not_deleted(still: Sandbox, elb: Any, aws_of: Client, name: str) -> None:
    acm, facts = aws_of("acm"), still.facts
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    listen(elb, arn, group, Port=443, Protocol="HTTPS", Certificates=[{"CertificateArn": facts.certificate_arn}])
    described = acm.describe_certificate(CertificateArn=facts.certificate_arn)["Certificate"]
    assert arn in described["InUseBy"]
    refused("ResourceInUseException", acm.delete_certificate, CertificateArn=facts.certificate_arn)
    acm.delete_certificate(CertificateArn=pending_certificate(aws_of))


def test_certificates_are_listed_with_their_names(still: Sandbox, aws_of: Client) -> None:
    found = aws_of("acm").list_certificates()["CertificateSummaryList"]
    (seen,) = [each for each in found if each["CertificateArn"] == still.facts.certificate_arn]
    assert seen["SubjectAlternativeNameSummaries"] == ["*.example.com", "example.com"]
    assert seen["HasAdditionalSubjectAlternativeNames"] is False


def test_one_unknown_arn_fails_the_whole_call(still: Sandbox, elb: Any, name: str) -> None:
    arn, group = balancer(still, elb, name)["LoadBalancerArn"], target_group(still, elb, name)
    listener = listen(elb, arn, group)["ListenerArn"]
    refused("ListenerNotFound", elb.describe_listeners, ListenerArns=[listener, f"{listener[:-4]}dead"])
    refused("TargetGroupNotFound", elb.describe_target_groups, TargetGroupArns=[group, f"{group[:-4]}dead"])
    refused("LoadBalancerNotFound", elb.describe_load_balancers, LoadBalancerArns=[arn, f"{arn[:-4]}dead"])
    for known in (listener, group, arn):
        code = (
            "ListenerNotFound"
            if known == listener
            else "TargetGroupNotFound"
            if known == group
            else "LoadBalancerNotFound"
        )
        refused(code, elb.describe_tags, ResourceArns=[known, f"{known[:-4]}dead"])


def test_policies_are_known_by_name(elb: Any) -> None:
    assert len(elb.describe_ssl_policies()["SslPolicies"]) > 10
    refused("SSLPolicyNotFound", elb.describe_ssl_policies, Names=["nonsense"])


def test_targets_must_run_and_are_unused_until_a_load_balancer_sends_to_them(
    still: Sandbox, elb: Any, name: str, later: Later
) -> None:
    group = target_group(still, elb, name)
    refused("InvalidTarget", elb.register_targets, TargetGroupArn=group, Targets=[{"Id": "i-0dead"}])
    refused("TargetGroupNotFound", elb.describe_target_health, TargetGroupArn=group[:-4] + "dead")
    target = {"Id": still.facts.instance_id}
    elb.register_targets(TargetGroupArn=group, Targets=[target])

    def health() -> tuple[str, str]:
        (seen,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        return seen["TargetHealth"]["State"], seen["TargetHealth"].get("Reason", "")

    assert health() == ("unused", "Target.NotInUse")
    arn = balancer(still, elb, name)["LoadBalancerArn"]
    listen(elb, arn, group)
    assert health() == ("initial", "Elb.RegistrationInProgress")
    later(160)
    assert health() == ("healthy", "")
    elb.set_subnets(LoadBalancerArn=arn, Subnets=list(still.facts.subnet_ids[1:]))
    assert health() == ("unused", "Target.NotInUse")
    elb.set_subnets(LoadBalancerArn=arn, Subnets=list(still.facts.subnet_ids))
    elb.deregister_targets(TargetGroupArn=group, Targets=[target])
    assert health() == ("draining", "Target.DeregistrationInProgress")
    elb.register_targets(TargetGroupArn=group, Targets=[target])
    elb.deregister_targets(TargetGroupArn=group, Targets=[{**target, "Port": 1}])
    assert health()[0] == "initial"
    elb.deregister_targets(TargetGroupArn=group, Targets=[target])
    (seen,) = elb.describe_target_health(TargetGroupArn=group, Targets=[target])["TargetHealthDescriptions"]
    assert seen["TargetHealth"]["Reason"] == "Target.NotRegistered"


def test_a_stopped_target_is_unused_and_a_terminated_one_goes(
    still: Sandbox, elb: Any, aws_of: Client, name: str, later: Later
) -> None:
    ec2, group = aws_of("ec2"), target_group(still, elb, name, HealthCheckPort="8080")
    members = ec2.describe_security_groups(GroupNames=["default"])["SecurityGroups"]
    (default,) = (each["GroupId"] for each in members if each["VpcId"] == still.facts.vpc_id)
    listen(elb, balancer(still, elb, name, SecurityGroups=[default])["LoadBalancerArn"], group)
    place = {"SubnetId": still.facts.subnet_ids[0], "SecurityGroupIds": [default]}
    ran = ec2.run_instances(ImageId=still.facts.image_id, MinCount=1, MaxCount=1, **place)
    made = ran["Instances"][0]["InstanceId"]
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": made}])
    later(200)
    (seen,) = elb.describe_target_health(TargetGroupArn=group, Targets=[{"Id": made}])["TargetHealthDescriptions"]
    assert (seen["TargetHealth"]["State"], seen["HealthCheckPort"]) == ("healthy", "8080")
    ec2.stop_instances(InstanceIds=[made])
    (seen,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert seen["TargetHealth"]["Reason"] == "Target.InvalidState"
    ec2.terminate_instances(InstanceIds=[made])
    later(1)
    (seen,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
    assert seen["TargetHealth"]["State"] == "draining"
    later(301)
    assert elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"] == []


def test_a_healthy_target_needs_several_failures_and_an_unhealthy_one_several_passes(
    still: Sandbox, elb: Any, name: str, later: Later
) -> None:
    group = target_group(still, elb, name, UnhealthyThresholdCount=2, HealthyThresholdCount=3)
    listen(elb, balancer(still, elb, name)["LoadBalancerArn"], group)
    instance, compute = still.facts.instance_id, still.aws.ec2
    elb.register_targets(TargetGroupArn=group, Targets=[{"Id": instance}])
    later(160)

    def after(seconds: float) -> str:
        later(seconds)
        (seen,) = elb.describe_target_health(TargetGroupArn=group)["TargetHealthDescriptions"]
        state: str = seen["TargetHealth"]["State"]
        return state

    compute.rebooted[instance] = still.clock.now() + 9000
    assert [after(30), after(30)] == ["healthy", "unhealthy"]
    del compute.rebooted[instance]
    assert [after(30), after(30), after(30)] == ["unhealthy", "unhealthy", "healthy"]


def test_a_name_is_found_among_more_load_balancers_than_a_page_holds(name: str, still: Sandbox, elb: Any) -> None:
    arns = [balancer(still, elb, f"{name}-{number}")["LoadBalancerArn"] for number in range(51)]
    assert balancer(still, elb, f"{name}-50")["LoadBalancerArn"] == arns[-1]
    refused("DuplicateLoadBalancerName", balancer, still=still, elb=elb, name=f"{name}-50", Scheme="internal")
    for arn in arns:
        elb.delete_load_balancer(LoadBalancerArn=arn)
