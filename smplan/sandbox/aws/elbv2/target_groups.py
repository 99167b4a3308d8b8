"""Elastic Load Balancing: target groups."""

from __future__ import annotations

from smplan.sandbox.aws.elbv2.targets import balancer_of, require_group
from smplan.sandbox.aws.errors import AwsError, Fields
from smplan.sandbox.aws.requests import Call, handles
from smplan.sandbox.aws.state.account import Account

_COMPARED = (
    "Protocol",
    "Port",
    "VpcId",
    "TargetType",
    "HealthCheckProtocol",
    "HealthCheckPort",
    "HealthCheckPath",
    "HealthCheckIntervalSeconds",
    "HealthCheckTimeoutSeconds",
    "HealthyThresholdCount",
    "UnhealthyThresholdCount",
    "Matcher",
    "ProtocolVersion",
)
_ATTRIBUTES = {
    "deregistration_delay.timeout_seconds",
    "stickiness.enabled",
    "stickiness.type",
    "stickiness.lb_cookie.duration_seconds",
    "stickiness.app_cookie.cookie_name",
    "stickiness.app_cookie.duration_seconds",
    "load_balancing.algorithm.type",
    "load_balancing.algorithm.anomaly_mitigation",
    "load_balancing.cross_zone.enabled",
    "slow_start.duration_seconds",
    "target_group_health.dns_failover.minimum_healthy_targets.count",
    "target_group_health.dns_failover.minimum_healthy_targets.percentage",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.count",
    "target_group_health.unhealthy_state_routing.minimum_healthy_targets.percentage",
}


@handles("elbv2", "CreateTargetGroup")
def create(call: Call) -> Fields:
    """Repeating the same settings returns the existing one; others are refused (API reference: "idempotent")."""
    account, name = call.account, call["Name"]
    held = [each for each in _all(account) if each["TargetGroupName"] == name]
    if not held:
        return {"TargetGroups": [_seen(account, each) for each in call.moto()["TargetGroups"]]}
    if any(key in call.params and call.params[key] != held[0].get(key) for key in _COMPARED):
        raise AwsError(
            "DuplicateTargetGroupName",
            f"A target group with the same name '{name}' exists, but with different settings",
        )
    return {"TargetGroups": held}


def _all(account: Account) -> list[Fields]:
    response = account.moto.call("elbv2", "DescribeTargetGroups", {})
    return [_seen(account, each) for each in response["TargetGroups"]]


def _seen(account: Account, group: Fields) -> Fields:
    """With the load balancer that sends to it now, not every one that ever did."""
    balancer = balancer_of(account, group["TargetGroupArn"])
    return {**group, "LoadBalancerArns": [balancer.arn] if balancer else []}


@handles("elbv2", "DescribeTargetGroups")
def describe(call: Call) -> Fields:
    """An unknown ARN or name fails the whole call."""
    if call["LoadBalancerArn"]:
        call.account.moto.call("elbv2", "DescribeLoadBalancers", {"LoadBalancerArns": [call["LoadBalancerArn"]]})
        return {
            "TargetGroups": [each for each in _all(call.account) if call["LoadBalancerArn"] in each["LoadBalancerArns"]]
        }
    for arn in call["TargetGroupArns"] or []:
        require_group(call.account, arn)
    response = call.moto()
    return {**response, "TargetGroups": [_seen(call.account, each) for each in response["TargetGroups"]]}


@handles("elbv2", "ModifyTargetGroup")
def modify(call: Call) -> Fields:
    """Health checks only; the timeout stays below the interval."""
    held = call.account.moto.call("elbv2", "DescribeTargetGroups", {"TargetGroupArns": [call["TargetGroupArn"]]})[
        "TargetGroups"
    ][0]
    after = {**held, **call.params}
    if after["HealthCheckTimeoutSeconds"] >= after["HealthCheckIntervalSeconds"]:
        raise AwsError(
            "InvalidConfigurationRequest",
            f"Health check timeout '{after['HealthCheckTimeoutSeconds']}' must be smaller than the interval "
            f"'{after['HealthCheckIntervalSeconds']}'",
        )
    return {"TargetGroups": [_seen(call.account, each) for each in call.moto()["TargetGroups"]]}


@handles("elbv2", "ModifyTargetGroupAttributes")
def modify_attributes(call: Call) -> Fields:
    """Unknown keys are refused; a deregistration delay is 0 to 3600 s (API reference, TargetGroupAttribute)."""
    for each in call["Attributes"]:
        key, value = each["Key"], each.get("Value", "")
        if key not in _ATTRIBUTES:
            raise AwsError("InvalidConfigurationRequest", f"Target group attribute key '{key}' is not recognized")
        if key == "deregistration_delay.timeout_seconds" and not (value.isdigit() and int(value) <= 3600):
            raise AwsError("InvalidConfigurationRequest", f"'{key}' must be 0 to 3600")
    return call.moto()


@handles("elbv2", "DeleteTargetGroup")
def delete(call: Call) -> None:
    """ResourceInUse while a listener or rule forwards to it; targets are forgotten with it."""
    call.moto()
    call.account.elbv2.targets.pop(call["TargetGroupArn"], None)
